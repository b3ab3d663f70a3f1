"""Values of blocks, computed on the workers and gathered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import distributed
from dask.task_spec import Task, TaskRef
from dask.typing import Key

from incremental._data.values import Block
from incremental._engines.cluster.feed import Feed, Graph, OnSubmit
from incremental._engines.cluster.losses import Failed, Losses, Lost, check_open, limit_of, release
from incremental._planning.plan import Plan


class _Gathering(Feed):
    """The values of each block, to be gathered."""

    def add(self, graph: Graph, position: int) -> dict[Key, OnSubmit]:
        key = (f"block-{self.token}", position)
        values = [TaskRef(self.name(value)) for value in self.blocks.keys[position]]
        graph[key] = Task(key, _together, *values)
        return {key: partial(self._watch, range(position, position + 1))}

    def gather(self, positions: range) -> list[tuple[Any, ...]]:
        """Return the values of blocks that are done."""
        futures = [self.futures.pop(position) for position in positions]
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
) -> Iterator[Iterator[tuple[int, Block]]]:
    """Yield numbers and values of the computed blocks, as `Engine.stream` does."""
    numbers = planned.blocks.numbers
    limit = limit_of(prefetch)
    feed: _Gathering | None = None

    def hand_over() -> Iterator[tuple[int, Block]]:
        nonlocal feed
        position, losses = 0, Losses()
        while position < len(numbers):
            if feed is None:
                room = partial(losses.limit, limit)
                feed = _Gathering(client, planned, room, position, len(numbers))
            try:
                try:
                    while feed.n_done <= position:
                        feed.process()
                    feed.process_all()
                    gathered = feed.gather(range(position, feed.n_done))
                except Lost:
                    feed.close()
                    feed = None
                    losses.add(position)
                    continue
            except Failed as failed:
                error = failed.as_block_error(numbers[failed.position])
                raise error from error.__cause__
            except Exception as failure:
                check_open(client, failure)
                raise
            for values in gathered:
                yield numbers[position], planned.blocks.as_dict(values)
                position += 1

    try:
        yield hand_over()
    finally:
        if feed is not None:
            feed.close()
