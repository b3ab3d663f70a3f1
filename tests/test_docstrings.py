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

#: Those of its bases, too, if they are of this package.
METHODS = sorted(
    {
        f"incremental.Incremental.{name}"
        for cls in incremental.Incremental.__mro__
        if cls.__module__.startswith("incremental.")
        for name, member in vars(cls).items()
        if not name.startswith("_") and inspect.isroutine(member)
        if not name.endswith("_request")  # made by scikit-learn
    }
)
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


def test_methods_of_all_bases_are_among_them():
    names = {name.rpartition(".")[2] for name in METHODS}
    assert {"fit", "partial_fit", "predict", "transform", "score", "set_params"} <= names


@pytest.mark.parametrize("name", ["predict", "decision_function", "inverse_transform"])
def test_a_method_of_the_model_has_all_sections_and_its_signature(name):
    method = getattr(incremental.Incremental, name)
    sections = ["Parameters\n----------\nX :", "Returns\n-------\nresult :", "Examples\n--------"]
    positions = [inspect.getdoc(method).index(section) for section in sections]
    assert positions == sorted(positions)
    assert list(inspect.signature(method).parameters) == ["self", "X"]
    assert method.__name__ == name
