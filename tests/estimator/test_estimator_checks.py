"""scikit-learn's own checks: what an estimator passes, it passes wrapped too.

``python -m tests.estimator.test_estimator_checks`` counts, for each estimator bare and wrapped, the
checks that pass, that are expected to fail and that are skipped; its exit code says whether the
wrapper fails one that the bare estimator passes.
"""

import sys
import unittest
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import SkipTestWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils import all_estimators, get_tags

# Private: how scikit-learn constructs its estimators for these checks and which of them it knows
# to fail; without it both tables have to be copied here.
from sklearn.utils._test_common.instance_generator import (
    INIT_PARAMS,
    _get_expected_failed_checks,
)
from sklearn.utils.estimator_checks import estimator_checks_generator

from incremental import Incremental
from incremental._learning import classes as _classes
from incremental._learning import labels as _labels
from incremental._learning.labels import last_step
from incremental._pipelines.tree import is_tree
from tests.conftest import SKLEARN, loop

# The checks are made for estimators that may warn, and count warnings themselves where they matter.
pytestmark = pytest.mark.filterwarnings("default")

#: Estimators that learn too little from one pass over the few rows of a check; half the passes that
#: the bare estimator makes are enough.
PASSES = {"MLPClassifier": 50, "MLPRegressor": 50}

#: Estimators of which the wrapper asks nothing that it does not ask of one of the others, too.
#: Their checks take three quarters of the time; they run with ``-m slow``, and in this script.
ALIKE = {
    "BernoulliNB",
    "BernoulliRBM",
    "Birch",
    "CategoricalNB",
    "ComplementNB",
    "LatentDirichletAllocation",
    "MLPClassifier",
    "MLPRegressor",
    "MaxAbsScaler",
    "MinMaxScaler",
    "MiniBatchDictionaryLearning",
    "MiniBatchNMF",
    "PassiveAggressiveClassifier",
    "PassiveAggressiveRegressor",
    "Perceptron",
}

#: What `partial_fit` of an estimator does not give although its `fit` does, so that no wrapper can.
FAILS = {
    ("BernoulliRBM", "check_transformer_preserve_dtypes"): "partial_fit converts to float64",
    ("IncrementalPCA", "check_estimator_sparse_tag"): "partial_fit refuses sparse X",
    ("FeatureUnion", "check_estimator_sparse_tag"): "that of IncrementalPCA refuses sparse X",
    ("OneVsOneClassifier", "check_classifiers_classes"): "partial_fit refuses labels of dtype <U",
    ("OneVsOneClassifier", "check_classifiers_one_label"): "partial_fit needs two classes",
    ("OneVsOneClassifier", "check_fit2d_1sample"): "partial_fit needs two classes",
    ("OneVsRestClassifier", "check_classifier_multioutput"): "partial_fit refuses several outputs",
}
if SKLEARN < (1, 7):  # which asks for it whatever the tags are
    check = "check_sample_weight_equivalence_on_sparse_data"
    FAILS["StandardScaler", check] = "it refuses sparse X; scikit-learn asks with_mean=False"


#: Checks that set a parameter, or call a method, which the wrapper leaves to its estimator.
INSIDE = {
    "check_class_weight_balanced_linear_classifier",  # set_params(class_weight=...)
    "check_class_weight_classifiers",
    "check_sparsify_coefficients",  # sparsify()
}


def trees():
    """Construct some that are trained step by step; each takes seconds."""
    return [
        make_pipeline(StandardScaler(), SGDClassifier(random_state=0)),
        make_pipeline(PolynomialFeatures(1), MiniBatchKMeans(random_state=0, n_init=1)),
        make_union(IncrementalPCA(1)),  # its last step does not go on
    ]


