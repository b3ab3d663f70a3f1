"""A meeting: what was asked for is merged, computed once, and handed to all who need it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from dask.task_spec import Task, TaskRef
from dask.typing import Key
from toolz import groupby

from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph, cull
from incremental._data.values import Block
from incremental._engines.budget import widest
from incremental._engines.local.schedulers import Scheduler, client_of, open_scheduler
from incremental._engines.local.stream import stream
from incremental._engines.scan.merging import Entry, Group, Keys, merge
from incremental._engines.scan.requests import Get, Place, Request, Stream, Turn, Values
from incremental._planning.plan import Plan
from incremental._planning.trace import trace
from incremental.exceptions import BlockError


@contextmanager
def serving() -> Iterator[Callable[[list[Request]], list[Request]]]:
    """Yield what answers the requests of each meeting; its threads and processes are those of all.

    Other threads would take other memory, and give none of it back.
    """
    with ExitStack() as stack:

        @cache
        def opened(get: Get) -> Any:
            client = client_of(get)
            if client is None:
                return stack.enter_context(open_scheduler(get))
            from incremental._engines.cluster.engine import ClusterEngine  # needs distributed

            return ClusterEngine(client)

        yield partial(_serve, opened)


def _serve(opened: Callable[[Get], Any], requests: list[Request]) -> list[Request]:
    """Answer requests; return those that wait until tasks have got their values."""
    values = [request for request in requests if isinstance(request, Values)]
    others = [request for request in requests if not isinstance(request, Values)]
    for get, together in groupby(lambda request: request.get, values or others).items():
        if values:
            compute(opened(get).get, together)
        elif client_of(get) is None:
            scan(opened(get), together)
        else:
            from incremental._engines.scan.on_cluster import form_convoys  # needs distributed

            form_convoys(together)
    return others if values else []


def compute(get: Get, requests: Sequence[Values]) -> None:
    """Compute all values at once; where that fails, those of each request alone."""
    graph = {key: task for request in requests for key, task in request.graph.items()}
    wanted = list(dict.fromkeys(key for request in requests for key in request.keys))
    try:
        found = dict(zip(wanted, get(cull(graph, wanted), wanted), strict=True))
    except Exception as error:
        if len(requests) == 1:
            requests[0].fail(error)
        else:
            for request in requests:
                compute(get, [request])
        return
    for request in requests:
        request.answer([found[key] for key in request.keys])


@dataclass(eq=False)
class _Fits:
    """Fits that have asked for the same sequence of blocks."""

    requests: list[Stream] = field(default_factory=list)

    @property
    def open(self) -> list[Stream]:
        """Return those that take blocks still."""
        return [r for r in self.requests if r.is_open]


class _Room:
    """Keeps the scan close to those who learn.

    Parameters
    ----------
    n : int
        The scan goes on while fewer turns than these are not learned.
    """

    def __init__(self, n: int, lock: threading.RLock):
        self.lock = lock
        self._n = n
        self._n_turns = 0
        self._changed = threading.Condition(lock)

    def add(self, n: int) -> None:
        self._n_turns += n

    def done(self) -> None:
        with self.lock:
            self._n_turns -= 1
            if self._n_turns < self._n:
                self._changed.notify()

    def wait(self) -> None:
        with self.lock:
            while self._n_turns >= self._n:
                self._changed.wait()


def scan(scheduler: Scheduler, requests: Sequence[Stream]) -> None:
    """Hand blocks to all who have asked for them, each source read once where orders agree."""
    session = requests[0].task.session
    room = _Room(session.n_jobs, session.lock)
    same: dict[tuple[Keys, ...], _Fits] = {}
    for request in requests:
        request.on_done = room.done
        same.setdefault(request.keys, _Fits()).requests.append(request)
    groups = list(same.values())
    graph, entries = merge(
        [Group(fits.requests[0].blocks.graph, keys) for keys, fits in same.items()]
    )
    begun = 0
    budget = widest([scheduler.budget(prefetch) for prefetch in {r.prefetch for r in requests}])
    while True:
        # Those who have gone, because of an error or for any other reason, need no more.
        rest = [i for i in range(begun, len(entries)) if _is_needed(entries[i], groups)]
        if not rest:
            break
        try:
            with stream(_planned(graph, entries, rest), scheduler, budget) as blocks:
                for number in _hand_over(blocks, rest, entries, groups, room):
                    begun = number + 1
        except BlockError as error:
            failed = next(i for i in rest if i >= begun)
            _fail(entries[failed], error, groups)
            begun = failed + 1
        else:
            begun = len(entries)


def _is_needed(entry: Entry, groups: list[_Fits]) -> bool:
    return any(groups[turn.group].open for turn in entry.turns)


def _planned(graph: Graph, entries: list[Entry], which: list[int]) -> Plan:
    tasks = dict(graph)
    keys: list[tuple[Key, ...]] = []
    for i in which:
        key: Key = ("shared", i)
        tasks[key] = Task(key, _values, *map(TaskRef, entries[i].keys))
        keys.append((key,))
    numbers = [Place(i) for i in which]
    blocks = Blocks(tasks, ("values",), keys, [None] * len(keys), numbers, [], None)
    return Plan(blocks, trace(tasks, keys))


def _values(*values: Any) -> tuple[Any, ...]:
    return values


def _hand_over(
    blocks: Iterator[tuple[int, Block]],
    which: list[int],
    entries: list[Entry],
    groups: list[_Fits],
    room: _Room,
) -> Iterator[int]:
    """Give computed values to who needs them; yield the numbers of the entries."""
    for number, (_, block) in zip(which, blocks, strict=True):
        entry = entries[number]
        shared = dict(zip(entry.keys, block.pop("values"), strict=True))
        for group, position, tail in entry.turns:
            with room.lock:  # nobody closes meanwhile
                users = groups[group].open
                if users:
                    turn = Turn(users[0].keys[position], tail, shared, len(users))
                    room.add(len(users))
                    for i, request in enumerate(users):
                        request.give(turn, (number, group, position, i))
                    del turn
        del shared
        yield number
        room.wait()
        if not any(fits.open for fits in groups):
            return


def _fail(entry: Entry, error: BlockError, groups: list[_Fits]) -> None:
    """Give the error to all who need the entry; each says which of its blocks that is."""
    for turn in entry.turns:
        for request in groups[turn.group].open:
            request.fail(error)
