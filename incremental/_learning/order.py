"""Another order of blocks, and of the rows within each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from incremental._data.values import Block, n_rows, rows
from incremental._learning.block_checks import check_block
from incremental._planning.plan import Plan


def in_new_order(planned: Plan, promise: Any, seed: Sequence[int]) -> Plan:
    """Return a plan of the blocks, and of the rows within each, in an order drawn from `seed`.

    Rows are moved where the blocks are computed, ahead of their turn.
    """
    blocks = planned.blocks.take(planned.shuffled(np.random.default_rng(seed)))
    state = blocks.names, promise, list(seed)
    packed = blocks.names
    return Plan(blocks.map("block", _shuffle_rows, state, label="shuffle", packed=packed))


def row_order(seed: Sequence[int]) -> Callable[[int, int], np.ndarray]:
    """Return what says, given a block's number and rows, where its rows come from.

    Examples
    --------
    >>> sorted(row_order([0])(3, 4).tolist())
    [0, 1, 2, 3]
    """
    return partial(_row_order, list(seed))


def _row_order(seed: list[int], number: int, n: int) -> np.ndarray:
    return np.random.default_rng([*seed, number]).permutation(n)


def _shuffle_rows(state: tuple[Any, ...], number: int, *values: Any) -> Block:
    names, promise, seed = state
    block = dict(zip(names, values, strict=True))
    check_block(number, block, promise)
    order = _row_order(seed, number, n_rows(block))
    return {name: rows(value, order) for name, value in block.items()}
