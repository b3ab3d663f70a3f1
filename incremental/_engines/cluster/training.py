"""Training on a cluster: blocks are computed and learned on the workers.

A pass is a chain of tasks, one ``partial_fit`` for each block, submitted a few blocks ahead of the
one being learned.  dask's scheduler decides where each runs; the client hears when it is done, and
gets a copy of the model at the end of each window, a checkpoint.

Checkpoints cut the chain.  The first task of a window hangs on an anchor, a value without origin:
when it is released, the scheduler forgets how the window came about.  Otherwise it would keep every
task of the pass, and repeat them all for a model that was lost.  If a worker takes with it what
cannot be computed again, the scheduler cancels what depends on it, and the client starts another
chain from its checkpoint.

A block that is loaded and learned faster than a task is scheduled is not worth tasks of its own:
one task loads and learns several, one after the other.  If it fails, they are repeated one by one,
so that the error is that of a block, and comes after all blocks before it.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from itertools import islice
from operator import getitem
from typing import Any, NamedTuple, TypeVar

import distributed
from dask.delayed import Delayed
from dask.sizeof import sizeof
from dask.task_spec import Alias, DataNode, Task, TaskRef
from sklearn import config_context

from incremental._engines.base import Turn
from incremental._engines.cluster.feed import LARGE, Feed, Graph, OnSubmit
from incremental._engines.cluster.losses import (
    Failed,
    FailedTogether,
    Losses,
    Lost,
    check_open,
    limit_of,
    release,
)
from incremental._engines.local.execute import FAILURE, execute
from incremental._planning.plan import Plan
from incremental._planning.windows import Key, Window, cull
from incremental.exceptions import BlockError

T = TypeVar("T")

#: So many anchors are sent at once.
N_ANCHORS = 16

#: How long one task loads and learns blocks, in seconds; so much is repeated after a loss, twice at
#: most.
TOGETHER = 50e-3

#: Longer, in seconds, and the blocks are learned one by one.
TOO_LONG = 10 * TOGETHER

#: The first block that is loaded by the task that learns it, to see what that costs, and how many
#: times as far the next one is: nothing is loaded ahead for them.
FIRST_TRIAL, TRIALS_APART = 20, 2


class Checkpoint(NamedTuple):
    """What it takes to go on: a learner without the rows that wait in it."""

    model: Any
    n_batches: int
    n_rows: int
    #: The numbers of the blocks that wait for more rows, and how many rows they have.
    waiting: list[int]
    n_waiting: int
    #: What each of the blocks has cost that were learned last, in seconds.
    seconds: float


@contextmanager
def _copied(learner: Any) -> Iterator[Any]:
    """Yield a copy of `learner` that learns as configured where the fit was called."""
    with config_context(**learner.config):
        yield learner.copy()


def _learn(
    learner: Any, number: int, names: tuple[str, ...] | None, *values: Any, anchor: None = None
) -> Any:
    """Return a copy of `learner` that has learned a block: others may see the original."""
    start = time.perf_counter()
    with _copied(learner) as learner:
        _learn_block(learner, number, names, values)
    learner.seconds = time.perf_counter() - start
    return learner


def _learn_block(
    learner: Any, number: int, names: tuple[str, ...] | None, values: Sequence[Any]
) -> None:
    block = values[0] if names is None else dict(zip(names, values, strict=True))
    learner.learn(number, block)


class Load(NamedTuple):
    """What it takes to load a block: like a window, of one block that needs no other window."""

    number: int
    tasks: Graph
    keys: tuple[Key, ...]


def _load_and_learn(
    loads: list[Load],
    shared: list[Key],
    names: tuple[str, ...] | None,
    learner: Any,
    *values: Any,
    anchor: None = None,
) -> Any:
    """Return a copy of `learner` that has learned blocks, each loaded when it is its turn."""
    start = time.perf_counter()
    inputs = dict(zip(shared, values, strict=True))
    with _copied(learner) as learner:
        for n_learned, (number, tasks, keys) in enumerate(loads):
            if n_learned and time.perf_counter() - start > TOO_LONG:
                raise TimeoutError(f"{n_learned} blocks were expected to take {TOGETHER} s")
            loaded = execute(tasks, inputs, set(keys))
            if FAILURE in loaded:
                raise loaded[FAILURE]
            _learn_block(learner, number, names, [loaded[key] for key in keys])
            del loaded
    learner.seconds = (time.perf_counter() - start) / len(loads)
    return learner


def _finish(learner: Any) -> Checkpoint:
    """Return a checkpoint after the rows that wait were learned."""
    with _copied(learner) as learner:
        learner.finish()
    return _checkpoint(learner)


def _finish_before_error(learner: Any) -> Checkpoint:
    """Return a checkpoint after those rows that wait were learned that come before an error."""
    with _copied(learner) as learner, suppress(BlockError):
        learner.finish()
    return _checkpoint(learner)


def _checkpoint(learner: Any) -> Checkpoint:
    """Return a checkpoint."""
    return Checkpoint(
        learner.model,
        learner.n_batches,
        learner.n_rows,
        learner.waiting,
        learner.n_waiting,
        learner.seconds,
    )


class _Chain(Feed):
    """Steps of training, each from the learner that the one before it returns."""

    def __init__(self, training: _Pass, limit: Callable[[int], int]):
        super().__init__(training.client, training.planned, limit, training.resume, training.stop)
        self._training = training
        name = type(training.learner.model).__name__
        self._step = f"partial_fit-{name}-{self.token}"
        self._keep = f"checkpoint-{name}-{self.token}"
        self._last: Key = f"start-{name}-{self.token}"
        self._anchors: list[distributed.Future] = []
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="incremental-checkpoint")
        self._forgotten = self.start
        # A checkpoint ends a window; the number of the one that goes on, and how far it has come.
        self._window = self._n_in_window = 0
        self._whole: set[int] = set()  # last blocks of tasks that load what they learn
        #: The last blocks of the windows that the client has no checkpoint of, and their numbers.
        self._ends: dict[int, int] = {}

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        values = (TaskRef(self.name(value)) for value in self.blocks.keys[position])
        names = None if self._training.shuffled else self._training.names
        number = self._training.numbers[position]
        may_end = position + 1 in (self._under_way[-1].blocks.stop, self.stop)
        positions = range(position, position + 1)
        return self._add(graph, positions, may_end, _learn, (number, names), values)

    def add_whole(self, graph: Graph) -> dict[Key, OnSubmit]:
        training = self._training
        windows = self._learned_together()
        if not windows:
            return {}
        for _ in windows:
            self._waiting.popleft()
        positions = range(self._n_submitted, windows[-1].blocks.stop)
        self._n_submitted = positions.stop
        if len(positions) == 1:
            training.next_trial = max(training.next_trial, positions[0]) * TRIALS_APART
        self._whole.add(positions[-1])
        loads = [
            Load(
                training.numbers[window.blocks[0]],
                {k: t for k, t in window.tasks.items() if self.name(k) not in self._shared},
                self.blocks.keys[window.blocks[0]],
            )
            for window in windows
        ]
        shared = {
            key: TaskRef(self.name(key))
            for window in windows
            for key in window.tasks
            if self.name(key) in self._shared
        }
        names = None if training.shuffled else training.names
        function = partial(_load_and_learn, loads, list(shared), names)
        return self._add(graph, positions, True, function, (), shared.values())

    def _add(
        self,
        graph: Graph,
        positions: range,
        may_end: bool,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        values: Iterable[TaskRef],
    ) -> dict[Key, OnSubmit]:
        """Add the next task of the chain, and of a checkpoint if a window may end with it."""
        training = self._training
        options: dict[str, Any] = {}
        if not self._n_in_window:
            options["anchor"] = TaskRef(self._next_anchor(self._window))
        last = positions[-1]
        if positions[0] == self.start:
            start: Graph = {self._last: DataNode(self._last, training.starting())}
            self._send_large(self._window, start)
            graph.update(start)
        key = (self._step, last)
        graph[key] = Task(key, function, TaskRef(self._last), *args, *values, **options)
        self._last = key
        wanted: dict[Key, OnSubmit] = {key: partial(self._watch, positions)}
        self._n_in_window += len(positions)
        is_full = self._n_in_window >= training.window_size or last in self._whole
        is_new = last > training.position
        ends = is_new and may_end and (is_full or last + 1 == self.stop)
        if ends:
            self._ends[last] = self._window
            self._window, self._n_in_window = self._window + 1, 0
        if ends or (is_new and training.listening):
            keep = (self._keep, last)
            graph[keep] = Task(keep, _checkpoint, TaskRef(key))
            wanted[keep] = partial(self._fetch, last)
        return wanted

    def _learned_together(self) -> list[Window]:
        """Return the next windows if they are to be loaded by the task that learns them."""
        found: list[Window] = []
        size = 0
        n_together = self._training.n_together(self._n_submitted) if self._limit > 1 else 0
        for window in islice(self._waiting, n_together):
            # Not what lies on the cluster already, nor what blocks have in common: that is where it
            # is, or is computed, once.
            needed = window.outputs.union(*(t.dependencies for t in window.tasks.values()))
            alone = len(window.blocks) == 1 and not window.inputs and needed <= set(window.tasks)
            size += sum(sizeof(t.value) for t in window.tasks.values() if isinstance(t, DataNode))
            if not alone or size > LARGE:
                break
            found.append(window)
        return found

    def _next_anchor(self, window: int) -> Key:
        if not self._anchors:
            names = [f"anchor-{uuid.uuid4().hex}" for _ in range(N_ANCHORS)]
            # To all workers, so that no window is lost with a worker that has nothing else of it.
            self._anchors += self._scatter(dict.fromkeys(names), broadcast=True)
        anchor = self._anchors.pop()
        self._hold(window, anchor)
        return anchor.key

    def _has_room(self) -> bool:
        # What the client has no checkpoint of is what is repeated after a loss.
        if len(self._ends) >= 2:
            return False
        return len(self._learned_together()) > 1 or super()._has_room()

    def _fetch(self, position: int, future: distributed.Future) -> None:
        """Get a checkpoint in the background."""
        self._hold((self._keep, position), future)

        def fetch() -> None:
            try:
                value = future.result()
            except Exception:  # which one, the future knows
                value = None
            self._events.put(partial(self._fetched, position, future, value))

        self._fetcher.submit(fetch)

    def _fetched(self, position: int, future: distributed.Future, value: Any) -> None:
        if value is None and future.status == "error" and self.n_done <= position:
            return  # so is the step, whose turn will come
        if value is None:
            raise Failed(position, future.exception()) if future.status == "error" else Lost
        self._let_go((self._keep, position))
        self._training.keep(position, value, position in self._whole)
        for end in [end for end in self._ends if end <= position]:
            self._let_go(self._ends.pop(end))  # its anchor
        self.fill()

    def _done(self, positions: range, future: distributed.Future) -> None:
        super()._done(positions, future)
        while self._forgotten < min(self.n_done, self._training.n_told) - 1:
            if self._forgotten in self.futures:
                self.futures.pop(self._forgotten).release()
            self._forgotten += 1

    def finish(self, position: int) -> tuple[int, Checkpoint, BaseException | None]:
        """Return the state after a block, with the rows that wait learned if they can be.

        It is that after the last of the blocks that are learned by the same task, which comes
        first.  Nothing else is done after that.
        """
        end = min(last for last in self.futures if last >= position)
        learner = self.futures.pop(end)
        found: list[distributed.Future] = []
        try:
            self.close()
            error = self._ask(found, learner, "finish", _finish).exception()
            if error is not None:
                keep = _finish_before_error if isinstance(error, BlockError) else _checkpoint
                self._ask(found, learner, "last", keep)
            return end, found[-1].result(), error
        except Exception as error:
            if any(future.status == "cancelled" for future in found):
                raise Lost from error
            raise
        finally:
            release([learner, *found])

    def _ask(
        self,
        found: list[distributed.Future],
        learner: distributed.Future,
        name: str,
        function: Callable[[Any], Checkpoint],
    ) -> distributed.Future:
        key = (self._keep, name)
        graph: Graph = {key: Task(key, function, TaskRef(learner.key))}
        self._submit(graph, {key: found.append})
        return found[-1]

    def close(self) -> None:
        super().close()
        release(self._anchors)
        self._anchors.clear()
        self._fetcher.shutdown(wait=False, cancel_futures=True)


class _Pass:
    """One pass of training, as the client sees it."""

    def __init__(
        self,
        learner: Any,
        planned: Plan,
        client: distributed.Client,
        prefetch: int,
        listening: bool,
    ):
        self.learner = learner
        self.planned = planned
        self.names = planned.blocks.packed or planned.blocks.names
        self.shuffled = bool(planned.blocks.packed)
        self.client = client
        self.numbers = planned.blocks.numbers
        self.listening = listening
        n_ahead = prefetch
        #: At least so many blocks make a window, unless one task learns them.
        self.window_size = max(1, n_ahead)
        #: The position from which `learner` goes on, and the one behind the last block.
        self.resume, self.stop = 0, len(planned.blocks)
        #: How many blocks the caller knows to be learned.
        self.n_told = 0
        #: The last block that `learner` has seen.
        self.position = -1
        #: The position from which on the next block may be loaded by the task that learns it.
        self.next_trial = FIRST_TRIAL
        self._limit = limit_of(n_ahead)
        self._checkpoints: dict[int, Checkpoint] = {}  # of blocks that are not told yet
        self._n_waiting = 0  # rows of blocks that it has seen, but not learned
        self._losses = Losses()
        self._chain: _Chain | None = None
        # What a block costs, in seconds: to learn; to load and learn in one task; and one by one,
        # at best, as the client sees it.
        self._learning = self._whole = self._apart = math.inf
        self._together = False
        self._last_kept = (0, math.nan)

    def n_together(self, position: int) -> int:
        """Return how many blocks from this one on the task that learns them loads itself."""
        if self.listening:
            return 0
        if self._together:
            return max(2, int(TOGETHER / self._whole))
        return int(position >= self.next_trial and self._learning <= self._apart / 2)

    def learn(self, position: int) -> bool:
        """Wait until a block is learned; return whether it is known now that one had rows."""
        n_rows = self.learner.n_rows
        needs_model = self.listening or position + 1 == self.stop
        self._until(
            lambda chain: (
                chain.n_done > position and (not needs_model or position in self._checkpoints)
            )
        )
        self.n_told = position + 1
        for at in [at for at in self._checkpoints if at <= position]:
            self._adopt(at, self._checkpoints.pop(at))
        return self.learner.n_rows > n_rows

    def keep(self, position: int, checkpoint: Checkpoint, whole: bool) -> None:
        """Take the checkpoint of a block; `whole` if the task that learned it has loaded it."""
        self._checkpoints[position] = checkpoint
        now = time.perf_counter()
        if whole:
            self._whole = checkpoint.seconds
            # Twice as fast to begin with it, as fast to go on: the machine is busy now and then.
            self._together = self._whole * (1 if self._together else 2) <= self._apart
            self._last_kept = position, math.nan
        else:
            self._learning = checkpoint.seconds
            last, then = self._last_kept
            if now > then and position > last:
                self._apart = min(self._apart, (now - then) / (position - last))
            self._last_kept = position, now

    def _adopt(self, position: int, checkpoint: Checkpoint) -> None:
        self.learner.model = checkpoint.model
        self.learner.n_batches = checkpoint.n_batches
        self.learner.n_rows = checkpoint.n_rows
        self.position, self.resume = position, position + 1
        self._n_waiting = checkpoint.n_waiting
        if checkpoint.waiting:  # their rows are on the cluster only: they are read again
            self.resume = position
            while self.numbers[self.resume] != checkpoint.waiting[0]:
                self.resume -= 1

    def starting(self) -> Any:
        """Return the learner that a chain starts from."""
        learner = copy(self.learner)
        learner.n_rows -= self._n_waiting  # counted once more when they are seen again
        return learner

    def _until(self, condition: Callable[[_Chain], T | None]) -> T:
        """Return what `condition` gives as soon as it gives something, whatever is lost before."""
        try:
            while True:
                if self._chain is None:
                    self._chain = _Chain(self, partial(self._losses.limit, self._limit))
                chain = self._chain
                try:
                    while not (found := condition(chain)):
                        chain.process()
                    return found
                except FailedTogether as failed:
                    # The next trial comes the later, the more blocks were repeated.
                    self._together = False
                    n_repeated = len(failed.positions)
                    self.next_trial = max(self.next_trial, failed.positions.stop + n_repeated)
                    self._give_up(chain)
                except Lost:
                    self._give_up(chain)
        except Failed as failed:
            self.n_told = min(self.n_told, failed.position)
            error = failed.as_block_error(self.numbers[failed.position])
            raise error from error.__cause__
        except Exception as failure:
            # The chain may miss tasks, and would be waited for until it has them.
            if self._chain is not None:
                self._chain.close()
                self._chain = None
            check_open(self.client, failure)
            raise

    def _give_up(self, chain: _Chain) -> None:
        self._chain = None
        chain.close()
        self._losses.add(chain.n_done)

    def close(self) -> None:
        """Bring the learner up to the last block that the caller knows to be learned."""
        try:
            self._finish()
        finally:
            if self._chain is not None:
                self._chain.close()

    def _finish(self) -> None:
        if not self.n_told or (self.position == self.n_told - 1 and not self._n_waiting):
            return
        self.stop = self.n_told
        last = self.n_told - 1
        end, checkpoint, error = self._until(
            lambda chain: chain.finish(last) if chain.n_done > last else None
        )
        self._adopt(end, checkpoint)
        if error is not None:
            raise error


class ClusterTurn(Turn):
    """A block that is learned on the cluster."""

    in_place = False

    def __init__(self, training: _Pass, position: int):
        self.number = training.numbers[position]
        self._training = training
        self._position = position

    @property
    def data(self) -> dict[str, Any]:  # type: ignore[override]
        """Lazy values of the block, one ``Delayed`` for each, if somebody listens."""
        training = self._training
        if not training.listening:
            return dict.fromkeys(training.names)
        blocks = training.planned.blocks
        keys = blocks.keys[self._position]
        if training.shuffled:
            return {name: [_delayed(blocks.graph, keys[0], name)] for name in training.names}
        return {n: [_delayed(blocks.graph, k)] for n, k in zip(blocks.names, keys, strict=True)}

    def learn(self) -> bool:
        """Wait until the block is learned; return whether it is known now that one had rows."""
        return self._training.learn(self._position)


def _delayed(graph: Graph, key: Key, item: str | None = None) -> Delayed:
    name = f"block-{uuid.uuid4().hex}"  # the key itself may be that of a persisted value
    value = Alias(name, key) if item is None else Task(name, getitem, TaskRef(key), item)
    return Delayed(name, {**cull(graph, [key]), name: value})


@contextmanager
def turns(
    learner: Any, planned: Plan, client: distributed.Client, prefetch: int, listening: bool
) -> Iterator[Iterator[ClusterTurn]]:
    """Yield the turns of one pass, as `Engine.train` does.

    Parameters
    ----------
    learner : Any
        Gets the model of the cluster at each checkpoint, and when the context is left.
    planned : Plan
        The blocks, in the order to learn them in.
    client : distributed.Client
        Where.
    prefetch : int
        At most so many blocks are under way besides the one that is being learned, and so many lie
        between two checkpoints.
    listening : bool
        `learner` gets the model after each block.

    Raises
    ------
    BlockError
        If a block cannot be computed or learned, after all blocks before it were learned.
    """
    training = _Pass(learner, planned, client, prefetch, listening)
    try:
        yield (ClusterTurn(training, position) for position in range(len(planned.blocks)))
    finally:
        training.close()
