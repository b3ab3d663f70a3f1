"""Check every claim, each file in a fresh process, and print one table."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks._claims import Row, in_fresh_process, machine, table


def main() -> int:
    rows = []
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        start = time.perf_counter()
        try:
            found = [Row(*row) for row in in_fresh_process(f"benchmarks.{path.stem}", "--json")]
        except subprocess.CalledProcessError:
            found = [Row(f"{path.stem} failed, see above", float("nan"), 0)]
        seconds = time.perf_counter() - start
        print(f"{path.stem}: {seconds:.0f} s\n{table(found)}", file=sys.stderr, flush=True)
        rows += found
    print(f"Measured with {machine()}.\n\n{table(rows)}")
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
