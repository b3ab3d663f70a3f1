"""What is installed: wheel and sdist hold the whole package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = ["LICENSE", "README.rst", "pyproject.toml", "setup.cfg"]
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
