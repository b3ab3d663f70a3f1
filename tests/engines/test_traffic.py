"""What travels through a client, and what does not leave the process that it is in."""

import dask.array as da
import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._clusters import traffic
from incremental import Incremental


@pytest.mark.parametrize(
    "params",
    [
        {"shuffle": True, "max_iter": 2},
        {"batch_size": 7},
        {"estimator": make_pipeline(StandardScaler(), SGDClassifier(random_state=0))},
    ],
)
def test_a_fit_of_data_in_memory_within_a_task_ends(params, clean):
    X = np.random.default_rng(0).random((40, 3))
    y = (X[:, 0] > 0.5).astype(int)
    model = Incremental(SGDClassifier(random_state=0), random_state=0).set_params(**params)
    expected = clone(model).fit(X, y)
    found = clean.submit(model.fit, X, y).result(60)
    assert (found.decision_function(X) == expected.decision_function(X)).all()
    grid = {"prefetch": [0, 1]}
    with joblib.parallel_config("dask"):
        search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    with joblib.parallel_config("sequential"):
        scores = GridSearchCV(model, grid, cv=2).fit(X, y).cv_results_["mean_test_score"]
    assert (search.cv_results_["mean_test_score"] == scores).all()


def test_no_block_passes_through_the_client(clean):
    X = da.random.default_rng(0).random((400_000, 4), chunks=(20_000, 4))
    with traffic() as seen:
        values = X.compute()
    assert seen.received > X.nbytes  # it does see what travels
    with traffic() as found:
        model = Incremental(StandardScaler()).fit(X)
        assert model.n_samples_seen_ == 400_000
    assert found.received + found.sent < 0.05 * X.nbytes  # less than a block
    steps = make_pipeline(StandardScaler(), SGDClassifier())
    options = {"shuffle": True, "max_iter": 2, "early_stopping": True}
    y = values[:, 0] > np.median(values[:, 0])
    with traffic() as found:
        Incremental(steps, **options).fit(values, y, X_val=values, y_val=y)
    assert (
        found.received + found.sent < 0.01 * X.nbytes
    )  # the client's own messages, more of them on a busy machine
