"""Every public name is documented in numpydoc's format."""

import inspect

import pytest
from numpydoc.validate import validate

import incremental
import incremental.datasets
import incremental.plotting

# scikit-learn leaves out the same: how summaries are cut, extended summaries, "See Also" and
# notes everywhere, and that a value that is returned has a name.
IGNORED = {"GL01", "ES01", "SA01", "SA04", "RT02", "EX01"}

METHODS = [
    f"incremental.Incremental.{name}"
    for name, member in vars(incremental.Incremental).items()
    if not name.startswith("_") and (inspect.isfunction(member) or hasattr(member, "fn"))
]
NAMES = [
    "incremental.Incremental",
    "incremental.BlockError",
    "incremental.indexable",
    *METHODS,
    *(f"incremental.datasets.{name}" for name in incremental.datasets.__all__),
    *(f"incremental.plotting.{name}" for name in incremental.plotting.__all__),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name):
    assert [error for error in validate(name)["errors"] if error[0] not in IGNORED] == []


@pytest.mark.parametrize("name", [name for name in NAMES if "BlockError" not in name])
def test_a_public_name_has_an_example(name):
    assert validate(name)["docstring"].count(">>>") > 0
