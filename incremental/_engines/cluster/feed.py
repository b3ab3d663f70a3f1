"""On a cluster: windows of blocks are submitted to the workers, a few ahead.

What becomes of the blocks there: small values are gathered (`stream`), and models learn from them
(`chain`).  What comes after a loss: `attempts`.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import distributed
from dask.task_spec import Alias, DataNode
from dask.typing import Key

from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.held import Held
from incremental._engines.cluster.losses import Failed, Lost, check_open, release, warn_of_silence
from incremental._engines.cluster.sending import Graph, OnSubmit, Sender, kept, renamed
from incremental._planning.plan import Plan
from incremental._planning.windows import Window

#: So often a feed that waits looks whether its client is there, in seconds.
CHECK_EVERY = 1.0

#: After so many seconds without an event, a feed looks whether any worker can do what it asks for.
SILENCE = 3.0


class Feed:
    """Submits windows while they have room on the cluster, and a task for each of their blocks.

    All keys are new, but for those of P2P shuffles, and for those that feeds of a convoy share:
    another computation may have cut the same graph differently, and what is left of a lost attempt
    may still run.

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
    company : Alone
        Whom it shares values with.

    Notes
    -----
    dask calls back in a thread of its own when a task is done.  The callback only puts an event
    into a queue; everything else happens in the thread that calls `process`.
    """

    def __init__(
        self,
        client: distributed.Client,
        planned: Plan,
        limit: Callable[[int], int],
        start: int,
        stop: int,
        company: Alone,
    ):
        self.client = client
        self.company = company
        self.blocks = planned.blocks
        self.start, self.stop = start, stop
        #: Makes the keys of this feed those of no other.
        self.token = uuid.uuid4().hex
        #: All blocks before this position are done.
        self.n_done = start
        #: What the tasks of the blocks return, by position.
        self.futures: dict[int, distributed.Future] = {}
        self._limit_at = limit
        self._kept = kept(planned.blocks.graph)
        #: All blocks before this position are submitted.
        self._n_submitted = start
        #: What has happened, each as a function that takes note of it.
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        #: When the last event came; nan after the warning that none comes.
        self._heard = time.monotonic()
        #: The positions of blocks that are done, or failed, before all of those before them.
        self._finished: set[int] = set()
        self._failed: set[int] = set()
        #: The windows that are not submitted yet, and those with blocks that are not done.
        self._waiting = deque(_needed(planned.windows, start, stop))
        self._under_way: deque[Window] = deque()
        #: The keys, on the cluster, of values in memory that several windows use.
        self._shared: set[Key] = set()
        #: Those of them that are not submitted yet.
        self._unsent: Graph = {}
        self.held = Held(self._waiting)
        self._events.put(self._open)
        self.sender = Sender(client, company, self._kept, lambda: self._events.put(_go_on))

    @property
    def _limit(self) -> int:
        return self._limit_at(self.n_done)

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        """Add the task of a block; return keys to submit, and what to do with their futures."""
        raise NotImplementedError

    def add_together(self, graph: Graph) -> dict[Key, OnSubmit]:
        """Take windows that are one task altogether and add it, as `add` does; {} if none are."""
        return {}

    # Submitting

    def _open(self) -> None:
        """Find out what several windows share."""
        check_open(self.client)
        uses = Counter(
            key
            for window in self._waiting
            for key, task in window.tasks.items()
            if isinstance(task, DataNode)
        )
        self._unsent = {
            self.name(key): self.blocks.graph[key].substitute({}, key=self.name(key))
            for key, n in uses.items()
            if n > 1
        }
        self._shared = set(self._unsent)

    def name(self, key: Key) -> Key:
        """Return what a key of the plan is called on the cluster."""
        graph = self.blocks.graph
        while isinstance(task := graph.get(key), Alias):
            key = task.target
        if task is None or key in self._kept:  # a persisted value is there already
            return key
        return self.company.names.get(key) or renamed(key, self.token)

    def _fill(self) -> None:
        """Submit windows while there is room for them, and before them what several share."""
        with self.sender.lock:
            graph, self._unsent = self._unsent, {}
            self.sender.send_large(graph, self.held.for_all)
            wanted: dict[Key, OnSubmit] = dict.fromkeys(graph, self.held.for_all)
            while self._waiting and self._has_room():
                if together := self.add_together(graph):
                    wanted.update(together)
                    continue
                window = self._waiting[0]
                graph.update(self._tasks(window))
                hold = partial(self.held.for_window, window)
                if not window.blocks:
                    self._waiting.popleft()
                    wanted.update(dict.fromkeys(map(self.name, window.outputs), hold))
                    continue
                for position in self.take([window]):
                    wanted.update(self.add(graph, position))
            self.sender.submit(graph, wanted)

    def _tasks(self, window: Window) -> Graph:
        """Return the tasks of a window as they are called on the cluster."""
        tasks: Graph = {}
        for key, task in window.tasks.items():
            name = self.name(key)
            if not isinstance(task, Alias) and name not in self._shared:
                subs: dict[Key, Any] = {d: self.name(d) for d in task.dependencies}
                tasks[name] = task.substitute(subs, key=name)
        self.sender.send_large(tasks, partial(self.held.for_window, window))
        return tasks

    def _has_room(self) -> bool:
        window = next(window for window in self._waiting if window.blocks)
        start = max(window.blocks.start, self.start)
        size = min(window.blocks.stop, self.stop) - start
        n_under_way = self._n_submitted - self.n_done
        is_free = n_under_way == 0 or n_under_way + size <= self._limit
        return is_free and self.company.has_room(start, self._limit)

    def take(self, windows: Sequence[Window]) -> range:
        """Take note that waiting windows of blocks are submitted; return the positions of these."""
        for _ in windows:
            self._under_way.append(self._waiting.popleft())
        start, self._n_submitted = self._n_submitted, min(windows[-1].blocks.stop, self.stop)
        return range(start, self._n_submitted)

    def watch(self, positions: range, future: distributed.Future) -> None:
        """Have an event when the task of one block, or of several together, is done."""
        self.futures[positions[-1]] = future
        events = self._events
        future.add_done_callback(lambda future: events.put(partial(self._done, positions, future)))

    # What has happened

    def process(self) -> None:
        """Wait for the next event, take note of all that came, and submit what has room now.

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
            raise self._failure()
        self.company.check()
        try:
            event = self._events.get(timeout=CHECK_EVERY)
        except Empty:  # a client that was closed tells nobody
            check_open(self.client)
            if time.monotonic() - self._heard > SILENCE:
                self._heard = float("nan")
                warn_of_silence(self.client)
            return
        self._heard = time.monotonic()
        event()
        while not self._events.empty():
            self._events.get()()
        self._fill()

    def _failure(self) -> Exception:
        """Return what is raised when it is the turn of a block that failed."""
        future = self.futures[self.n_done]
        if future.status == "cancelled":
            return Lost()
        return self._failed_at(self.n_done, future.exception())

    def _failed_at(self, position: int, error: BaseException) -> Exception:
        """Return what is raised for the error of a task of a block."""
        # One of several that were under way has killed its worker; which one shows alone.
        if isinstance(error, distributed.KilledWorker) and self._limit > 1:
            return Lost()
        return Failed(position, error)

    def _done(self, positions: range, future: distributed.Future) -> None:
        has_failed = future.status == "error"
        # Which one of several blocks has failed shows when they are done one by one.
        if future.status == "cancelled" or (has_failed and len(positions) > 1):
            raise Lost
        (self._failed if has_failed else self._finished).update(positions)
        while self.n_done in self._finished:
            self._finished.remove(self.n_done)
            self.n_done += 1
        self.company.done(self.n_done)
        while self._under_way and self._under_way[0].blocks.stop <= self.n_done:
            self.held.done(self._under_way.popleft())

    def close(self) -> None:
        """Let go of everything; a task that runs ends, and is forgotten."""
        self.company.leave()
        release(self.futures.values())
        self.futures.clear()
        self.held.close()


def _go_on() -> None:
    """There is room again."""


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
