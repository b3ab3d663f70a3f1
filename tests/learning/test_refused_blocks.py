"""A block that cannot be learned leaves the model as it was before it."""

import pickle

import dask.array as da
import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from incremental._learning.block_checks import check_rows
from incremental.exceptions import describe
from tests.conftest import in_blocks, loop, same_state


def sgd():
    return SGDClassifier(random_state=0)


class Careful(SGDClassifier):
    """Refuses a block before it changes anything."""

    refuses = -1

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if (X[:, 0] == self.refuses).any():
            raise ArithmeticError("too hard")
        return super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)


@pytest.mark.parametrize("prefetch", [None, 0])
def test_a_block_that_cannot_be_learned_leaves_the_model_bit_for_bit(source, prefetch):
    hard = da.concatenate([source.X[:60], da.full((20, 3), -1.0), source.X[80:]])
    model = Incremental(Careful(random_state=0), classes=[0, 1], prefetch=prefetch)
    message = r"Block 3 \(20 rows\) could not be learned by Careful: ArithmeticError: too hard"
    with pytest.raises(BlockError, match=message) as info:
        model.fit(hard, source.y)
    assert info.value.block == 3
    assert isinstance(info.value.__cause__, ArithmeticError)
    blocks = in_blocks(source.X, source.y)
    assert same_state(model.estimator_, loop(sgd(), blocks[:3], classes=[0, 1]))
    model.partial_fit(source.X[60:], source.y[60:])
    assert same_state(model.estimator_, loop(sgd(), blocks, classes=[0, 1]))


@pytest.mark.parametrize("batch_size", [5, 8, 20, 47, 90])
@pytest.mark.parametrize("bad_block", [0, 3, 7])
def test_a_batch_that_cannot_be_learned_names_the_first_row_that_was_not(batch_size, bad_block):
    values = np.random.default_rng(0).random((200, 3))
    bad = values.copy()
    bad[20 * bad_block + 13] = np.nan
    model = Incremental(StandardScaler(), batch_size=batch_size)
    model.set_params(estimator=Strict())
    with pytest.raises(
        BlockError, match=f"NaN or infinity: row 13 of X in block {bad_block}."
    ) as e:
        model.fit(da.from_array(bad, chunks=(20, 3)))
    learned = int(getattr(model, "n_samples_seen_", 0))
    assert e.value.block == learned // 20 <= bad_block
    if learned % 20:
        assert f"from row {learned % 20} on, in a batch of" in str(e.value)
    if learned:
        assert model.n_samples_seen_ == learned
        assert np.allclose(model.mean_, values[:learned].mean(0), rtol=1e-12)
    model.partial_fit(values[learned:])
    assert np.allclose(model.mean_, values.mean(0), rtol=1e-12)


class Strict(StandardScaler):
    """Takes no NaN."""

    def partial_fit(self, X, y=None, sample_weight=None):
        if np.isnan(X).any():
            raise ValueError("X contains NaN")
        return super().partial_fit(X, y, sample_weight)


def test_the_error_of_a_block_keeps_its_cause_between_processes():
    error = BlockError("Block 3 could not be computed", 3)
    error.__cause__ = OSError("disk 3 is gone")
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), other.block) == (str(error), 3)
    assert repr(other.__cause__) == repr(error.__cause__)


def test_what_has_no_rows_is_refused_where_rows_are_expected():
    with pytest.raises(ValueError, match="Got 0 rows"):
        check_rows(2, 5, "transform of Mine")


class Silent(Exception):
    def __str__(self):
        raise RuntimeError


def test_an_error_that_cannot_say_what_it_is_is_named_by_its_type():
    assert describe(Silent()) == "Silent"
