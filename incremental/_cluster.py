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
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from copy import copy, deepcopy
from functools import partial
from itertools import islice
from operator import getitem
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

import dask
import distributed
from dask.delayed import Delayed
from dask.sizeof import sizeof
from dask.task_spec import Alias, DataNode, GraphNode, Task, TaskRef

from incremental._batches import Block, n_rows
from incremental._runner import FAILURE, Runner, execute
from incremental._steps import Step
from incremental._stream import Plan
from incremental._training import Learner
from incremental._windows import Key, Window, cull
from incremental.exceptions import BlockError, describe

Graph = dict[Key, GraphNode]
OnSubmit = Callable[[distributed.Future], Any]
T = TypeVar("T")

#: Values in memory of more bytes go straight to the workers, not with the graph.
LARGE = 1_000_000

#: So often a feed that waits looks whether its client is there, in seconds.
CHECK_EVERY = 1.0

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


class ClusterRunner(Runner):
    """Computes on the workers of a client."""

    def __init__(self, client: distributed.Client):
        super().__init__(client.get, client.get, None, 1)
        self.client = client

    def prefetch(self, given: int | None) -> int:
        """Return how many blocks are computed ahead: what is given, or what keeps all busy."""
        return sum(self.client.nthreads().values()) + 2 if given is None else given


@contextmanager
def open_runner(client: distributed.Client) -> Iterator[ClusterRunner]:
    """Yield a runner; within a task, let another one have its thread meanwhile."""
    with ExitStack() as stack:
        try:
            distributed.get_worker()
        except ValueError:  # not within a task
            pass
        else:
            stack.enter_context(distributed.worker_client())
        yield ClusterRunner(client)


def check_open(client: distributed.Client, cause: Exception | None = None) -> None:
    """Refuse a client that was closed.

    Raises
    ------
    ConnectionError
        If it was.
    """
    if client.status in ("closing", "closed"):
        raise ConnectionError(
            "The client must stay open, and its scheduler must run, until all blocks are done. "
            "It was closed; a model has learned what it had at the end of a window. Go on with "
            "partial_fit and a new client."
        ) from cause


class Lost(Exception):
    """The cluster has lost what it cannot compute again."""


class FailedTogether(Lost):
    """One of several blocks that one task learns has failed, or all take too long."""

    def __init__(self, positions: range):
        super().__init__(positions)
        self.positions = positions


class Failed(Exception):
    """A block could not be computed or learned."""

    def __init__(self, position: int, error: BaseException):
        super().__init__(position, error)
        self.position = position
        self.error = error

    def as_block_error(self, number: int) -> BlockError:
        """Return what is raised for the block of this number."""
        if isinstance(self.error, BlockError):
            return self.error
        error = BlockError(f"Block {number} could not be computed: {describe(self.error)}", number)
        error.__cause__ = self.error
        return error


class _Losses:
    """Counts losses without progress, so that a block that kills its workers is given up."""

    def __init__(self):
        self._n_times = self._furthest = 0

    def limit(self, limit: int, position: int) -> int:
        """Return how many blocks to have under way at once, with those before `position` done."""
        # Alone until all are done that were under way when the last one was lost.
        return limit if self._n_times < 2 or position > self._furthest + limit else 1

    def add(self, position: int) -> None:
        """Take note of a loss after all blocks before `position` were done."""
        self._n_times = 1 if position > self._furthest else self._n_times + 1
        self._furthest = max(position, self._furthest)
        # Those that dask allows each task, and one to find out which block it is.
        if self._n_times > 1 + dask.config.get("distributed.scheduler.allowed-failures", 3):
            raise Failed(
                position,
                RuntimeError(
                    f"{self._n_times} times in a row, the cluster lost its worker, or values that "
                    "are not computed from anything (scattered, or persisted by a client that has "
                    "gone)"
                ),
            )


