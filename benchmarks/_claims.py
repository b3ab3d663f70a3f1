"""What a benchmark states and how it measures: claims, interleaved timing, peak memory."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

#: The folder that ``python -m benchmarks.name`` is run from.
ROOT = Path(__file__).resolve().parent.parent

MB = 1_000_000


class Row(NamedTuple):
    """A claim and what was measured of it.

    Parameters
    ----------
    claim : str
        What is compared with what; the unit if it is not a ratio.
    measured : float or None
        None if it could not be measured here; `claim` then says why.
    target : float
        The largest value that fulfils the claim.
    """

    claim: str
    measured: float | None
    target: float

    @property
    def reached(self) -> bool | None:
        return None if self.measured is None else self.measured <= self.target

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row as text: claim, measured, target, verdict."""
        measured = "--" if self.measured is None else f"{self.measured:.3g}"
        verdict = {True: "yes", False: "**no**", None: "skipped"}[self.reached]
        return self.claim, measured, f"{self.target:.3g}", verdict


Clock = Callable[[], float]


def fastest(
    repeat: int, *functions: Callable[[], Any], clock: Clock = time.perf_counter
) -> list[float]:
    """Return the shortest time of each function in seconds; they take turns."""
    return [min(found) for found in zip(*in_turns(repeat, *functions, clock=clock), strict=True)]


def in_turns(
    repeat: int, *functions: Callable[[], Any], clock: Clock = time.perf_counter
) -> list[list[float]]:
    """Return the seconds that each function took, for each turn.

    The turns differ in how busy the machine is with other work, much less so the functions within
    one turn.
    """
    turns = []
    for _ in range(repeat):
        found = []
        for function in functions:
            gc.collect()
            start = clock()
            function()
            found.append(clock() - start)
        turns.append(found)
    return turns


def start_peak() -> int:
    """Forget the peak memory of this process so far and return what it has now, in bytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> int:
    """Return the peak memory of this process since `start_peak`, in bytes.

    Notes
    -----
    Not ``resource.getrusage``: its peak begins with that of the process that forked this one.
    """
    return _status("VmHWM")


def busy_seconds() -> float:
    """Return how long the processors of this machine were busy, with whatever, since it started."""
    user, nice, system, _idle, _waiting, *interrupts = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    )
    return sum((user, nice, system, *interrupts)) / os.sysconf("SC_CLK_TCK")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status must have the field {field}; these benchmarks need Linux.")


def in_fresh_process(module: str, *arguments: object, **environment: str) -> Any:
    """Run ``python -m module arguments`` and return what it prints last, read as JSON."""
    found = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(found.stdout.splitlines()[-1])


def main(
    run: Callable[..., list[Row]], measure: Callable[..., Any] | None = None, **numbers: int
) -> None:
    """Run a benchmark from the command line; ``--json`` is for ``python -m benchmarks``.

    Parameters
    ----------
    run : callable
        Returns the rows.
    measure : callable, default=None
        What ``--measure arguments`` runs in a process of its own; its result is printed as JSON.
    **numbers : int
        Parameters of `run` that can be given (``--size 100``), and what they are otherwise.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", nargs="+")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    if options.measure and measure is not None:
        print(json.dumps(measure(*options.measure)))
        return
    rows = run(**{name: getattr(options, name) for name in numbers})
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        claim, measured, target, verdict = row.cells()
        print(f"{measured:>8} (at most {target}: {verdict})  {claim}")
    sys.exit(any(row.reached is False for row in rows))


def table(rows: list[Row]) -> str:
    """Return rows as a reST table.

    Examples
    --------
    >>> print(table([Row("time over the loop", 1.0, 1.05)]))
    ================== ======== ======= ========
    Claim              Measured At most Reached
    ================== ======== ======= ========
    time over the loop 1        1.05    yes
    ================== ======== ======= ========
    """
    lines = [("Claim", "Measured", "At most", "Reached"), *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    widths[3] = max(widths[3], 8)
    rule = " ".join("=" * width for width in widths)
    text = [
        " ".join(f"{cell:<{n}}" for cell, n in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([rule, text[0], rule, *text[1:], rule])


def machine() -> str:
    """Return what the figures depend on: cores, memory and versions."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    found = [f"{cores} cores", f"{memory:.0f} GiB of memory", f"Python {python_version()}"]
    for package in ("dask", "scikit-learn", "numpy", "pandas", "dask-ml"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)
