"""The doctests of the pages run in a folder of their own, since pages write files."""

import pytest

collect_ignore = ["_build", "api", "auto_examples", "conf.py", "examples"]


@pytest.fixture(autouse=True)
def folder(request, tmp_path, monkeypatch):
    """Run the doctest of a page in an empty folder."""
    if request.path.suffix == ".rst":
        monkeypatch.chdir(tmp_path)
