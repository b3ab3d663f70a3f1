"""How much memory this process could still take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: Where Linux tells; other systems have neither.
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

#: The files of a control group, of the second version and of the first: its limit, and its usage.
_FILES = [
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
]

#: The first version of control groups has a number for none, the second one a word ("max").
NO_LIMIT = 2**60


def free_memory() -> int | None:
    """Return how many bytes are free, for this process and its control groups; None if unknown."""
    return min([*_of_groups(), *_of_machine()], default=None)


def _of_machine() -> Iterator[int]:
    """Yield what is free on this machine, from the first who knows."""
    found = _fields(PROC / "meminfo").get("MemAvailable:")
    if found is not None:
        yield 1024 * found
        return
    try:
        import psutil  # comes with distributed

        yield int(psutil.virtual_memory().available)
        return
    except Exception:  # not there, or not for this system: nothing depends on it
        pass
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):  # macOS has the second one only
        if name in getattr(os, "sysconf_names", {}):
            yield os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
            return


def _of_groups() -> Iterator[int]:
    """Yield what the control groups of this process leave it, those above it among them."""
    for line in _text(PROC / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root = CGROUPS / controllers
            # In a container the path may be that of the host, with the container's group as root.
            for folder in [PurePosixPath(path), *PurePosixPath(path).parents]:
                yield from _of_group(root / str(folder).lstrip("/"))


def _of_group(folder: Path) -> Iterator[int]:
    for limit_file, usage_file in _FILES:
        limit = _text(folder / limit_file).strip()
        if limit.isdigit() and int(limit) < NO_LIMIT:
            usage = int(_text(folder / usage_file) or 0)
            # Files that were read stay in memory for as long as nobody else needs it.
            fields = _fields(folder / "memory.stat")
            prefix = "total_" if "total_inactive_file" in fields else ""
            cached = sum(fields.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
            yield max(0, int(limit) - usage + cached)


def _fields(path: Path) -> dict[str, int]:
    lines = (line.split() for line in _text(path).splitlines())
    return {name: int(value) for name, value, *_ in lines if value.isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
