"""On a cluster: windows of blocks are submitted to the workers, a few ahead, and lost ones again.

What becomes of the blocks there: small values are gathered (`stream`), and models learn from them
(`incremental._engines.cluster.training`).
"""

from __future__ import annotations

import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import dask
import distributed
from dask.sizeof import sizeof
from dask.task_spec import Alias, DataNode, GraphNode, Task, TaskRef

from incremental._engines.local.schedulers import Runner
from incremental._engines.local.stream import Plan
from incremental._learning.batches import Block
from incremental._planning.windows import Key, Window, cull
from incremental.exceptions import BlockError, describe

Graph = dict[Key, GraphNode]
OnSubmit = Callable[[distributed.Future], Any]

#: Values in memory of more bytes go straight to the workers, not with the graph.
LARGE = 1_000_000

#: So often a feed that waits looks whether its client is there, in seconds.
CHECK_EVERY = 1.0


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


class Losses:
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


class Feed:
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
            return (self._renamed(key[0]), *key[1:])
        return self._renamed(key)

    def _renamed(self, key: Any) -> str:
        # 1 and "1" are two keys.
        return f"{key}-{self.token}" if isinstance(key, str) else f"{self.token}-{key!r}"

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
        except (OSError, ValueError, KeyError) as error:  # a worker goes, or has gone
            # The scheduler may have taken note already that this client wants them.
            release([distributed.Future(key, self.client) for key in values])
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
        release(self._held.pop(holder, ()))
        for lender in set(holder.inputs.values()) if isinstance(holder, Window) else ():
            self._users[lender] -= 1
            if not self._users[lender]:
                self._let_go(lender)

    def close(self) -> None:
        """Let go of everything; a task that runs ends, and is forgotten."""
        for futures in [self.futures.values(), *self._held.values()]:
            release(futures)
        self.futures.clear()
        self._held.clear()


def release(futures: Iterable[distributed.Future]) -> None:
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


class _Gathering(Feed):
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
            release(futures)


def _together(*values: Any) -> tuple[Any, ...]:
    return values


@contextmanager
def stream(
    planned: Plan,
    runner: ClusterRunner,
    *,
    prefetch: int | None = None,
) -> Iterator[Iterator[tuple[int, Block]]]:
    """Yield an iterator over the computed blocks, as :func:`incremental._engines.local.stream.stream` does.

    They come to the client, so that this is for what is small: labels, parts of scores.
    """
    numbers = planned.blocks.numbers
    limit = limit_of(runner.prefetch(prefetch))
    feed: _Gathering | None = None

    def hand_over() -> Iterator[tuple[int, Block]]:
        nonlocal feed
        position, losses = 0, Losses()
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


def limit_of(prefetch: int) -> int:
    return prefetch + 1 if prefetch else 1
