"""The engine of a fit that meets others and computes on a cluster.

At a meeting fits form convoys (`incremental._engines.cluster.convoy`).  Then each one trains its
own model, or gathers its own values, and the next meeting begins when all of them have ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import distributed
from dask.typing import Key

from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph
from incremental._engines.cluster.convoy import Alone, Convoy, Member
from incremental._engines.cluster.engine import ClusterEngine
from incremental._engines.cluster.sending import kept, renamed
from incremental._engines.scan.convoys import share
from incremental._engines.scan.merging import Group, Keys
from incremental._engines.scan.requests import Get, Question, Values
from incremental._engines.scan.tasks import Task
from incremental._planning.plan import Plan


class Company(Question):
    """Whom blocks are shared with, which is asked for.

    Parameters
    ----------
    task, get
        As for `Request`.
    planned : Plan
        The blocks.
    """

    def __init__(self, task: Task, get: Get, planned: Plan):
        super().__init__(task, get)
        self.graph = planned.blocks.graph
        #: For each block the keys of its values that are not in memory already.
        self.keys: tuple[Keys, ...] = tuple(planned.blocks.keys_to_compute)


def form_convoys(requests: Sequence[Company]) -> None:
    """Answer all requests: those that need the same values in orders that agree share them."""
    same: dict[tuple[Keys, ...], list[Company]] = {}
    for request in requests:
        same.setdefault(request.keys, []).append(request)
    fits = list(same.values())
    groups = [Group(some[0].graph, keys) for keys, some in same.items()]
    for found in share(groups, list(map(len, fits))):
        members: list[Member] = []
        token = uuid.uuid4().hex
        for group, shared in found.items():
            as_they_are = kept(groups[group].graph)
            names = {
                key: renamed(key, f"{token}-{number}")
                for key, number in shared.numbers.items()
                if key not in as_they_are
            }
            held = {names[key] for key in shared.held if key in names}
            members += [
                Member(names, held, shared.visits, request.task.check) for request in fits[group]
            ]
        Convoy(members)
        asked = [request for group in found for request in fits[group]]
        for request, member in zip(asked, members, strict=True):
            request.answer(member if len(asked) > 1 else Alone(request.task.check))


class MeetingOnCluster(ClusterEngine):
    """Computes and learns on the workers of a client, close to the other tasks of a session.

    Parameters
    ----------
    client : distributed.Client
        The client.
    task : Task
        Who asks.
    """

    def __init__(self, client: distributed.Client, task: Task):
        super().__init__(client)
        self._task = task

    def get(self, graph: Graph, keys: Sequence[Key]) -> Sequence[Any]:
        if self._task.is_alone:
            return super().get(graph, keys)
        return Values(self._task, self.client.get, graph, keys).result()

    def prepare(self, blocks: Blocks) -> Blocks:
        return blocks  # fused tasks would hide what the fits have in common

    @contextmanager
    def company(self, planned: Plan) -> Iterator[Alone]:
        if self._task.is_alone:
            yield Alone(self._task.check)
            return
        found = Company(self._task, self.client.get, planned).result()
        try:
            # Others wait until it has done what they need, so that it must not wait for them.
            with self._task.alone(), self._task.session.elsewhere():
                yield found
        finally:
            found.leave()
