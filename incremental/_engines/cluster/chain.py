"""Training on a cluster, as the scheduler sees it: a chain of tasks, cut by anchors.

A pass is a chain of tasks, one ``partial_fit`` for each block, submitted a few blocks ahead of the
one being learned.  dask's scheduler decides where each runs; the client hears when it is done, and
gets a copy of the model at the end of each checkpoint interval::

    windows        [block 0] [block 1] [block 2    block 3] [block 4] ...    graphs of their own
                       |         |         |          |         |
    start ---------> learn --> learn --> learn ---> learn --> learn --> ...  the chain
                       |                   |          |         |
    anchor 0 ----------+                   |          |         |
                                           |          |         |
    checkpoint                             |      checkpoint    |            copied to the client
                                           |                    |
    anchor 1                               |                    +---         the next interval

    |<------------- a checkpoint interval ----------->|<-------- the next one ...

A window (`incremental._planning.windows`) is a piece of the graph that blocks are computed from.  A
checkpoint interval is a number of blocks, at least `prefetch` and always whole windows, that are
learned between two copies of the model.

An anchor is a value without origin that the first task of an interval depends on.  When it is
released, the scheduler forgets how the interval came about.  Otherwise it would keep every task of
the pass, and repeat them all for a model that was lost.  If a worker takes with it what cannot be
computed again, the scheduler cancels what depends on it, and the client starts another chain from
its last checkpoint.  At most two intervals are without one, so that no more is repeated.

One task loads and learns several tiny blocks (`incremental._engines.cluster.together`): they are an
interval of their own.  If one of them fails, or is lost, the chain that comes next has a task for
each block again, to have a model of all blocks before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import distributed
from dask.task_spec import DataNode, Task, TaskRef
from dask.typing import Key

from incremental._engines.cluster import tasks
from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.feed import Feed
from incremental._engines.cluster.losses import Failed, Lost, release
from incremental._engines.cluster.progress import Progress
from incremental._engines.cluster.sending import Graph, OnSubmit
from incremental._engines.cluster.tasks import Checkpoint
from incremental._engines.cluster.together import Together
from incremental._planning.plan import Plan
from incremental._planning.windows import Window
from incremental.exceptions import BlockError

#: So many anchors are sent at once.
N_ANCHORS = 16

#: So many checkpoint intervals may be without their checkpoint.
N_INTERVALS = 2


class Chain(Feed):
    """Tasks that learn, each from the learner that the one before it returns.

    Parameters
    ----------
    progress : Progress
        Where to start; gets the checkpoints.
    client, planned, limit, company
        As for `Feed`.
    interval : int
        At least so many blocks make a checkpoint interval.
    listening : bool
        Whether there is a checkpoint of each block, for whoever looks at the model.
    together : bool
        Whether one task may learn several blocks.
    """

    def __init__(
        self,
        progress: Progress,
        client: distributed.Client,
        planned: Plan,
        limit: Callable[[int], int],
        company: Alone,
        interval: int,
        listening: bool,
        together: bool,
    ):
        failed = set() if progress.failure is None else {progress.failure.position}
        stop = min({progress.stop, *failed})
        super().__init__(client, planned, limit, progress.resume, stop, company)
        self._failed |= failed
        self._progress = progress
        self._interval = interval
        self._listening = listening
        label = progress.label
        self._learn = f"partial_fit-{label}-{self.token}"
        self._checkpoint = f"checkpoint-{label}-{self.token}"
        #: The key of the last learner of the chain.
        self._last: Key = f"start-{label}-{self.token}"
        #: What says what the values of a block are: the blocks without their data.
        self._layout = replace(planned.blocks.take([]), graph={}, collections=[])
        #: What the interval that grows hangs on: its anchor, and the start of the first one.
        self._anchored: list[distributed.Future] = []
        #: How many blocks that interval has.
        self._n_in_interval = 0
        self._together = Together(self.start, together, self._kept)
        #: The last positions of the intervals without checkpoint, and what they hang on.
        self._ends: dict[int, list[distributed.Future]] = {}
        #: The checkpoints that are being fetched, by position.
        self._fetching: dict[int, distributed.Future] = {}
        #: Waits for checkpoints, so that nobody else does.
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="incremental-checkpoint")
        #: The learners of blocks before this one are no longer held.
        self._forgotten = self.start

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        """Add the next task of the chain, and of a checkpoint if an interval ends with it."""
        function = partial(tasks.learn, self.blocks.numbers[position], self._layout)
        return self._add(graph, range(position, position + 1), function, self.blocks.keys[position])

    def add_together(self, graph: Graph) -> dict[Key, OnSubmit]:
        """Add a task that loads and learns the next blocks if they are to be learned together."""
        windows = self._next_together()
        if not windows:
            return {}
        positions = self.take(windows)
        self._together.add(positions[-1])
        loads = [
            tasks.Load(at, self.blocks.numbers[at], window.tasks, self.blocks.keys[at])
            for at, window in zip(positions, windows, strict=True)
        ]
        inputs = list(dict.fromkeys(key for window in windows for key in _inputs(window)))
        function = partial(tasks.load_and_learn, loads, self._layout, inputs)
        return self._add(graph, positions, function, inputs)

    def _next_together(self) -> list[Window]:
        return self._together.next(self._waiting, self._n_submitted, self.n_done)

    def _add(
        self,
        graph: Graph,
        positions: range,
        function: Callable[..., Any],
        inputs: Iterable[Key],
    ) -> dict[Key, OnSubmit]:
        """Add the next task of the chain, a function of the learner before it and of `inputs`."""
        position = positions[-1]
        if positions[0] == self.start:
            start: Graph = {self._last: DataNode(self._last, self._progress.starting())}
            self.sender.send_large(start, self._anchored.append)
            graph.update(start)
        options: dict[str, Any] = {}
        if not self._n_in_interval:
            options["anchor"] = TaskRef(self._next_anchor())
        key = (self._learn, position)
        values = (TaskRef(self.name(value)) for value in inputs)
        graph[key] = Task(key, function, TaskRef(self._last), *values, **options)
        self._last = key
        wanted: dict[Key, OnSubmit] = {key: partial(self.watch, positions)}
        self._n_in_interval += len(positions)
        is_new = position > self._progress.position
        ends = is_new and self._may_end(position)
        if ends:
            self._ends[position] = self._anchored
            self._anchored, self._n_in_interval = [], 0
        if ends or (is_new and self._listening):
            copy = (self._checkpoint, position)
            graph[copy] = Task(copy, tasks.checkpoint, TaskRef(key))
            wanted[copy] = partial(self._fetch, position)
        return wanted

    def _may_end(self, position: int) -> bool:
        """Say whether the interval that grows ends with a block."""
        if position + 1 == self.stop or position in self._together.ends:
            return True
        is_full = self._n_in_interval >= self._interval
        return is_full and position + 1 == self._under_way[-1].blocks.stop

    def _next_anchor(self) -> Key:
        anchors = self.company.anchors
        if not anchors:
            names = [f"anchor-{uuid.uuid4().hex}" for _ in range(N_ANCHORS)]
            # To all workers, so that no interval is lost with a worker that has nothing else of it.
            anchors += self.sender.scatter(dict.fromkeys(names), broadcast=True)
        anchor = anchors.pop()
        self._anchored.append(anchor)
        return anchor.key

    def _has_room(self) -> bool:
        if len(self._ends) >= N_INTERVALS:
            return False
        return len(self._next_together()) > 1 or super()._has_room()

    def _fetch(self, position: int, future: distributed.Future) -> None:
        """Get a checkpoint in the background."""
        self._fetching[position] = future

        def fetch() -> None:
            try:
                value = future.result()
            except Exception:  # which one, the future knows
                value = None
            self._events.put(partial(self._fetched, position, value))

        self._fetcher.submit(fetch)

    def _fetched(self, position: int, value: Checkpoint | None) -> None:
        future = self._fetching.pop(position)
        error = future.exception() if future.status == "error" else None
        future.release()
        if value is not None:
            self._progress.keep(position, value)
            if position in self._together.ends:
                self._together.measured(value.seconds)
            for end in [end for end in self._ends if end <= position]:
                release(self._ends.pop(end))
        elif error is None:
            raise Lost
        elif position < self.n_done:
            raise self._failed_at(position, error)
        # Else the block of the checkpoint has failed, too: that is raised when it is its turn.

    def _failure(self) -> Exception:
        failure = self._progress.failure
        if failure is not None and failure.position == self.n_done:
            return failure
        return super()._failure()

    def _done(self, positions: range, future: distributed.Future) -> None:
        if len(positions) > 1 and future.status == "error":
            error = future.exception()  # of these blocks, or of some before them
            if isinstance(error, Failed):
                self._progress.failure = error
        super()._done(positions, future)
        # The learner of the last block that was told is kept for `finish`.
        while self._forgotten < min(self.n_done, self._progress.n_told) - 1:
            if self._forgotten in self.futures:  # not within blocks that were learned together
                self.futures.pop(self._forgotten).release()
            self._forgotten += 1

    def finish(self, position: int) -> tuple[Checkpoint, BaseException | None]:
        """Return the state after a block, with the rows that wait learned if they can be.

        Nothing else is done after that.
        """
        if position not in self.futures:  # within blocks that were learned together
            raise Lost
        learner = self.futures.pop(position)
        found: list[distributed.Future] = []
        try:
            self.close()
            error = self._ask(found, learner, tasks.finish).exception()
            if error is not None:
                failure = self._failed_at(position, error)
                if isinstance(failure, Lost):
                    raise failure
                is_ours = isinstance(error, BlockError)
                self._ask(
                    found, learner, tasks.finish_before_error if is_ours else tasks.checkpoint
                )
            return found[-1].result(), error
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
        function: Callable[[Any], Checkpoint],
    ) -> distributed.Future:
        key = (self._checkpoint, function.__name__)
        self.sender.submit({key: Task(key, function, TaskRef(learner.key))}, {key: found.append})
        return found[-1]

    def close(self) -> None:
        super().close()
        release([*self._anchored, *self._fetching.values()])
        for futures in self._ends.values():
            release(futures)
        for held in (self._anchored, self._fetching, self._ends):
            held.clear()
        self._fetcher.shutdown(wait=False, cancel_futures=True)


def _inputs(window: Window) -> list[Key]:
    """Return the keys of what lies on the cluster already that a window needs."""
    needed = {d for task in window.tasks.values() for d in task.dependencies} | {*window.outputs}
    return [key for key in needed if key not in window.tasks]
