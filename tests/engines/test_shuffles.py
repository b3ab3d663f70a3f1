"""Shuffled frames and grouped bags: each row is learned once in each pass, with its own y."""

import os
import time

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from incremental import Incremental
from incremental._data.blocks import make_blocks
from incremental._engines.open import open_engine
from incremental._planning.trace import PATIENCE

N_ROWS = 300


class Memory(BaseEstimator):
    """Keeps what it is given, pass after pass."""

    def partial_fit(self, X, y=None, sample_weight=None):
        self.rows_ = [*getattr(self, "rows_", []), *np.asarray(X)[:, 0].tolist()]
        if y is not None:
            self.targets_ = [*getattr(self, "targets_", []), *np.asarray(y).tolist()]
        if sample_weight is not None:
            self.weights_ = [*getattr(self, "weights_", []), *np.asarray(sample_weight).tolist()]
        return self


def frame(n_partitions=3):
    u = np.arange(N_ROWS)
    values = pd.DataFrame({"u": u, "a": u * 2.0, "k": u % 50, "small": (u % 7).astype("i1")})
    return dd.from_pandas(values, npartitions=n_partitions)


def other():
    return dd.from_pandas(pd.DataFrame({"u": range(N_ROWS), "z": 1.0}), npartitions=3)


def _difference(group):
    return group.assign(a=group.a - group.a.mean())


def _transformed(f):
    return f.assign(b=f.a - f.groupby("k").a.transform("mean", meta=("a", "f8")))


SHUFFLED = {
    "shuffled": lambda f: f.shuffle("k"),
    "one partition": lambda f: f.repartition(npartitions=1).shuffle("k", npartitions=4),
    "shuffled twice": lambda f: f.shuffle("k").map_partitions(lambda part: part).shuffle("u"),
    "merged": lambda f: f.merge(other(), on="u"),
    "merged, shuffled, merged": lambda f: (
        f.merge(other(), on="u").shuffle("k").merge(other(), on="u", suffixes=("", "_2"))
    ),
    "sorted": lambda f: f.sort_values("a", ascending=False),
    "sorted, shuffled": lambda f: f.sort_values("k").assign(b=1.0).shuffle("u"),
    "indexed": lambda f: f.shuffle("k").set_index("small", drop=False),
    "applied to groups": lambda f: f.groupby("k")[["u", "a", "small"]].apply(
        _difference, meta=f._meta.drop(columns="k")
    ),  # named: pandas 2 hands the column of the groups on, pandas 3 does not
    "transformed": _transformed,
    "without duplicates": lambda f: f.drop_duplicates(subset=["u"], split_out=3),
    "less its mean": lambda f: f.shuffle("k").assign(b=lambda g: g.a - g.a.mean()),
}

