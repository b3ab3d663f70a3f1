"""Learning from blocks: what one call of ``partial_fit`` gets, and when."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.utils import get_tags

from incremental._batches import Batches, Block, _num_samples, n_rows, shuffled
from incremental.exceptions import BlockError, describe


def accepts(method: Any, name: str) -> bool:
    """Say whether a method has a parameter of this name.

    Examples
    --------
    >>> accepts(len, "obj"), accepts(len, "classes")
    (True, False)
    """
    try:
        return name in inspect.signature(method).parameters
    except (TypeError, ValueError):
        return False


def needs_classes(estimator: Any) -> bool:
    """Say whether the first ``partial_fit`` has to be told all classes."""
    if accepts(estimator.partial_fit, "classes"):
        return True
    inner = getattr(estimator, "estimator", None)  # SelectFromModel hands parameters on
    return hasattr(inner, "partial_fit") and is_classifier(inner) and needs_classes(inner)


def is_multilabel(estimator: Any) -> bool:
    """Say whether columns of y are labels, each there or not, rather than outputs with labels."""
    tags = get_tags(estimator)
    return bool(
        tags.classifier_tags
        and tags.classifier_tags.multi_label
        and not tags.target_tags.multi_output
    )


def unique_labels(y: Any, multilabel: bool = False) -> Any:
    """Return the sorted labels of y; for y of several outputs a list of them.

    Examples
    --------
    >>> unique_labels([[0, 5], [1, 5]])
    [array([0, 1]), array([5])]
    >>> unique_labels([[0, 1], [1, 1]], multilabel=True)
    array([0, 1])
    """
    y = _as_array(y)
    if y.ndim == 2 and y.shape[1] > 1:
        if multilabel:
            return np.arange(y.shape[1])
        return [np.unique(column) for column in y.T]
    return np.unique(y)


def _as_array(y: Any) -> Any:
    return y if sp.issparse(y) else np.asarray(y)  # NumPy takes a sparse matrix for one value


def merge_labels(parts: list[Any]) -> Any:
    """Merge what `unique_labels` returned for several blocks.

    Examples
    --------
    >>> merge_labels([np.array([0, 2]), np.array([1, 2])]).tolist()
    [0, 1, 2]
    """
    if isinstance(parts[0], list):
        return [merge_labels(list(columns)) for columns in zip(*parts, strict=True)]
    return np.unique(np.concatenate(parts))


class Learner:
    """A model and all that it takes to go on training it; can be copied and pickled.

    Parameters
    ----------
    model : estimator
        Learns in place.
    seed : int
        Draws the orders that the model sees, for as long as it learns.
    classes : ndarray, list of ndarray or None
        Given to the first ``partial_fit``.
    params : dict
        Given to every ``partial_fit``.
    promise : tuple or None
        The shape (but for the rows) and the dtype of a block of X.
    batch_size : int or None
        Rows that one ``partial_fit`` gets, at most; None gives it whole blocks.
    """

    def __init__(
        self,
        model: Any,
        seed: int,
        classes: Any,
        params: dict[str, Any],
        promise: Any = None,
        batch_size: int | None = None,
    ):
        self.model = model
        self.seed = seed
        self.classes = classes
        self.params = dict(params)
        self.promise = promise
        self.n_batches = 0
        self._batches = Batches(batch_size)
        if classes is not None:
            self.params["classes"] = classes

    def learn(self, number: int, block: Block, seed: Sequence[int] | None = None) -> bool:
        """Learn from one block; return False if it has no rows.

        Parameters
        ----------
        number : int
            What to call the block in an error.
        block : dict
            Its values by name.
        seed : sequence of int, default=None
            Learn the rows in an order drawn from it; None keeps the order.

        Raises
        ------
        BlockError
            If the block is not what it has to be, or if the estimator refuses it.
        """
        if check_block(number, block, self.promise) == 0:
            return False
        if self.classes is not None:
            check_labels(block.get("y"), self.classes, number)
        if seed is not None:
            block = shuffled(block, np.random.default_rng([*seed, number]))
        self._learn_batches(number, self._batches.add(block))
        return True

    def finish(self, number: int) -> None:
        """Learn what waits for more rows, up to the block before `number`."""
        self._learn_batches(number - 1, self._batches.rest())

    def _learn_batches(self, number: int, batches: list[Block]) -> None:
        for batch in batches:
            data = {name: value for name, value in batch.items() if name != "y"}
            target = (batch["y"],) if "y" in batch else ()
            try:
                self.model.partial_fit(data.pop("X"), *target, **data, **self.params)
            except Exception as error:
                raise BlockError(
                    f"Block {number} ({n_rows(batch)} rows) could not be learned by "
                    f"{type(self.model).__name__}: {describe(error)}",
                    number,
                ) from error
            self.n_batches += 1


def check_block(number: int, block: dict[str, Any], promise: Any = None) -> int:
    """Return the number of rows of a block, or refuse it."""
    lengths = {}
    for name, value in block.items():
        try:
            lengths[name] = _num_samples(value)
        except TypeError as error:
            raise BlockError(
                f"Block {number} of {name} must be an array, a dataframe, a sparse matrix or a "
                f"list. Got {type(value).__name__} instead; check what its loader returns.",
                number,
            ) from error
    n = lengths["X"]
    for name, length in lengths.items():
        if length != n:
            raise BlockError(
                f"X and {name} must have the same number of rows in every block. Got {n} rows "
                f"of X and {length} of {name} in block {number}.",
                number,
            )
    X = block["X"]
    if promise is not None and n and hasattr(X, "shape"):
        shape, dtype = promise
        if tuple(X.shape[1:]) != tuple(shape):
            raise BlockError(
                f"Every block of X must have the shape (n_rows, {', '.join(map(str, shape))}) that "
                f"the dask array promises. Got {tuple(X.shape)} in block {number}; check its "
                "loader, or the shape given to from_delayed.",
                number,
            )
        if X.dtype != dtype and not _harmless(X.dtype, dtype):
            raise BlockError(
                f"Every block of X must have the dtype {dtype} that the dask array promises. Got "
                f"{X.dtype} in block {number}; check its loader, or the dtype given to "
                "from_delayed.",
                number,
            )
    return n


def _harmless(found: np.dtype, promised: np.dtype) -> bool:
    """Allow numbers for numbers: dask itself guesses the kind of result often, its size not."""
    return found.kind in "iufb" and promised.kind in "iufb"


def check_labels(y: Any, classes: Any, number: int | None = None) -> None:
    """Refuse labels that are not in `classes`; name them and the rows that they are in."""
    if y is None:
        return
    y = _as_array(y)
    if y.ndim == 2 and y.shape[1] > 1:
        if isinstance(classes, list):
            for column, labels in zip(y.T, classes, strict=False):
                check_labels(column, labels, number)
        return
    y = y.ravel()
    labels = np.sort(np.asarray(classes))
    try:
        if len(labels) == 2:  # the usual case, many times faster than searching
            found = (y == labels[0]) | (y == labels[1])
        else:
            found = labels.take(labels.searchsorted(y), mode="clip") == y
    except TypeError:
        found = np.isin(y, labels)
    if np.all(found):
        return
    rows = np.flatnonzero(~np.broadcast_to(found, y.shape))
    unknown = sorted(set(y[rows].tolist()), key=str)
    where = "" if number is None else f" of block {number}"
    message = (
        f"y must contain only labels of classes={labels.tolist()}. Got {unknown} in "
        f"{'row' if len(rows) == 1 else 'rows'} {', '.join(map(str, rows[:5]))}"
        f"{', ...' if len(rows) > 5 else ''}{where}. Add them to classes, or clean y."
    )
    if number is None:
        raise ValueError(message)
    raise BlockError(message, number)


@contextmanager
def whole_blocks() -> Iterator[Interrupt]:
    """Let Ctrl-C wait for the end of a step, so that no model is left with half a block.

    A second Ctrl-C comes through at once.  Outside the main thread, or where somebody else handles
    the signal, nothing is changed.
    """
    interrupt = Interrupt()
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt.on_signal)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.check()


class Interrupt:
    """Remembers that Ctrl-C was pressed while a block was being learned."""

    def __init__(self):
        self.learning = False
        self.pressed = False

    def on_signal(self, signum: int, frame: Any) -> None:
        if not self.learning or self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

    def check(self) -> None:
        if self.pressed:
            self.pressed = False
            raise KeyboardInterrupt
