"""What a task asks for, and how it gets it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from dask.typing import Key
from scipy.sparse import issparse

from incremental._data.graphs import Graph
from incremental._data.values import Block
from incremental._engines.base import Prefetch
from incremental._engines.execute import FAILURE, execute
from incremental._engines.scan.merging import Keys
from incremental._engines.scan.tasks import Task
from incremental._planning.plan import Plan
from incremental.exceptions import NOT_COMPUTED, BlockError, describe

Get = Callable[..., Any]


class Place(int):
    """The place of shared values: an error that bears it is not of one fit, but of what they share.

    Each fit has a number of its own for the block that it needs them for.
    """


class Request:
    """A question that is answered at a meeting.

    Parameters
    ----------
    task : Task
        Who asks.
    get : callable
        The scheduler of dask's that would compute the answer.
    """

    def __init__(self, task: Task, get: Get):
        self.task = task
        self.get = get

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        raise NotImplementedError


class Question(Request):
    """What has one answer."""

    def __init__(self, task: Task, get: Get):
        super().__init__(task, get)
        self._answer: Any = None
        self._error: BaseException | None = None

    def answer(self, answer: Any) -> None:
        """Answer it."""
        with self.task.session.lock:
            self._answer = answer
            self.task.session.wake(self.task)

    def fail(self, error: BaseException) -> None:
        with self.task.session.lock:
            self._error = error
            self.task.session.wake(self.task)

    def result(self) -> Any:
        """Wait for the answer."""
        session = self.task.session
        session.ask(self)
        session.wait(self.task, lambda: self._answer is not None or self._error is not None)
        if self._error is not None:
            raise self._error
        return self._answer


class Values(Question):
    """Values that are asked for; the answer has them in the order of `keys`.

    Parameters
    ----------
    task, get
        As for `Request`.
    graph : mapping
        What they are computed from.
    keys : sequence of keys
        Which ones.
    """

    def __init__(self, task: Task, get: Get, graph: Graph, keys: Sequence[Key]):
        super().__init__(task, get)
        self.graph = graph
        self.keys = keys


class Turn:
    """A block, as all fits get it that have asked for the same sequence of blocks.

    Parameters
    ----------
    keys : tuple of keys
        Its values.
    tail : mapping
        The tasks that compute them from shared values.
    shared : mapping
        Values that other sequences need, too.
    n_users : int
        How many fits learn it.
    """

    def __init__(self, keys: Keys, tail: Graph, shared: dict[Key, Any], n_users: int):
        self._keys = keys
        self._tail = tail
        self._shared = shared
        self._n_users = n_users
        #: Whether others may learn it at the same time: the last who takes it, too, is not alone.
        self._is_shared = n_users > 1
        self._values: dict[Key, Any] = {}
        self._lock = threading.Lock()

    def take(self) -> dict[Key, Any]:
        """Return the values, which the first who asks computes; let go of them after the last."""
        with self._lock:
            self._n_users -= 1
            try:
                if not self._values:
                    shared = {key: _guarded(value) for key, value in self._shared.items()}
                    self._values = execute(self._tail, shared, set(self._keys))
                if FAILURE in self._values:
                    raise self._values[FAILURE]
                if not self._is_shared:
                    return self._values
                return {key: _guarded(value) for key, value in self._values.items()}
            finally:
                if not self._n_users:
                    self._values, self._shared = {}, {}


def _guarded(value: Any) -> Any:
    """Return a value that several fits share, so that none sees what another one writes to it.

    An array is a view that cannot be written to: scikit-learn copies it where it would write to
    it (``copy=False``), as it does those that joblib's processes share.
    """
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    return value.copy() if hasattr(value, "iloc") or issparse(value) else value


class Stream(Request):
    """Blocks that are asked for, in an order.

    Parameters
    ----------
    task, get
        As for `Request`.
    planned : Plan
        The blocks.
    prefetch : int, str or None
        How much is to be computed ahead.
    """

    def __init__(self, task: Task, get: Get, planned: Plan, prefetch: Prefetch):
        super().__init__(task, get)
        self.blocks = planned.blocks
        self.prefetch = prefetch
        #: For each block the keys of its values that are not in memory already.
        self.keys: tuple[Keys, ...] = tuple(planned.blocks.keys_to_compute)
        #: Called when a block is learned: its place in the scan is free.
        self.on_done: Callable[[], None] = lambda: None
        #: Whether nobody takes blocks any more.
        self.is_closed = False
        self._is_asked = False
        #: Whether an error is given.
        self._is_ended = False
        #: How many blocks it has that are not learned yet: one or none.
        self._n_held = 0
        self._turns: deque[Turn | BaseException] = deque()

    def give(self, turn: Turn | BaseException, priority: tuple[int, ...]) -> None:
        """Give the next block, or an error in its place and nothing after it."""
        with self.task.session.lock:
            if not self.is_open:
                return
            self._is_ended = not isinstance(turn, Turn)
            self._turns.append(turn)
            self.task.priority = priority
            self.task.session.wake(self.task)

    @property
    def is_open(self) -> bool:
        """Say whether it is to be given more blocks."""
        return not (self.is_closed or self._is_ended)

    def fail(self, error: BaseException) -> None:
        self.give(error, ())

    def next(self, position: int) -> Block:
        """Wait for the block at `position`."""
        session = self.task.session
        self.done()
        if not self._is_asked:
            self._is_asked = True
            session.ask(self)
        session.wait(self.task, lambda: bool(self._turns))
        with session.lock:
            turn = self._turns.popleft()
            self._n_held = int(isinstance(turn, Turn))
        number = self.blocks.numbers[position]
        if isinstance(turn, BaseException):
            raise _of_this_fit(turn, number) from turn.__cause__
        try:
            values = turn.take()
        except BlockError as error:
            raise BlockError(*error.args) from error.__cause__
        except Exception as error:
            message = f"Block {number} {NOT_COMPUTED}: {describe(error)}"
            raise BlockError(message, number) from error
        graph = self.blocks.graph
        return self.blocks.as_dict(
            [
                values[key] if key in values else graph[key].value  # type: ignore[attr-defined]
                for key in self.blocks.keys[position]
            ]
        )

    def done(self) -> None:
        """Take note that the last block is learned."""
        if self._n_held:
            self._n_held = 0
            self.on_done()

    def close(self) -> None:
        """Take no more blocks."""
        with self.task.session.lock:
            self.is_closed = True
            n_left = self._n_held + sum(isinstance(turn, Turn) for turn in self._turns)
            self._turns.clear()
            self._n_held = 0
            for _ in range(n_left):
                self.on_done()


def _of_this_fit(error: BaseException, number: int) -> BaseException:
    """Return an error of this fit alone, which names its own block: others get one, too."""
    if not isinstance(error, BlockError):
        return error
    if not isinstance(error.block, Place):
        return BlockError(*error.args)
    _, failed, why = str(error).partition(NOT_COMPUTED)
    return BlockError(f"Block {number} {failed}{why}", number)