PARTS_OF_A_CONCATENATION = {
    "with it": lambda f, g: dd.concat([f, g]),
    "again after a pause": lambda f, g: dd.concat([g, *([f] * (PATIENCE // 3 + 1)), g]),
}


def learned(X, y, max_iter):
    model = Incremental(Memory(), max_iter=max_iter).fit(X, y)
    rows = np.array(model.rows_).reshape(max_iter, -1)
    return rows, np.array(model.targets_).reshape(max_iter, -1)


def shuffles_of_kinds():
    """Every shuffle as a frame and as arrays; as loaders, whose keys are those of frames, a few."""
    few = "one partition", "merged", "less its mean"
    for kind in ("frame", "array", "delayed"):
        for name in SHUFFLED:
            slow = kind == "delayed" and name not in few
            yield pytest.param(name, kind, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.filterwarnings("ignore:The blocks are mixed")
@pytest.mark.parametrize(("name", "kind"), [*shuffles_of_kinds()])
def test_each_row_of_a_shuffle_is_learned_once_in_each_pass(name, kind):
    shuffled = SHUFFLED[name](frame())
    X, y = shuffled[["u"]], shuffled["a"]
    if kind == "array":  # apart: only the order of the rows makes them pairs
        X, y = X.to_dask_array(), y.to_dask_array()
    if kind == "delayed":
        X, y = X.to_delayed(), y.to_delayed()
    rows, targets = learned(X, y, 2)
    for row, target in zip(rows, targets, strict=True):
        assert sorted(row) == list(range(N_ROWS))
        if name != "applied to groups":
            assert (target == 2 * row).all()
    assert (rows[0] == rows[1]).all()


@pytest.mark.parametrize("name", ["one partition", "merged, shuffled, merged"])
def test_each_scheduler_learns_each_row_of_a_shuffle_once(name, scheduler):
    shuffled = SHUFFLED[name](frame())
    rows, targets = learned(shuffled[["u"]].to_dask_array(), shuffled["a"].to_dask_array(), 2)
    for row, target in zip(rows, targets, strict=True):
        assert sorted(row) == list(range(N_ROWS))
        assert (target == 2 * row).all()


@pytest.mark.parametrize("how", PARTS_OF_A_CONCATENATION)
@pytest.mark.parametrize("name", ["shuffled", "shuffled twice", "merged, shuffled, merged"])
def test_parts_that_are_shuffled_are_read_whole_beside_others(name, how):
    f = frame()
    whole = PARTS_OF_A_CONCATENATION[how](f, SHUFFLED[name](f)[f.columns])
    rows, targets = learned(whole[["u"]], whole["a"], 2)
    expected = np.repeat(np.arange(N_ROWS), len(whole) // N_ROWS)
    for row, target in zip(rows, targets, strict=True):
        assert (np.sort(row) == expected).all()
        assert (target == 2 * row).all()


def grouped(n_partitions):
    bag = db.from_sequence(range(N_ROWS), npartitions=n_partitions)
    groups = bag.groupby(lambda i: i % 50, npartitions=3, shuffle="disk")
    return groups.map(lambda group: [[i] for i in group[1]]).flatten()


@pytest.mark.parametrize("n_partitions", [1, 4])
def test_groups_of_a_bag_are_learned_once(n_partitions):
    with dask.config.set(scheduler="threads"):
        model = Incremental(Memory(), max_iter=2).fit(grouped(n_partitions))
    for row in np.array(model.rows_).reshape(2, -1):
        assert sorted(row) == list(range(N_ROWS))


def test_each_scheduler_learns_groups_of_a_bag_once(scheduler):
    model = Incremental(Memory()).fit(grouped(4))
    assert sorted(model.rows_) == list(range(N_ROWS))


def test_any_scheduler_and_a_custom_one_give_the_same_order():
    shuffled = frame(8).shuffle("k", npartitions=2)
    orders = []
    for scheduler in ("synchronous", "threads", lambda *args, **kwargs: dask.get(*args)):
        with dask.config.set(scheduler=scheduler):
            orders.append(learned(shuffled[["u"]], shuffled["a"], 1)[0].tolist())
    assert orders[0] == orders[1] == orders[2]


def test_a_method_that_must_look_at_a_block_leaves_the_shuffle_whole():
    shuffled = frame().shuffle("k")
    blocks = make_blocks(shuffled[["u"]])
    with open_engine(blocks.collections) as engine:
        planned = engine.plan(blocks)
        for _ in range(2):
            with engine.stream(planned) as computed:
                found = [u for _, block in computed for u in block["X"]["u"]]
            assert sorted(found) == list(range(N_ROWS))


@pytest.mark.parametrize("name", ["shuffled", "merged"])
def test_a_cluster_shuffles_between_its_workers(name, clean):
    shuffled = SHUFFLED[name](frame())
    rows, targets = learned(shuffled[["u"]], shuffled["a"], 2)
    for row, target in zip(rows, targets, strict=True):
        assert sorted(row) == list(range(N_ROWS))
        assert (target == 2 * row).all()


def test_a_fit_within_a_task_shuffles_between_workers(clean):
    shuffled = frame().shuffle("k")
    model = clean.submit(Incremental(Memory()).fit, shuffled[["u"]], shuffled["a"]).result()
    assert sorted(model.rows_) == list(range(N_ROWS))
    assert model.targets_ == [2 * u for u in model.rows_]


def test_a_cluster_refuses_shuffles_through_files(clean):
    through_files = frame().shuffle("k", shuffle_method="disk")[["u"]]
    groups = db.from_sequence(range(9)).groupby(lambda i: i % 2, shuffle="disk")
    for X in (through_files, through_files.to_dask_array(), through_files.to_delayed(), groups):
        with pytest.raises(ValueError, match=r"make X .* client is active.*'tasks'"):
            Incremental(Memory()).fit(X)
    X = da.ones((N_ROWS, 1), chunks=(100, 1))
    with pytest.raises(ValueError, match="shuffle through files"):
        Incremental(Memory()).fit(X, through_files["u"].to_dask_array(lengths=[100] * 3))


OPERATIONS = {
    "shuffle": lambda f, rng: f.shuffle("k", npartitions=int(rng.integers(1, 6))),
    "shuffle rows": lambda f, rng: f.shuffle("u"),
    "merge": lambda f, rng: f.merge(other(), on="u").drop(columns="z"),
    "sort": lambda f, rng: f.sort_values(str(rng.choice(["k", "u", "small"]))),
    "index": lambda f, rng: f.set_index("k", drop=False).reset_index(drop=True),
    "transform": lambda f, rng: _transformed(f).drop(columns="b"),
    "unique": lambda f, rng: f.drop_duplicates(subset=["u"], split_out=2),
    "centre": lambda f, rng: f.assign(c=f.a - f.a.mean()).drop(columns="c"),
    "repartition": lambda f, rng: f.repartition(npartitions=int(rng.integers(1, 8))),
    "some": lambda f, rng: f[f.small < 4],
    "concatenate": lambda f, rng: dd.concat([f, frame(int(rng.integers(1, 12)))[f.columns]]),
}


def of_parquet(path, rng):
    """Return a frame of many columns, of which few are read, so that dask joins partitions."""
    values = frame(1).compute()
    for i in range(20):
        values[f"unused{i}"] = rng.random(N_ROWS)
    dd.from_pandas(values, npartitions=int(rng.integers(1, 12))).to_parquet(path)
    return dd.read_parquet(path)[["u", "a", "k", "small"]]


def small(X, rng):
    dtype = rng.choice(["i2", "u2", "i4", "f4", "f8"])
    return X.astype(str(dtype))


def made(f, kind, rng):
    """Return X, y and weights of a frame."""
    if kind == "frame":
        return small(f[["u", "a"]], rng), small(f["a"], rng), small(f["small"], rng)
    if kind == "array":  # made apart, Parquet may have other partitions
        whole = f[["u", "a", "small"]].to_dask_array()
        return [small(whole[:, at], rng) for at in (slice(2), 1, 2)]
    parts = f.to_delayed()
    return [[p[names] for p in parts] for names in (["u", "a"], "a", "small")]


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_random_shuffles_lose_and_double_no_row(tmp_path):
    seed = int(os.environ.get("INCREMENTAL_SOAK_SEED", int.from_bytes(os.urandom(3), "big")))
    seconds = float(os.environ.get("INCREMENTAL_SOAK_SECONDS", 3600)) / 4
    first, stop = seed, time.monotonic() + seconds
    while time.monotonic() < stop:
        check_random_shuffle(seed, tmp_path / str(seed))
        seed += 1
    print(f"{seed - first} shuffles from seed {first} on")


def check_random_shuffle(seed, path):
    rng = np.random.default_rng(seed)
    f = of_parquet(path, rng) if rng.random() < 0.5 else frame(int(rng.integers(1, 12)))
    names = rng.choice(list(OPERATIONS), rng.integers(1, 5)).tolist()
    kind = rng.choice(["frame", "array", "delayed"])
    try:
        for name in names:
            f = OPERATIONS[name](f, rng)
        expected = np.sort(f.u.compute(scheduler="synchronous"))
        X, y, weight = made(f, kind, rng)
        dask.compute(X, y, weight, scheduler="synchronous")
    except Exception as error:
        print(f"seed {seed}: {names} of {kind}: dask itself cannot, {error}")
        return
    scheduler = str(rng.choice(["threads", "synchronous"]))
    print(f"seed {seed}: {names} of {kind}, {scheduler}", flush=True)
    with dask.config.set(scheduler=scheduler, num_workers=4):
        model = Incremental(
            Memory(),
            max_iter=int(rng.integers(1, 4)),
            prefetch=rng.choice(np.array([None, 0, 1, 5], dtype=object)),
            shuffle=bool(rng.random() < 0.3),
            random_state=seed,
        )
        model.fit(X, y, sample_weight=weight)
    rows = np.array(model.rows_).reshape(model.max_iter, -1)
    targets = np.array(model.targets_).reshape(model.max_iter, -1)
    weights = np.array(model.weights_).reshape(model.max_iter, -1)
    for row, target, one in zip(rows, targets, weights, strict=True):
        assert (np.sort(row) == expected).all()
        assert (target == 2 * row).all()
        assert (one == row % 7).all()
