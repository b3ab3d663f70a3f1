"""How tasks and values get to the workers, and what they are called there."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import Any

import distributed
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, GraphNode, Task
from dask.typing import Key

from incremental._data.graphs import cull
from incremental._data.values import n_bytes
from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.losses import Lost, release

Graph = dict[Key, GraphNode]
OnSubmit = Callable[[distributed.Future], Any]

#: Values in memory of more bytes go straight to the workers, not with the graph.
LARGE = 1_000_000


class Sender:
    """Submits what one feed needs and others of its convoy have not submitted.

    Parameters
    ----------
    client : distributed.Client
        Where.
    company : Alone
        Whom values are shared with.
    named : iterable of keys
        Tasks that others know by their names, besides those that are shared.
    wake : callable
        Called when there is room again for those that wait for others.
    """

    def __init__(
        self,
        client: distributed.Client,
        company: Alone,
        named: Iterable[Key],
        wake: Callable[[], None],
    ):
        #: Held while the feed submits, so that only one of a convoy is the first to do so.
        self.lock = company.join(wake)
        self._client = client
        self._company = company
        #: Tasks that others know by their names.
        self._named = {*named, *company.names.values()}

    def submit(self, graph: Graph, wanted: dict[Key, OnSubmit]) -> None:
        """Submit tasks."""
        if not wanted:
            return
        held = self._for_company(graph)
        wanted = {**{future.key: _forget for future in held}, **wanted}
        # A layer, since dask hashes a plain dictionary, which not all values allow that can be sent
        # (h5py's).  No timeout, so that each submission has precedence over all later ones.
        layer = HighLevelGraph.from_collections(
            f"blocks-{uuid.uuid4().hex}", compact(graph, wanted, self._named)
        )
        futures = self._client.get(layer, list(wanted), sync=False, fifo_timeout="0s")
        for future, on_submit in zip(futures, wanted.values(), strict=True):
            on_submit(future)
        self._company.submitted(graph, held)

    def send_large(self, tasks: Graph, hold: OnSubmit) -> None:
        """Send values in memory to the workers, if they are large, rather than with the graph.

        Not those that another feed of the convoy has sent.
        """
        values = {k: t.value for k, t in tasks.items() if isinstance(t, DataNode)}
        there = [name for name in values if self._company.is_there(name)]
        for name in there:
            hold(distributed.Future(name, self._client))
            del tasks[name], values[name]
        self._company.submitted(there, [])
        if values and sum(map(n_bytes, values.values())) > LARGE:
            held = self._for_company(values)
            for future in self.scatter(values):
                hold(future)
            for key in values:
                del tasks[key]
            self._company.submitted(values, held)

    def _for_company(self, names: Iterable[Key]) -> list[distributed.Future]:
        """Return futures of what is to be held until others have submitted it, too."""
        return [distributed.Future(name, self._client) for name in self._company.first(names)]

    def scatter(self, values: dict[Key, Any], **options: Any) -> list[distributed.Future]:
        """Send values to the workers."""
        if not self._client.nthreads():  # a cluster grows for tasks, not for data
            self._client.submit(int, pure=False).result()
        try:
            return list(self._client.scatter(values, **options).values())
        except (OSError, ValueError, KeyError) as error:  # a worker goes, or has gone
            # The scheduler may have taken note already that this client wants them.
            release([distributed.Future(key, self._client) for key in values])
            raise Lost from error


def _forget(future: distributed.Future) -> None:
    """Somebody else holds it."""


def compact(graph: Graph, *named: Container[Key]) -> Graph:
    """Return fewer tasks: each task costs dask more than many a task takes.

    A task that only one other needs becomes part of that: if it is a value in memory, or if it is
    all that the other one needs.

    Parameters
    ----------
    graph : dict
        Tasks.
    *named : containers of keys
        Those that are to be known to the scheduler by their names.

    Examples
    --------
    >>> from dask.task_spec import TaskRef
    >>> graph = {"x": Task("x", list), "y": DataNode("y", 1), "n": Task("n", len, TaskRef("x"))}
    >>> graph["sum"] = Task("sum", int.__add__, TaskRef("n"), TaskRef("y"))
    >>> compact(graph, {"sum"})["sum"]()
    1
    >>> list(compact(graph, {"sum", "n"}))
    ['n', 'sum']
    """
    n_users = Counter(d for task in graph.values() for d in task.dependencies)
    parts = {k for k in graph if n_users[k] == 1 and not any(k in some for some in named)}
    values: dict[Key, Any] = {key: graph[key] for key in parts if isinstance(graph[key], DataNode)}
    graph = {key: task.substitute(values) for key, task in graph.items() if key not in values}
    below = {
        key: next(iter(task.dependencies))
        for key, task in graph.items()
        if len(task.dependencies) == 1 and parts.issuperset(task.dependencies)
    }
    inner = set(below.values())
    result: Graph = {}
    for key in [key for key in graph if key not in inner]:
        chain = [key]
        while chain[-1] in below:
            chain.append(below[chain[-1]])
        result[key] = Task.fuse(*(graph[key] for key in reversed(chain)), key=key)
    return result


def kept(graph: Mapping[Key, GraphNode]) -> Collection[Key]:
    """Return the keys that keep their names on the cluster.

    The workers of a P2P shuffle ask for its barrier, which must not be fused, by its name; so that
    this means the same in each pass, what the barrier needs has the same names, too.
    """
    return cull(graph, [key for key, task in graph.items() if task.block_fusion])


def renamed(key: Key, token: str) -> Key:
    """Return what a key is called for those who have a token.

    Examples
    --------
    1 and "1" are two keys.

    >>> renamed(("X", 1), "token"), renamed(1, "token"), renamed("1", "token")
    (('X-token', 1), 'token-1', '1-token')
    """
    if isinstance(key, tuple):
        return (_renamed(key[0], token), *key[1:])
    return _renamed(key, token)


def _renamed(key: Any, token: str) -> str:
    return f"{key}-{token}" if isinstance(key, str) else f"{token}-{key!r}"