class _Feed:
    """Submits windows while they have room on the cluster, and a task for each of their blocks.

    All keys are new, but for those of P2P shuffles: another computation may have cut the same graph
    differently, and what is left of a lost attempt may still run.

    Parameters
    ----------
    client : distributed.Client
        Where they are computed.
    planned : Plan
        The blocks and their windows.
    limit : callable
        Given how many blocks are done, says how many may be under way at once.
    start, stop : int
        The first position, and the one behind the last.
    """

    def __init__(
        self,
        client: distributed.Client,
        planned: Plan,
        limit: Callable[[int], int],
        start: int,
        stop: int,
    ):
        self.client = client
        self.blocks = planned.blocks
        # The workers of a P2P shuffle ask for its barrier, which must not be fused, by its name; so
        # that this means the same in each pass, what the barrier needs has the same names, too.
        graph = planned.blocks.graph
        self._kept = cull(graph, [key for key, task in graph.items() if task.block_fusion])
        self.start, self.stop = start, stop
        self.token = uuid.uuid4().hex
        self.n_done = start
        #: What the tasks of the blocks return, by the last block of each.
        self.futures: dict[int, distributed.Future] = {}
        self._limit_at = limit
        self._n_submitted = start
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._finished: dict[int, range] = {}
        self._failed: dict[int, range] = {}
        self._waiting = deque(_needed(planned.windows, start, stop))
        self._under_way: deque[Window] = deque()
        self._users = Counter(
            lender for window in self._waiting for lender in set(window.inputs.values())
        )
        self._shared: set[Key] = set()
        self._held: dict[Any, list[distributed.Future]] = {}
        self._events.put(self._open)

    @property
    def _limit(self) -> int:
        return self._limit_at(self.n_done)

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        """Add the task of a block; return keys to submit, and what to do with their futures."""
        raise NotImplementedError

    def add_whole(self, graph: Graph) -> dict[Key, OnSubmit]:
        """Add a task that takes blocks from those that wait and computes them itself, if any."""
        return {}

    def _open(self) -> None:
        """Publish what several windows share, and start."""
        check_open(self.client)
        if not self.client.nthreads():  # a cluster grows for tasks, not for data
            self.client.submit(int, pure=False).result()
        uses = Counter(
            key
            for window in self._waiting
            for key, task in window.tasks.items()
            if isinstance(task, DataNode)
        )
        shared: Graph = {
            self.name(key): self.blocks.graph[key].substitute({}, key=self.name(key))
            for key, n in uses.items()
            if n > 1
        }
        self._shared = set(shared)
        self._send_large(self, shared)
        self._submit(shared, dict.fromkeys(shared, partial(self._hold, self)))
        self.fill()

    def name(self, key: Key) -> Key:
        """Return what a key of the plan is called on the cluster."""
        graph = self.blocks.graph
        while isinstance(task := graph.get(key), Alias):
            key = task.target
        if task is None or key in self._kept:  # a persisted value is there already
            return key
        if isinstance(key, tuple):
            return (f"{key[0]}-{self.token}", *key[1:])
        return f"{key}-{self.token}"

    def fill(self) -> None:
        """Submit windows while there is room for them."""
        graph: Graph = {}
        wanted: dict[Key, OnSubmit] = {}
        while self._waiting and self._has_room():
            if whole := self.add_whole(graph):
                wanted.update(whole)
                continue
            window = self._waiting.popleft()
            tasks: Graph = {}
            for key, task in window.tasks.items():
                name = self.name(key)
                if not isinstance(task, Alias) and name not in self._shared:
                    subs: dict[Key, Any] = {d: self.name(d) for d in task.dependencies}
                    tasks[name] = task.substitute(subs, key=name)
            self._send_large(window, tasks)
            graph.update(tasks)
            if window.blocks:
                self._under_way.append(window)
                while self._n_submitted < min(window.blocks.stop, self.stop):
                    self._n_submitted += 1
                    wanted.update(self.add(graph, self._n_submitted - 1))
            else:
                hold = partial(self._hold, window)
                wanted.update(dict.fromkeys(map(self.name, window.outputs), hold))
        self._submit(graph, wanted)

    def _submit(self, graph: Graph, wanted: dict[Key, OnSubmit]) -> None:
        if not wanted:
            return
        # No timeout, so that each submission has precedence over all later ones.
        futures = self.client.get(graph, list(wanted), sync=False, fifo_timeout="0s")
        for future, on_submit in zip(futures, wanted.values(), strict=True):
            on_submit(future)

    def _watch(self, positions: range, future: distributed.Future) -> None:
        """Have an event when the task of these blocks is done."""
        self.futures[positions[-1]] = future
        events = self._events
        future.add_done_callback(lambda future: events.put(partial(self._done, positions, future)))

    def _send_large(self, holder: Any, tasks: Graph) -> None:
        values = {k: t.value for k, t in tasks.items() if isinstance(t, DataNode)}
        if values and sum(map(sizeof, values.values())) > LARGE:
            for future in self._scatter(values):
                self._hold(holder, future)
            for key in values:
                del tasks[key]

    def _scatter(self, values: dict[Key, Any], **options: Any) -> list[distributed.Future]:
        try:
            return list(self.client.scatter(values, **options).values())
        except (OSError, ValueError) as error:  # all workers that were there go, or have gone
            raise Lost from error

    def _has_room(self) -> bool:
        window = self._next()
        size = min(window.blocks.stop, self.stop) - max(window.blocks.start, self.start)
        n_under_way = self._n_submitted - self.n_done
        return n_under_way == 0 or n_under_way + size <= self._limit

    def _next(self) -> Window:
        return next(window for window in self._waiting if window.blocks)

    def process(self) -> None:
        """Wait for the next event.

        Raises
        ------
        Failed
            If it is the turn of a block that failed.
        Lost
            If something cannot be computed any more.
        ConnectionError
            If the client was closed.
        """
        if self.n_done in self._failed:
            positions = self._failed[self.n_done]
            future = self.futures[positions[-1]]
            error = future.exception()
            if future.status != "cancelled" and len(positions) > 1:
                raise FailedTogether(positions)
            # One of several that were under way has killed its worker; which one shows alone.
            blamed = isinstance(error, distributed.KilledWorker) and self._limit > 1
            if future.status == "cancelled" or blamed:
                raise Lost
            raise Failed(self.n_done, error)
        try:
            event = self._events.get(timeout=CHECK_EVERY)
        except Empty:  # a client that was closed tells nobody
            check_open(self.client)
        else:
            event()

    def process_all(self) -> None:
        """Take note of all that has happened since."""
        while not self._events.empty():
            self._events.get()()

    def _done(self, positions: range, future: distributed.Future) -> None:
        if future.status == "cancelled":
            raise Lost
        (self._failed if future.status == "error" else self._finished)[positions[0]] = positions
        while self.n_done in self._finished:
            self.n_done = self._finished.pop(self.n_done).stop
        while self._under_way and self._under_way[0].blocks.stop <= self.n_done:
            self._let_go(self._under_way.popleft())
        self.fill()

    def _hold(self, holder: Any, future: distributed.Future) -> None:
        self._held.setdefault(holder, []).append(future)

    def _let_go(self, holder: Any) -> None:
        _release(self._held.pop(holder, ()))
        for lender in set(holder.inputs.values()) if isinstance(holder, Window) else ():
            self._users[lender] -= 1
            if not self._users[lender]:
                self._let_go(lender)

    def close(self) -> None:
        """Let go of everything; a task that runs ends, and is forgotten."""
        for futures in [self.futures.values(), *self._held.values()]:
            _release(futures)
        self.futures.clear()
        self._held.clear()


