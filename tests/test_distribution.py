"""What is released: wheel and sdist hold the whole package, and others say the same of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FILES = ["LICENSE", "README.rst", "pyproject.toml", "setup.cfg"]
#: What goes by another name in conda's channels.
NAMES_IN_CONDA = {"dask[array]": "dask-core"}
MODULES = {str(f.relative_to(ROOT)) for f in (ROOT / "incremental").rglob("*.py")}

BUILD = """
import os
from setuptools import build_meta
os.makedirs("dist", exist_ok=True)
build_meta.build_wheel("dist")
build_meta.build_sdist("dist")
"""

IMPORT_ALL = """
import importlib, pkgutil, sys
import incremental
assert incremental.__file__.startswith(sys.argv[1]), incremental.__file__
names = [m.name for m in pkgutil.walk_packages(incremental.__path__, "incremental.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder of a wheel and an sdist that were built of a copy of the tree."""
    copy = tmp_path_factory.mktemp("tree")
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "incremental", copy / "incremental")
    subprocess.run([sys.executable, "-c", BUILD], cwd=copy, check=True, capture_output=True)
    return copy / "dist"


def test_a_wheel_has_all_modules_and_the_mark_of_types(dist):
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= MODULES | {"incremental/py.typed"}
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_an_sdist_has_all_modules_and_what_builds_them(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= MODULES | {"incremental/py.typed", *FILES}


def test_every_module_of_a_wheel_can_be_imported_from_another_folder(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    found = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(installed)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(found.stdout) == len(MODULES) - 1  # but for the package itself


@pytest.fixture(scope="module")
def metadata(dist):
    """What the sdist says of itself."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        (name,) = (n for n in archive.getnames() if re.fullmatch("[^/]*/PKG-INFO", n))
        return HeaderParser().parsestr(archive.extractfile(name).read().decode())


def test_the_recipe_for_conda_is_that_of_the_sdist(metadata, dist):
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
    version = recipe["context"]["version"]
    assert recipe["package"]["name"] == metadata["Name"]
    assert version == metadata["Version"]
    needed = [r for r in metadata.get_all("Requires-Dist") if "extra ==" not in r]
    expected = {f"python {metadata['Requires-Python']}"}
    for requirement in needed:
        name, bound = re.fullmatch(r"([\w-]+(?:\[\w+\])?)(.*)", requirement).groups()
        expected.add(f"{NAMES_IN_CONDA.get(name, name)} {bound}".strip())
    assert set(recipe["requirements"]["run"]) == expected
    source = recipe["source"]["path"].replace("${{ version }}", version)
    assert (dist / Path(source).name).exists()


def test_version_and_licence_are_cited_as_they_are(metadata):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == metadata["Version"]
    assert citation["license"] == metadata["License-Expression"]
    assert citation["title"] == metadata["Name"]
    assert metadata["Version"] in (ROOT / "CHANGELOG.rst").read_text()


def test_the_oldest_versions_that_are_tested_are_those_that_are_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    allowed = project["dependencies"] + extras["dataframe"]
    bounds = dict(re.fullmatch(r"([\w-]+).*>=(.*)", r).groups() for r in allowed if ">=" in r)
    session = (ROOT / "noxfile.py").read_text()
    for name, bound in bounds.items():
        (tested,) = re.findall(rf'"{name}==([\d.]+)(?:\.\*)?"', session)
        assert tested.removesuffix(".") == bound
