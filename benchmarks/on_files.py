"""Files of 1 GB: time against what a user would write and against the ideal, and peak memory.

The ideal is the longer of all fits on blocks in memory, and of all processor time of the loop by
file divided by the cores.  Each runs in a process of its own, in turns; a turn in which others have
used the processors is repeated.

Where the rows miss, it is not a block that is read twice or kept: two threads by hand that compute
dask's blocks take as much memory, and more time.  It is what dask's readers hold and do, and what
the threads of one process have in common:

- dask's reader of Parquet keeps the bytes of a file and copies its columns: a load takes 28 ms of
  processor time, where a loop over files takes 20, and 23 with ``filesystem="arrow"``.  dask's
  reader of CSV holds the bytes, too, and pandas parses a file that it opens itself in several
  threads, so that those that load by hand end together.
- Loading and learning side by side take 6 % longer than the longer of the two alone where each has
  a process, and 25 to 40 % where they share one, by hand as well (Parquet, one thread that loads).
  By ``perf``, 22 % of all processor time are new pages that the kernel clears (Parquet; 12 % of
  Zarr, 4 % of CSV): allocators give back what is freed, and page faults keep others waiting.  How
  much that costs depends on the machine and its day: seconds of the same run vary by a third.

What is freed can be kept for the next blocks; rows say what that gains ("freed memory kept": the
variables of the environment in `KEPT`), and `docs/how_it_works.rst` tells users.

On two cores, ``num_workers=1``, one load beside the model, has peaks of 283 MB instead of 435
(Parquet), 212 instead of 353 (CSV) and 185 instead of 295 (Zarr), and takes less processor time by
21 %, 4 % and 13 %.  It is not the default: loads that wait, or that compute for longer than the
model learns, as of CSV, need both threads.  For Parquet, ``prefetch=2`` has a peak of 345 MB.
Less `prefetch` is not the default, for by a simulation ``prefetch=3`` takes 4 % longer where loads
vary by a third, and 10 % where they vary by as much as they take.  Nor does a load wait for as long
as the next block is there: where loads wait and vary by a third, that takes 20 % longer, not 4.
Where that is done only while all cores are busy, Parquet takes 10 % less time, Zarr 12 % more and
CSV 3 % more, and peaks are 8 to 20 % lower.  A lower priority for threads that load changes
nothing, nor does another interval between those that share Python's global lock.

``python -m benchmarks.on_files --size 100 --repeat 1 --tries 1`` is a trial with files of 100 MB.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask

from benchmarks import _files
from benchmarks._claims import MB, Row, busy_seconds, in_fresh_process, main, peak, start_peak

KINDS = ("Parquet", "CSV", "Zarr")
#: Where more processors than these are busy with other work, a turn is repeated.
FOREIGN = 0.1
IDEAL, OURS = "all fits in memory", "Incremental"
BY_ARROW, BY_KEPT = 'Incremental and filesystem="arrow"', "Incremental, freed memory kept"
#: What cannot read them.
LEFT_OUT = {"Parquet": set(), "CSV": {BY_ARROW}, "Zarr": {BY_ARROW, "batches of pyarrow"}}
#: One arena for all threads, of which nothing goes back to the system before the process ends.
KEPT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
#: Ours, what rows call it, and whom it is compared to besides the ideal.
MINE = {
    OURS: ("{kind}, {size} MB", tuple(_files.ALTERNATIVES)),
    BY_ARROW: ('{kind} by filesystem="arrow"', ("two threads by hand",)),
    BY_KEPT: ("{kind}, freed memory kept", ("two threads by hand",)),
}

Found = dict[str, Any]


def in_memory(folder: Path, kind: str) -> Callable[[Path, str], Any]:
    """Return what learns as many blocks as there are files, without reading any."""
    blocks = [load() for load in _files.loads(folder, kind)[:4]]
    return lambda folder, kind: _files.learn(blocks[i % 4] for i in range(_files.N_FILES))


def measure(who: str, kind: str, folder: str, warm: str) -> Found:
    """Return what one run takes: seconds, those of processors, memory, and the load by others."""
    by_arrow = partial(_files.ours, filesystem="arrow")
    everybody = {OURS: _files.ours, BY_KEPT: _files.ours, BY_ARROW: by_arrow, **_files.ALTERNATIVES}
    with dask.config.set(scheduler="threads", num_workers=_files.N_THREADS):
        function = in_memory(Path(folder), kind) if who == IDEAL else everybody[who]
        function(Path(warm), kind)
        idle, busy = start_peak(), busy_seconds()
        start, own = time.perf_counter(), time.process_time()
        function(Path(folder), kind)
        seconds, own = time.perf_counter() - start, time.process_time() - own
        busy = busy_seconds() - busy
    return {
        "seconds": round(seconds, 3),
        "processor": round(own, 3),
        "MB": (peak() - idle) // MB,
        "foreign": round(max(0.0, (busy - own) / seconds), 2),
    }


def turn(kind: str, folder: Path, warm: Path, tries: int, left_out: set[str]) -> dict[str, Found]:
    """Run everybody once; repeat that while others are at work, and return the quietest turn."""
    turns = []
    for _ in range(tries):
        found = {}
        for who in [*MINE, IDEAL, *_files.ALTERNATIVES]:
            if who in left_out:
                continue
            run = partial(in_fresh_process, __spec__.name, "--measure", who, kind, folder, warm)
            try:
                found[who] = run(**KEPT) if who == BY_KEPT else run()
            except subprocess.CalledProcessError:
                left_out.add(who)
                continue
            print(f"{kind}, {who}: {found[who]}", file=sys.stderr, flush=True)
        turns.append(found)
        if load(found) <= FOREIGN:
            break
    return min(turns, key=load)


def load(found: dict[str, Found]) -> float:
    """Return how many processors others have kept busy, at most."""
    return max(one["foreign"] for one in found.values())


def rows(kind: str, size: int, repeat: int, tries: int) -> list[Row]:
    left_out = set(LEFT_OUT[kind])
    with tempfile.TemporaryDirectory() as name:
        folder, warm = Path(name, "all"), Path(name, "warm")
        for path, n_mb in ((folder, size), (warm, 4)):
            path.mkdir()
            _files.write(path, kind, n_mb)
        turns = [turn(kind, folder, warm, tries, left_out) for _ in range(repeat)]
    result = []
    for mine, (claim, others) in MINE.items():
        if mine not in left_out:
            claim = claim.format(kind=kind, size=size)
            result += [*times(claim, mine, others, turns), memory(claim, mine, kind, size, turns)]
    return result


def times(
    claim: str, mine: str, others: tuple[str, ...], turns: list[dict[str, Found]]
) -> list[Row]:
    """Return our time over that of others, and over the ideal."""
    claim = f"{claim}: time over"

    def ratio(seconds: Callable[[dict[str, Found]], float]) -> float:
        return statistics.median(found[mine]["seconds"] / seconds(found) for found in turns)

    def ideal(found: dict[str, Found]) -> float:
        processor = found["a loop by file"]["processor"]
        return max(found[IDEAL]["seconds"], processor / _files.N_THREADS)

    note = f"others: {max(map(load, turns)):.2f} processors"
    result = [Row(f"{claim} the ideal ({note})", ratio(ideal), 1.15)]
    for who in others:
        if not all(who in found for found in turns):
            result.append(Row(f"{claim} {who} (which cannot read it)", None, 1.0))
            continue
        used = statistics.median(found[who]["MB"] for found in turns)
        over = ratio(lambda found, who=who: found[who]["seconds"])
        result.append(Row(f"{claim} {who} (which takes {used:.0f} MB)", over, 1.0))
    return result


def memory(claim: str, mine: str, kind: str, size: int, turns: list[dict[str, Found]]) -> Row:
    """Return our peak over what blocks ahead, two more, and reading may take."""
    block = _files.n_rows(kind, size) * (_files.N_FEATURES + 1) * 8 / MB
    used = statistics.median(found[mine]["MB"] for found in turns)
    allowed = (_files.N_THREADS + 2 + 2) * block + 100
    claim = f"{claim}: peak over idle ({used:.0f} MB) over that of 6 blocks and 100 MB"
    return Row(claim, used / allowed, 1.0)


def run(size: int, repeat: int, tries: int) -> list[Row]:
    return [row for kind in KINDS for row in rows(kind, size, repeat, tries)]


if __name__ == "__main__":
    main(run, measure, size=1_000, repeat=5, tries=3)