def _release(futures: Iterable[distributed.Future]) -> None:
    for future in futures:
        future.release()


def _needed(planned: Sequence[Window], start: int, stop: int) -> list[Window]:
    """Return the windows that the blocks from `start` to `stop` are computed from."""
    found: set[Window] = set()
    stack = [w for w in planned if w.blocks and w.blocks.stop > start and w.blocks.start < stop]
    while stack:
        window = stack.pop()
        if window not in found:
            found.add(window)
            stack.extend(window.inputs.values())
    return [window for window in planned if window in found]


# Values of blocks


class _Gathering(_Feed):
    """The values of each block, to be gathered."""

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        key = (f"block-{self.token}", position)
        values = [TaskRef(self.name(value)) for value in self.blocks.keys[position]]
        graph[key] = Task(key, _together, *values)
        return {key: partial(self._watch, range(position, position + 1))}

    def gather(self, positions: range) -> list[tuple[Any, ...]]:
        """Return the values of blocks that are done."""
        futures = [self.futures.pop(position) for position in positions]
        try:
            return self.client.gather(futures)
        except Exception:
            if any(future.status == "cancelled" for future in futures):
                raise Lost from None
            raise
        finally:
            _release(futures)


def _together(*values: Any) -> tuple[Any, ...]:
    return values


@contextmanager
def stream(
    planned: Plan,
    runner: ClusterRunner,
    *,
    prefetch: int | None = None,
) -> Iterator[Iterator[tuple[int, Block]]]:
    """Yield an iterator over the computed blocks, as :func:`incremental._stream.stream` does.

    They come to the client, so that this is for what is small: labels, parts of scores.
    """
    numbers = planned.blocks.numbers
    limit = _limit(runner.prefetch(prefetch))
    feed: _Gathering | None = None

    def hand_over() -> Iterator[tuple[int, Block]]:
        nonlocal feed
        position, losses = 0, _Losses()
        while position < len(numbers):
            if feed is None:
                room = partial(losses.limit, limit)
                feed = _Gathering(runner.client, planned, room, position, len(numbers))
            try:
                try:
                    while feed.n_done <= position:
                        feed.process()
                    feed.process_all()
                    gathered = feed.gather(range(position, feed.n_done))
                except Lost:
                    feed.close()
                    feed = None
                    losses.add(position)
                    continue
            except Failed as failed:
                error = failed.as_block_error(numbers[failed.position])
                raise error from error.__cause__
            except Exception as failure:
                check_open(runner.client, failure)
                raise
            for values in gathered:
                yield numbers[position], dict(zip(planned.blocks.names, values, strict=True))
                position += 1

    try:
        yield hand_over()
    finally:
        if feed is not None:
            feed.close()


