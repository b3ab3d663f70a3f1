"""With a client, the same code gives the same model."""

import dask.array as da
import pytest
from sklearn.linear_model import SGDClassifier

from incremental import Incremental

from .conftest import in_blocks, loop, same_state

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_the_model_is_that_of_the_loop(client):
    X = da.random.default_rng(0).random((200, 4), chunks=(20, 4))
    y = (X[:, 0] > X[:, 1]).astype(int)
    X, y = (X - X.mean(0)).persist(), y.persist()
    distributed.wait([X, y])
    for data in ((X, y), (X - X.mean(0), y)):
        model = Incremental(SGDClassifier(random_state=0)).fit(*data)
        expected = loop(SGDClassifier(random_state=0), in_blocks(*data), classes=[0, 1])
        assert same_state(model.estimator_, expected)
    assert model.predict(X).compute().shape == (200,)
    assert model.score(X, y) == expected.score(X.compute(), y.compute())
