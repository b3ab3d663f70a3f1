"""Values of blocks, computed on the workers and gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import distributed
from dask.task_spec import Task, TaskRef
from dask.typing import Key

from incremental._data.values import Block
from incremental._engines.cluster.attempts import Attempts
from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.feed import Feed
from incremental._engines.cluster.losses import Lost, release
from incremental._engines.cluster.sending import Graph, OnSubmit
from incremental._planning.plan import Plan


class _Gathering(Feed):
    """The values of each block, to be gathered."""

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        key = (f"block-{self.token}", position)
        values = [TaskRef(self.name(value)) for value in self.blocks.keys[position]]
        graph[key] = Task(key, _together, *values)
        return {key: partial(self.watch, range(position, position + 1))}

    def gather(self, start: int) -> list[tuple[Any, ...]]:
        """Return the values of the blocks from `start` on that are done; [] if they are few.

        Each time costs as much as a task, so that it is for half of what may be under way.
        """
        n_done = self.n_done - start
        is_last = self.n_done == self.stop or self.n_done in self._failed
        if not n_done or (n_done < self._limit // 2 and not is_last):
            return []
        futures = [self.futures.pop(position) for position in range(start, self.n_done)]
        try:
            return self.client.gather(futures)
        except Exception:
            if any(future.status == "cancelled" for future in futures):
                raise Lost from None
            raise
        finally:
            release(futures)


def _together(*values: Any) -> tuple[Any, ...]:
    return values


@contextmanager
def stream(
    planned: Plan,
    client: distributed.Client,
    prefetch: int,
    company: Alone,
) -> Iterator[Iterator[tuple[int, Block]]]:
    """Yield numbers and values of the computed blocks, as `Engine.stream` does."""
    numbers = planned.blocks.numbers
    n_given = 0  # blocks that were handed over

    def open_feed(limit: Callable[[int], int], company: Alone) -> _Gathering:
        return _Gathering(client, planned, limit, n_given, len(numbers), company)

    attempts = Attempts(client, open_feed, numbers, prefetch, company)

    def hand_over() -> Iterator[tuple[int, Block]]:
        nonlocal n_given
        while n_given < len(numbers):
            for values in attempts.until(lambda feed: feed.gather(n_given)):
                n_given += 1
                yield numbers[n_given - 1], planned.blocks.as_dict(values)

    try:
        yield hand_over()
    finally:
        attempts.close()