def _limit(prefetch: int) -> int:
    return prefetch + 1 if prefetch else 1


# Training


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


def _learn(
    learner: Learner, number: int, names: tuple[str, ...] | None, *values: Any, anchor: None = None
) -> Learner:
    """Return a copy of `learner` that has learned a block: others may see the original."""
    start = time.perf_counter()
    learner = learner.copy()
    _learn_block(learner, number, names, values)
    learner.seconds = time.perf_counter() - start
    return learner


def _learn_block(
    learner: Learner, number: int, names: tuple[str, ...] | None, values: Sequence[Any]
) -> None:
    if _changes_data(learner.model):
        values = deepcopy(values)
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
    learner: Learner,
    *values: Any,
    anchor: None = None,
) -> Learner:
    """Return a copy of `learner` that has learned blocks, each loaded when it is its turn."""
    start = time.perf_counter()
    learner = learner.copy()
    inputs = dict(zip(shared, values, strict=True))
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


def _changes_data(model: Any) -> bool:
    """Say whether an estimator was asked not to copy what it is given."""
    params = model.get_params() if hasattr(model, "get_params") else {}
    return any(value is False for name, value in params.items() if "copy" in name)


def _finish(learner: Learner) -> Checkpoint:
    """Return a checkpoint after the rows that wait were learned."""
    learner = learner.copy()
    learner.finish()
    return _checkpoint(learner)


def _finish_before_error(learner: Learner) -> Checkpoint:
    """Return a checkpoint after those rows that wait were learned that come before an error."""
    learner = learner.copy()
    with suppress(BlockError):
        learner.finish()
    return _checkpoint(learner)


def _checkpoint(learner: Learner) -> Checkpoint:
    """Return a checkpoint."""
    n_waiting = sum(map(n_rows, learner.blocks_waiting()))
    return Checkpoint(
        learner.model,
        learner.n_batches,
        learner.n_rows,
        learner.waiting,
        n_waiting,
        learner.seconds,
    )


class _Chain(_Feed):
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
        function: Callable[..., Learner],
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
            _release([learner, *found])

    def _ask(
        self,
        found: list[distributed.Future],
        learner: distributed.Future,
        name: str,
        function: Callable[[Learner], Checkpoint],
    ) -> distributed.Future:
        key = (self._keep, name)
        graph: Graph = {key: Task(key, function, TaskRef(learner.key))}
        self._submit(graph, {key: found.append})
        return found[-1]

    def close(self) -> None:
        super().close()
        _release(self._anchors)
        self._anchors.clear()
        self._fetcher.shutdown(wait=False, cancel_futures=True)


class _Pass:
    """One pass of training, as the client sees it."""

    def __init__(
        self,
        learner: Learner,
        planned: Plan,
        names: tuple[str, ...],
        runner: ClusterRunner,
        prefetch: int | None,
        listening: bool,
    ):
        self.learner = learner
        self.planned = planned
        self.names = names
        self.shuffled = names != planned.blocks.names
        self.client = runner.client
        self.numbers = planned.blocks.numbers
        self.listening = listening
        n_ahead = runner.prefetch(prefetch)
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
        self._limit = _limit(n_ahead)
        self._checkpoints: dict[int, Checkpoint] = {}  # of blocks that are not told yet
        self._n_waiting = 0  # rows of blocks that it has seen, but not learned
        self._losses = _Losses()
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

    def starting(self) -> Learner:
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


class ClusterStep(Step):
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
def steps(
    learner: Learner,
    planned: Plan,
    names: tuple[str, ...],
    runner: ClusterRunner,
    prefetch: int | None = None,
    listening: bool = False,
) -> Iterator[Iterator[ClusterStep]]:
    """Yield the steps of one pass, as :func:`incremental._steps.steps` does.

    Parameters
    ----------
    learner : Learner
        Gets the model of the cluster when a window ends, and when the context is left.
    planned : Plan
        The blocks, in the order to learn them in: their values, or one value that is a dictionary
        of them.
    names : tuple of str
        What the values are called.
    runner : ClusterRunner
        Where.
    prefetch : int, default=None
        At most so many blocks are under way besides the one that is being learned, and so many make
        a window.  None means two more than the cluster has threads.
    listening : bool, default=False
        `learner` gets the model after each block.

    Raises
    ------
    BlockError
        If a block cannot be computed or learned, after all blocks before it were learned.
    """
    training = _Pass(learner, planned, names, runner, prefetch, listening)
    try:
        yield (ClusterStep(training, position) for position in range(len(planned.blocks)))
    finally:
        training.close()
