"""On a cluster: windows of blocks are submitted to the workers, a few ahead, and lost ones again.

What becomes of the blocks there: small values are gathered (`stream`), and models learn from them
(`incremental._engines.cluster.training`).
"""

from __future__ import annotations

import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import distributed
from dask.sizeof import sizeof
from dask.task_spec import Alias, DataNode, GraphNode

from incremental._engines.cluster.losses import Failed, FailedTogether, Lost, check_open, release
from incremental._planning.plan import Plan
from incremental._planning.windows import Key, Window, cull

Graph = dict[Key, GraphNode]
OnSubmit = Callable[[distributed.Future], Any]

#: Values in memory of more bytes go straight to the workers, not with the graph.
LARGE = 1_000_000

#: So often a feed that waits looks whether its client is there, in seconds.
CHECK_EVERY = 1.0


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
