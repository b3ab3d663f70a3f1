"""Models of another version are loaded with a warning."""

import copy
import pickle
import runpy
import sys
import warnings

import pytest
import sklearn
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import SGDClassifier

import incremental
from incremental import Incremental, _compat
from tests.conftest import same_state


def sgd():
    return SGDClassifier(random_state=0)


@pytest.mark.parametrize(
    ("name", "version"),
    [("SGDClassifier", sklearn.__version__), ("Incremental", incremental.__version__)],
)
def test_a_model_of_another_version_warns(name, version, source):
    model = Incremental(sgd(), classes=[0, 1]).fit(source.X, source.y)
    old = "0" * (len(version) - 2) + ".0"
    saved = pickle.dumps(model)
    assert version.encode() in saved
    with pytest.warns(InconsistentVersionWarning, match=f"{name} from version {old} when") as found:
        loaded = pickle.loads(saved.replace(version.encode(), old.encode()))
    assert {w.message.estimator_name for w in found} == {name}
    assert vars(loaded).keys() == vars(model).keys()
    assert same_state(loaded.estimator_, model.estimator_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(saved)
        copy.deepcopy(model)


def test_where_scikit_learn_has_no_callbacks_the_error_says_which_version_has(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)  # as in scikit-learn 1.6 to 1.8
    old = runpy.run_path(_compat.__file__)

    class Old(old["CallbackSupportMixin"], Incremental):
        fit = old["with_callbacks"](Incremental.fit)

    model = Old(sgd(), classes=[0, 1])
    assert not hasattr(model, "set_callbacks")
    reason = "'Old' object has no attribute 'set_callbacks': callbacks need scikit-learn 1.9"
    with pytest.raises(AttributeError, match=reason):
        model.set_callbacks()
    assert model.fit([[0.0], [1.0]], [0, 1]).n_iter_ == 1
