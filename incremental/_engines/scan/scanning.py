"""A meeting: what was asked for is merged, computed once, and handed to all who need it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dask.task_spec import Task, TaskRef
from dask.typing import Key
from toolz import groupby

from incremental._data.blocks import Blocks
from incremental._engines.local.schedulers import open_scheduler
from incremental._engines.local.stream import stream
from incremental._engines.scan.merging import Entry, Group, Keys, merge
from incremental._engines.scan.requests import Get, Request, Stream, Turn, Values
from incremental._planning.plan import Plan
from incremental._planning.windows import cull, trace
from incremental.exceptions import BlockError


def serve(requests: list[Request]) -> list[Request]:
    """Answer requests; return those that wait until tasks have got their values."""
    values = [request for request in requests if isinstance(request, Values)]
    streams = [request for request in requests if isinstance(request, Stream)]
    for get, together in groupby(lambda request: request.get, values or streams).items():
        (compute if values else scan)(get, together)
    return list(streams) if values else []


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
        return [r for r in self.requests if not r.is_closed]


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
            self._changed.notify()

    def wait(self) -> None:
        with self.lock:
            while self._n_turns >= self._n:
                self._changed.wait()


def scan(get: Get, requests: Sequence[Stream]) -> None:
    """Hand blocks to all who have asked for them, each source read once where orders agree."""
    same: dict[tuple[Keys, ...], _Fits] = {}
    for request in requests:
        same.setdefault(request.keys, _Fits()).requests.append(request)
    groups = list(same.values())
    graph, entries = merge(
        [Group(fits.requests[0].blocks.graph, keys) for keys, fits in same.items()]
    )
    session = requests[0].task.session
    room = _Room(session.n_jobs, session.lock)
    for request in requests:
        request.on_done = room.done
    given = [r.prefetch for r in requests]
    prefetch = None if None in given else max(given)  # type: ignore[type-var]
    begun = 0
    with open_scheduler(get) as scheduler:
        while begun < len(entries):
            # Those who have gone, because of an error or for any other reason, need no more.
            rest = [
                (i, entry)
                for i, entry in enumerate(entries[begun:], begun)
                if any(groups[turn.group].open for turn in entry.turns)
            ]
            if not rest:
                break
            planned = _planned(graph, [entry for _, entry in rest])
            begun = rest[0][0]
            try:
                with stream(planned, scheduler, prefetch=prefetch) as computed:
                    for (number, entry), (_, block) in zip(rest, computed, strict=False):
                        begun = number
                        values = dict(zip(entry.keys, block["values"], strict=True))
                        del block
                        _hand_over(number, entry, values, groups, room)
                        del values
                        begun = number + 1
                        room.wait()
                        if not any(fits.open for fits in groups):
                            break
            except BlockError as error:
                _fail(_number_of(rest, begun), entries, error, groups)
                begun += 1
    for request in requests:
        if not request.is_closed:
            request.give(None, ())


def _number_of(rest: list[tuple[int, Entry]], begun: int) -> int:
    """Return the first entry from `begun` on that was to be computed."""
    return next(i for i, _ in rest if i >= begun)


def _planned(graph: dict[Key, Any], entries: list[Entry]) -> Plan:
    graph = dict(graph)
    keys: list[tuple[Key, ...]] = []
    for i, entry in enumerate(entries):
        key: Key = ("shared", i)
        graph[key] = Task(key, _values, *map(TaskRef, entry.keys))
        keys.append((key,))
    n = len(keys)
    blocks = Blocks(graph, ("values",), keys, [None] * n, range(n), [], None)
    return Plan(blocks, trace(graph, keys))


def _values(*values: Any) -> tuple[Any, ...]:
    return values


def _hand_over(
    number: int, entry: Entry, shared: dict[Key, Any], groups: list[_Fits], room: _Room
) -> None:
    for group, position, tail in entry.turns:
        with room.lock:  # nobody closes meanwhile
            users = groups[group].open
            if users:
                turn = Turn(users[0].keys[position], tail, shared, len(users))
                room.add(len(users))
                for i, request in enumerate(users):
                    request.give(turn, (number, group, position, i))


def _fail(number: int, entries: list[Entry], error: BlockError, groups: list[_Fits]) -> None:
    cause = error.__cause__ or error
    for turn in entries[number].turns:
        for request in groups[turn.group].open:
            request.fail(cause)
            request.is_closed = True
