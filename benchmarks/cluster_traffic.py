"""Three workers: what of 160 MB of data travels through the client, lazy or in memory."""

from __future__ import annotations

from benchmarks._claims import Row, in_fresh_process, main
from benchmarks._clusters import N_WORKERS, Sleeping, Traffic, blocks, traffic
from incremental import Incremental

N_BLOCKS, N_ROWS = 100, 2_000

N_BYTES = N_BLOCKS * N_ROWS * 100 * 8


def measure(address: str) -> dict[str, int]:
    """Return the bytes that a process of its own, with the client alone, exchanges."""
    import distributed

    with distributed.Client(address):
        X, y = blocks(N_BLOCKS, 0.0, N_ROWS)
        with traffic() as lazy:
            Incremental(Sleeping()).fit(X, y)
        with traffic() as gathered:
            values, labels = X.compute(), y.compute()
        if gathered.received < N_BYTES:
            raise AssertionError(f"The data have travelled, and were not seen: {gathered}")
        with traffic() as in_memory:
            Incremental(Sleeping(), max_iter=2, shuffle=True).fit(values, labels)
    return {"lazy": _both(lazy), "in memory": _both(in_memory)}


def _both(found: Traffic) -> int:
    return found.received + found.sent


def run() -> list[Row]:
    import distributed

    with distributed.LocalCluster(
        n_workers=N_WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as running:
        found = in_fresh_process(__spec__.name, "--measure", running.scheduler_address)
    claim = "cluster, 160 MB of data"
    return [
        Row(f"{claim}, {kind}: bytes through the client over those of the data", n / N_BYTES, 0.01)
        for kind, n in found.items()
    ]


if __name__ == "__main__":
    main(run, measure)
