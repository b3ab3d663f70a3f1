"""A block that cannot be computed leaves what was learned, and is named."""

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import Source, in_blocks, loop, same_state


def sgd():
    return SGDClassifier(random_state=0)


def test_a_block_that_fails_leaves_the_model_after_the_last_complete_block(scheduler):
    source = Source(fail_at=4)
    model = Incremental(sgd(), classes=[0, 1])
    with pytest.raises(BlockError, match="Block 4 could not be computed: OSError: disk 4") as info:
        model.fit(source.X, source.y)
    assert info.value.block == 4
    assert isinstance(info.value.__cause__, OSError)
    whole = Source()
    blocks = in_blocks(whole.X, whole.y)
    assert same_state(model.estimator_, loop(sgd(), blocks[:4], classes=[0, 1]))
    model.partial_fit(whole.X[80:], whole.y[80:])
    assert same_state(model.estimator_, loop(sgd(), blocks, classes=[0, 1]))


def test_a_loader_that_fails_leaves_no_row_before_it_unlearned_in_batches():
    for batch_size in (7, 20, 33, 1_000):
        source = Source(fail_at=4)
        model = Incremental(StandardScaler(), batch_size=batch_size)
        with pytest.raises(BlockError) as info:
            model.fit(source.X)
        assert info.value.block == 4
        assert model.n_samples_seen_ == 80
        model.partial_fit(Source().X[80:])
        expected = StandardScaler().fit(Source().X.compute())
        assert model.n_samples_seen_ == 200
        assert np.allclose(model.mean_, expected.mean_, rtol=1e-12)


def test_the_error_says_where_learning_the_rest_is_not_enough(source):
    broken = Source(fail_at=0)
    model = Incremental(sgd(), classes=[0, 1])
    with pytest.raises(BlockError, match=r"disk 0 is gone$"):
        model.fit(broken.X, broken.y)
    model.fit(source.X, source.y)
    with pytest.raises(
        BlockError, match="gone\nThe model of the fit before is unchanged: call fit.$"
    ):
        model.fit(broken.X, broken.y)
    broken = Source(fail_at=4)
    with pytest.raises(BlockError, match="disk 4 is gone\nThis was pass 1 of 3.$"):
        model.set_params(max_iter=3).fit(broken.X, broken.y)
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=[0, 1])
    with pytest.raises(
        BlockError, match="gone\nThe steps before the last are not trained: call fit.$"
    ):
        model.fit(broken.X, broken.y)
    assert not hasattr(model, "estimator_")


def test_an_error_that_cannot_be_shown_names_its_block():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def load():
        raise Mute

    with pytest.raises(BlockError, match=r"Block 0 could not be computed: Mute$"):
        Incremental(StandardScaler()).fit([dask.delayed(load)()])


class TooLarge:
    """Blocks of which one does not fit into memory."""

    def __init__(self, at):
        self.at = at

    def load(self, i):
        if i == self.at:
            raise MemoryError("Unable to allocate 3 TiB")
        return np.ones((100, 16))

    def array(self):
        parts = [dask.delayed(self.load)(i) for i in range(5)]
        return da.concatenate([da.from_delayed(p, (100, 16), float) for p in parts])

    def delayed(self):
        return [dask.delayed(self.load)(i) for i in range(5)]


@pytest.mark.parametrize(
    ("kind", "at", "params", "size"),
    [
        ("array", 0, {"prefetch": 3}, "A block has 12.50 kiB"),
        ("array", 3, {"prefetch": 3}, "A block has 12.50 kiB"),
        ("delayed", 3, {"prefetch": 3}, r"A block has 12.\d\d kiB"),
        ("delayed", 0, {"prefetch": 3}, "How large it is, is not known"),
        ("array", 3, {"prefetch": 0}, "A block has 12.50 kiB"),
    ],
)
def test_out_of_memory_says_how_large_blocks_are_and_how_many_there_are(kind, at, params, size):
    model = Incremental(StandardScaler(), **params)
    message = (
        f"Block {at} could not be computed: MemoryError: Unable to allocate 3 TiB. {size}; "
        f"besides the one that is learned, up to prefetch={params['prefetch']}"
        r"(, of at most .*iB,)? are in memory. Set a smaller prefetch, or cut X into smaller "
        r"blocks \(rechunk, repartition\)."
    )
    with pytest.raises(BlockError, match=message) as info:
        model.fit(getattr(TooLarge(at), kind)())
    assert info.value.block == at
    assert isinstance(info.value.__cause__, MemoryError)
    assert getattr(model, "n_samples_seen_", 0) == 100 * at
