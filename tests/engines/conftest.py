"""Clusters for all tests of a process: one of three processes, one of two threads of this one."""

from __future__ import annotations

import gc
import time
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("distributed") else ["test_cluster_*"]


@pytest.fixture
def clean(three_processes):
    """The client of three workers; what a test has put on the cluster is gone when it ends."""
    client = three_processes
    deadline = time.monotonic() + 60
    while len(client.nthreads()) < 3:
        # One that is killed while it starts is given up, unless the cluster is told again.
        assert time.monotonic() < deadline, client.nthreads()
        client.cluster.scale(3)
        time.sleep(0.5)
    with client.as_current():
        yield client
    deadline = time.monotonic() + 60
    while left := client.run_on_scheduler(
        lambda dask_scheduler: list(map(str, dask_scheduler.tasks))
    ):
        assert time.monotonic() < deadline, left
        gc.collect()  # what refers to itself may hold persisted data
        time.sleep(0.1)


@pytest.fixture(scope="session")
def threads_as_workers():
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def log(tmp_path):
    from tests.engines.on_clusters import Log

    return Log(tmp_path / "log")
