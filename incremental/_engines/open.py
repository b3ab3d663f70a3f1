"""Which engine computes: chosen here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from dask.base import named_schedulers
from joblib import register_parallel_backend

from incremental._engines.base import Engine
from incremental._engines.local.engine import LocalEngine
from incremental._engines.local.schedulers import client_of, open_scheduler
from incremental._engines.scan.backend import IncrementalBackend
from incremental._engines.scan.engine import ScanEngine
from incremental._engines.scan.joining import scheduler_around
from incremental._engines.scan.tasks import current_task

register_parallel_backend("incremental", IncrementalBackend)


@contextmanager
def open_engine(collections: list[Any]) -> Iterator[Engine]:
    """Yield the engine for the scheduler that dask would compute `collections` with.

    Where nothing is lazy there is nothing to compute ahead, nor anything to send: data in memory
    are learned where they are, in this thread, whatever scheduler is configured and whatever client
    is active.  So a fit of a search in a worker's thread waits for no other task.

    No thread or process that the engine starts outlives the context.
    """
    get = scheduler_around(collections) if collections else dask.get
    client = client_of(get)
    task = current_task()
    if collections and client is None and task is not None and not task.is_alone:
        yield ScanEngine(task, get)
        return
    if client is not None and task is not None:
        from incremental._engines.scan.on_cluster import MeetingOnCluster  # needs distributed

        yield MeetingOnCluster(client, task)
        return
    if client is not None:
        from incremental._engines.cluster.engine import open_cluster

        with open_cluster(client) as engine:
            yield engine
        return
    with open_scheduler(get) as scheduler:
        yield LocalEngine(scheduler)


def name_scheduler(collections: list[Any]) -> str:
    """Name the scheduler that dask would compute `collections` with, or its cluster."""
    if not collections:
        return "none, the data are in memory"
    get = scheduler_around(collections)
    client = client_of(get)
    if client is not None:
        return f"distributed ({client.scheduler.address})"
    names = (name for name, named in named_schedulers.items() if named is get)
    return next(names, getattr(get, "__name__", repr(get)))


def computes_now() -> bool:
    """Say whether results are to be computed at once: a session's tasks ask for the same ones.

    Outside of a session they are lazy.
    """
    return current_task() is not None
