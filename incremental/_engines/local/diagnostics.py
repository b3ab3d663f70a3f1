"""dask's local diagnostics, told about a stream as if one scheduler had run it."""

from __future__ import annotations

import threading
from typing import Any

from dask.callbacks import Callback
from dask.typing import Key

from incremental._data.graphs import Graph

#: Two threads must not both take the active callbacks.
_SWAPPING = threading.Lock()


class Watch:
    """Tells dask's local diagnostics about a stream as if one scheduler had run it all."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.lock = threading.Lock()
        with _SWAPPING:
            self.callbacks, Callback.active = Callback.active, set()
        self.state: dict[str, Any] = {
            "ready": set(graph),
            "waiting": {},
            "running": set(),
            "finished": set(),
            "released": set(),
            "cache": {},
            "dependencies": {key: set(task.dependencies) for key, task in graph.items()},
        }
        for start, start_state, *_ in self.callbacks:
            if start:
                start(graph)
            if start_state:
                start_state(graph, self.state)

    def before(self, key: Key) -> None:
        with self.lock:
            self.state["ready"].discard(key)
            self.state["running"].add(key)
            for _, _, pretask, _, _ in self.callbacks:
                if pretask:
                    pretask(key, self.graph, self.state)

    def after(self, key: Key, value: Any) -> None:
        with self.lock:
            self.state["running"].discard(key)
            self.state["finished"].add(key)
            for _, _, _, posttask, _ in self.callbacks:
                if posttask:
                    posttask(key, value, self.graph, self.state, threading.get_ident())

    def finish(self, failed: bool) -> None:
        if self.callbacks:  # else another thread has them, and gives them back
            Callback.active = self.callbacks
        for *_, finish in self.callbacks:
            if finish:
                finish(self.graph, self.state, failed)