def bare_estimators():
    """Construct all estimators of scikit-learn that have partial_fit."""
    estimators = []
    for name, cls in all_estimators():
        if hasattr(cls, "partial_fit"):
            params = dict(INIT_PARAMS.get(cls, {}))
            if "estimator" in params:
                inner = SGDClassifier if name.endswith("Classifier") else SGDRegressor
                params["estimator"] = inner(random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # some are deprecated
                estimators.append(cls(**params))
    return estimators


def wrap(bare):
    return Incremental(bare, max_iter=PASSES.get(type(bare).__name__, 1))


def name_of(check):
    return check.func.__name__


def checks_of(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", SkipTestWarning)  # a text vectorizer, say, has few checks
        return list(estimator_checks_generator(estimator, mark=None))


def checks_of_wrapped(bare):
    """Return the checks of the wrapper, and those that only a bare estimator is given."""
    checks = checks_of(wrap(bare))
    names = {name_of(check) for _, check in checks}
    for estimator, check in checks_of(bare):
        # Some checks set a solver that has no partial_fit.
        can_learn = hasattr(estimator, "partial_fit") or is_tree(estimator)
        if name_of(check) not in names | INSIDE and can_learn:
            checks.append((wrap(estimator), check))
    return checks


def known_failures(bare):
    """Return the checks that scikit-learn knows an estimator, or the one inside it, to fail."""
    found = {}
    for estimator in (bare, getattr(bare, "estimator", bare), last_step(bare)):
        found.update(_get_expected_failed_checks(estimator))
    return found


def parameters():
    for bare in [*bare_estimators(), *trees()]:
        name, known = type(bare).__name__, known_failures(bare)
        for estimator, check in checks_of_wrapped(bare):
            marks = [pytest.mark.slow] if name in ALIKE else []
            if (name, name_of(check)) in FAILS:
                marks += [pytest.mark.xfail(reason=FAILS[name, name_of(check)], strict=True)]
            elif name_of(check) in known:
                marks += [pytest.mark.xfail(reason=known[name_of(check)])]
            options = "".join(f"-{value}" for value in check.keywords.values())
            yield pytest.param(
                estimator, check, marks=marks, id=f"{name}-{name_of(check)}{options}"
            )


@pytest.mark.parametrize(("estimator", "check"), list(parameters()))
def test_wrapped_estimator_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("bare", bare_estimators(), ids=lambda bare: type(bare).__name__)
@pytest.mark.parametrize("kind", [is_classifier, is_regressor, is_clusterer, is_outlier_detector])
def test_wrapper_is_of_the_kind_of_its_estimator(bare, kind):
    assert kind(Incremental(bare)) == kind(bare)


@pytest.mark.parametrize("bare", bare_estimators(), ids=lambda bare: type(bare).__name__)
def test_tags_are_those_of_the_estimator(bare):
    expected = get_tags(bare)
    if isinstance(bare, SelectFromModel):  # which says nothing of the y that is for the one inside
        expected.target_tags.required = True
    assert get_tags(Incremental(bare)) == expected


def data_for(bare):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (40, 12)).astype(float)
    y = np.arange(40) % 2
    return X, np.column_stack([y, y]) if type(bare).__name__.startswith("MultiOutput") else y


def of_tables():
    """Construct the estimators that learn from a table."""
    return [bare for bare in bare_estimators() if get_tags(bare).input_tags.two_d_array]


@pytest.mark.parametrize("bare", of_tables(), ids=lambda bare: type(bare).__name__)
def test_names_and_number_of_features_are_those_of_the_model(bare):
    X, y = data_for(bare)
    names = [f"column {i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    model = Incremental(bare).fit(frame, y)
    classes = _labels.find(_labels.Ask(), y).labels
    told = {"classes": classes} if _classes.needs_classes(bare) else {}
    direct = loop(clone(bare), [(frame, y)], **told)
    assert model.n_features_in_ == direct.n_features_in_ == 12
    # OneVsRestClassifier has names after fit, but not after partial_fit.
    assert hasattr(model, "feature_names_in_") == hasattr(direct, "feature_names_in_")
    assert list(getattr(model, "feature_names_in_", names)) == names
    assert not hasattr(Incremental(bare).fit(X, y), "feature_names_in_")


@pytest.mark.parametrize(
    "bare",
    [e for e in bare_estimators() if any("random_state" in p for p in e.get_params())],
    ids=lambda bare: type(bare).__name__,
)
def test_random_state_reaches_the_estimator(bare):
    X, y = data_for(bare)
    name = "estimator__random_state" if "estimator" in bare.get_params() else "random_state"
    bare = clone(bare).set_params(**{name: None})
    first, again, other = (Incremental(bare, random_state=i).fit(X, y) for i in (1, 1, 2))
    seeds = [model.estimator_.get_params()[name] for model in (first, again, other)]
    assert all(isinstance(seed, int) for seed in seeds)
    assert seeds[0] == seeds[1] != seeds[2]
    assert bare.get_params()[name] is None
    kept = Incremental(clone(bare).set_params(**{name: 7}), random_state=1).fit(X, y)
    assert kept.estimator_.get_params()[name] == 7


def count(checks, known):
    """Run checks; return how many ended how, and the names of those that failed unexpectedly."""
    ends, failed = Counter(), set()
    for estimator, check in checks:
        try:
            check(estimator)
            end = "passed"
        except unittest.SkipTest:
            end = "skipped"
        except Exception:
            end = "expected" if name_of(check) in known else "failed"
            failed |= {name_of(check)} if end == "failed" else set()
        ends[end] += 1
    return ends, failed


def main():
    columns = ("passed", "expected", "skipped", "failed")
    totals = Counter()
    new = []
    print(f"{'':28}{'bare':^36}{'wrapped':^36}")
    print(f"{'':28}" + "".join(f"{c:>9}" for c in columns) * 2)
    for bare in [*bare_estimators(), *trees()]:
        name, known = type(bare).__name__, known_failures(bare)
        ours = known | {check: reason for (cls, check), reason in FAILS.items() if cls == name}
        line = f"{name:28}"
        before, failed_before = count(checks_of(bare), known)
        after, failed_after = count(checks_of_wrapped(bare), ours)
        for kind, ends in (("bare", before), ("wrapped", after)):
            line += "".join(f"{ends[c]:9}" for c in columns)
            totals.update({(kind, c): ends[c] for c in columns})
        new += [f"{name}: {check}" for check in sorted(failed_after - failed_before)]
        print(line, flush=True)
    print(f"{'':28}" + "".join(f"{totals[k, c]:9}" for k in ("bare", "wrapped") for c in columns))
    print(
        "\n".join(["Fail only when wrapped:", *new]) if new else "Nothing fails only when wrapped."
    )
    return bool(new)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
