"""Sphinx builds the site with this: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs.tools.other_sites import links_of_other_sites  # noqa: E402
from docs.tools.speed_plot import draw  # noqa: E402
from incremental import __version__  # noqa: E402

# The examples are the time of the build; libraries with threads of their own make it longer.
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "dask-incremental"
author = copyright = "the dask-incremental developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "guide/steps_table.rst", "speed_table.rst"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = True

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("incremental",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "min_reported_time": 3600,  # the time depends on the machine
}
suppress_warnings = ["config.cache"]  # the order of the examples is a class, which is not cached

html_theme = "pydata_sphinx_theme"
html_title = "dask-incremental"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"start": [], "changes": [], "contributing": []}
html_use_index = html_domain_indices = False  # the API reference is the index
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": "dask-incremental",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def setup(app):
    """Draw the figures of the speed page, and link names of other packages to their sites."""
    draw(HERE / "speed_table.rst", HERE / "_generated")
    app.connect("missing-reference", links_of_other_sites)
