"""Three workers: what the client's sockets receive of 160 MB of data."""

from __future__ import annotations

from benchmarks._claims import Row, in_fresh_process, main
from benchmarks._clusters import N_WORKERS, Sleeping, blocks
from incremental import Incremental

N_BLOCKS, N_ROWS = 100, 2_000


def measure(address: str) -> int:
    """Return the bytes that a process of its own, with the client alone, receives."""
    import distributed

    with distributed.Client(address):
        X, y = blocks(N_BLOCKS, 0.0, N_ROWS)
        before = received()
        Incremental(Sleeping()).fit(X, y)
        return received() - before


def received() -> int:
    """Return the bytes that this process has read, from sockets and files."""
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


def run() -> list[Row]:
    import distributed

    with distributed.LocalCluster(
        n_workers=N_WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as running:
        found = in_fresh_process(__spec__.name, "--measure", running.scheduler_address)
    claim = "cluster, 160 MB of data: bytes that the client receives over those of the data"
    return [Row(claim, found / (N_BLOCKS * N_ROWS * 100 * 8), 0.01)]


if __name__ == "__main__":
    main(run, measure)
