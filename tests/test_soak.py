"""Random data, chunks, schedulers, estimators and faults against the loop, for an hour.

``pytest -m soak`` prints the seed of each case.  INCREMENTAL_SOAK_SECONDS sets how long it takes,
INCREMENTAL_SOAK_SEED the first seed: with the one that failed, that case comes first.
"""

import collections
import functools
import os
import threading
import time

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from incremental import BlockError, Incremental

ESTIMATORS = [
    SGDClassifier(random_state=0),
    Perceptron(random_state=0),
    GaussianNB(),
    BernoulliNB(),
    SGDRegressor(random_state=0),
    MiniBatchKMeans(2, random_state=0, n_init=1),
    StandardScaler(),
    MinMaxScaler(),
    MaxAbsScaler(),
]


def logging(estimator):
    """Return an estimator that writes down how many rows each ``partial_fit`` gets."""

    class Logging(type(estimator)):
        @functools.wraps(type(estimator).partial_fit)  # has the same parameters
        def partial_fit(self, X, *args, **kwargs):
            super().partial_fit(X, *args, **kwargs)
            self.sizes_ = [*getattr(self, "sizes_", []), len(X)]
            return self

    return Logging(**estimator.get_params())


class Case:
    """A random fit."""

    def __init__(self, seed):
        self.seed = seed
        rng = self.rng = np.random.default_rng(seed)
        self.estimator = ESTIMATORS[rng.integers(len(ESTIMATORS))]
        # Enough rows in each block for two clusters.
        least = 2 if isinstance(self.estimator, MiniBatchKMeans) else 1
        self.sizes = rng.integers(
            least, rng.choice([3, 30, 300]), rng.integers(1, 25), endpoint=True
        )
        self.container = rng.choice(["array", "delayed", "frame", "centred", "re-chunked"])
        if self.container == "delayed" and least == 1:  # dask.array leaves empty blocks out
            self.sizes[1:][rng.random(len(self.sizes) - 1) < 0.1] = 0
        if is_classifier(self.estimator):  # most refuse data of a single class
            self.sizes[0] = max(2, self.sizes[0])
        n, width = self.sizes.sum(), rng.integers(1, 7)
        dtype = rng.choice(["f8", "f4", "i8", "i2"])
        self.values = (rng.normal(size=(n, width)) * 10).astype(dtype)
        self.values[:, 0] += np.arange(n, dtype=dtype) % 7
        kind = rng.choice(["int", "text", "bool"])
        self.labels = np.arange(n) % 2 if kind == "bool" else rng.integers(0, 3, n)
        self.labels[:2] = [0, 1][:n]
        self.labels = self.labels.astype({"int": int, "text": "U1", "bool": bool}[kind])
        if is_regressor(self.estimator):
            self.labels = self.values[:, 0].astype(float)
        self.weight = rng.random(n) + 0.1 if rng.random() < 0.3 else None
        if isinstance(self.estimator, (MinMaxScaler, MaxAbsScaler, Perceptron)):
            self.weight = None
        self.fault = rng.choice(["none", "none", "load", "learn"])
        self.fault_at = int(rng.integers(len(self.sizes)))
        if not self.sizes[self.fault_at] or self.container in ("centred", "re-chunked", "frame"):
            self.fault = "none"
        self.params = {
            "prefetch": rng.choice(np.array([None, 0, 1, 2, 7], dtype=object)),
            "batch_size": rng.choice(np.array([None, None, 2, 10, 64, 500], dtype=object)),
            "shuffle": bool(rng.random() < 0.4),
            "max_iter": int(rng.integers(1, 4)),
            "random_state": int(rng.integers(1000)),
        }
        self.scheduler = rng.choice(
            ["threads", "synchronous", "processes", "function"], p=[0.6, 0.25, 0.02, 0.13]
        )

    def __repr__(self):
        return (
            f"seed {self.seed}: {self.estimator}, {self.container} of {self.values.dtype}, blocks "
            f"of {self.sizes.tolist()}, {self.params}, {self.scheduler}, fault: {self.fault} at "
            f"{self.fault_at}"
        )

    def block(self, i, values):
        stop = self.sizes[: i + 1].sum()
        return values[stop - self.sizes[i] : stop]

    def load(self, i, broken):
        block = self.block(i, self.values)
        if broken and self.fault == "load" and i == self.fault_at:
            raise OSError("disk is gone")
        if self.rng.random() < 0.1:
            time.sleep(0.001)
        if broken and self.fault == "learn" and i == self.fault_at:
            return np.full(block.shape, np.inf)
        return block

    def X(self, broken=False):
        values, sizes = self.values, tuple(self.sizes.tolist())
        if self.container == "frame":
            names = [f"c{i}" for i in range(values.shape[1])]
            frame = pd.DataFrame(values, columns=names)
            return dd.from_pandas(frame, npartitions=len(sizes), sort=False)
        if self.container == "re-chunked":
            return da.from_array(values, chunks=(sizes, -1)).rechunk((sizes[::-1], -1))
        if self.container == "centred":
            X = da.from_array(values, chunks=(sizes, -1))
            return X - X.mean(0)
        parts = [dask.delayed(self.load, pure=False)(i, broken) for i in range(len(sizes))]
        if self.container == "delayed":
            return parts
        shapes = [(n, values.shape[1]) for n in sizes]
        return da.concatenate(
            [da.from_delayed(p, s, values.dtype) for p, s in zip(parts, shapes, strict=True)]
        )

    def cut_like(self, X, values):
        """Return values with a row for each of X as a lazy collection or in memory."""
        if values is None:
            return None
        if self.container in ("delayed", "frame"):
            pieces = np.split(values, np.cumsum([len(b) for b in self.blocks(X)])[:-1])
            return [dask.delayed(piece, pure=False) for piece in pieces]
        if self.rng.random() < 0.5:
            return values
        return da.from_array(values, chunks=int(self.rng.integers(1, len(values) + 1)))

    def blocks(self, X):
        if isinstance(X, list):
            return list(dask.compute(*X, scheduler="synchronous"))
        if isinstance(X, da.Array):
            return list(dask.compute(*X.to_delayed().ravel(), scheduler="synchronous"))
        return [X.partitions[i].compute(scheduler="synchronous") for i in range(X.npartitions)]

    def order(self, n_blocks, sizes, seed):
        """Yield the pass, the block and its rows, in the order in which they are learned."""
        for i in range(self.params["max_iter"]):
            rng = np.random.default_rng([seed, i])
            blocks = range(n_blocks)
            if self.params["shuffle"]:
                blocks = [b for g in rng.permutation(n_blocks) for b in rng.permutation([g])]
            for b in blocks:
                rows = np.arange(sizes[b])
                if self.params["shuffle"]:
                    rows = np.random.default_rng([seed, i, b]).permutation(sizes[b])
                yield i, b, rows

    def run(self):
        schedulers = {"function": lambda graph, keys, **kwargs: dask.get(graph, keys)}
        scheduler = schedulers.get(self.scheduler, str(self.scheduler))
        with dask.config.set(scheduler=scheduler, num_workers=2):
            self._run()
        assert not [t for t in threading.enumerate() if t.name.startswith("incremental")]

    def _run(self):
        X = self.X()
        blocks = self.blocks(X)
        supervised = is_classifier(self.estimator) or is_regressor(self.estimator)
        target = self.labels if supervised else None
        rows = {} if self.weight is None else {"sample_weight": self.cut_like(X, self.weight)}
        y = self.cut_like(X, target)
        model = Incremental(logging(self.estimator), **self.params)
        broken = self.fault != "none" and not (
            self.fault == "learn" and (self.params["batch_size"] or self.values.dtype.kind == "i")
        )
        if broken:
            with pytest.raises(BlockError) as caught:
                model.fit(self.X(broken=True), y, **rows)
            assert caught.value.block == self.fault_at
        else:
            model.fit(X, y, **rows)
        learned = getattr(model, "sizes_", [])
        draw = np.random.RandomState(self.params["random_state"]).randint
        seed = int(draw(np.iinfo(np.int32).max, size=1)[0])
        self.check(model, blocks, target, learned, broken, seed)
        if broken and not self.params["shuffle"] and self.params["batch_size"] is None:
            n, at = self.sizes[: self.fault_at].sum(), self.fault_at
            rest = {k: _from(v, n, at) for k, v in rows.items()}
            model.partial_fit(_from(X, n, at), _from(y, n, at), **rest)
            model.n_iter_ = 1
            self.params["max_iter"] = 1
            self.check(model, blocks, target, model.sizes_, False, seed)

    def check(self, model, blocks, target, learned, broken, seed):
        sizes = [len(block) for block in blocks]
        starts = np.cumsum([0, *sizes])
        order = list(self.order(len(blocks), sizes, seed))
        if broken:
            order = order[: [b for _, b, _ in order].index(self.fault_at)]
        taken = collections.defaultdict(list)
        for i, b, rows in order:
            block = blocks[b].iloc[rows] if hasattr(blocks[b], "iloc") else blocks[b][rows]
            taken[i].append((block, starts[b] + rows))
        assert sum(learned) == sum(len(at) for part in taken.values() for _, at in part)
        if self.params["batch_size"] is not None:
            assert max(learned, default=0) <= self.params["batch_size"]
        else:
            assert learned == [len(at) for part in taken.values() for _, at in part if len(at)]
        if not learned:
            return
        reference, sizes = clone(self.estimator), iter(learned)
        classes = {"classes": np.unique(target)} if is_classifier(reference) else {}
        for part in taken.values():
            values = [block for block, _ in part if len(block)]
            frame = hasattr(values[0], "iloc") if values else False
            values = (pd.concat if frame else np.concatenate)(values) if values else []
            at = np.concatenate([at for _, at in part])
            start = 0
            while start < len(at):
                n = next(sizes)
                x, now = values[start : start + n], at[start : start + n]
                given = () if target is None else (target[now],)
                weight = {} if self.weight is None else {"sample_weight": self.weight[now]}
                reference.partial_fit(x, *given, **weight, **classes)
                start += n
        found = {k: v for k, v in vars(model.estimator_).items() if k.endswith("_") and k[0] != "_"}
        found.pop("sizes_")
        expected = {k: v for k, v in vars(reference).items() if k.endswith("_") and k[0] != "_"}
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            equal = np.asarray(value).dtype.kind in "fc"
            assert np.array_equal(found[name], value, **({"equal_nan": True} if equal else {})), (
                name
            )
        if (
            hasattr(reference, "predict")
            and not broken
            and model.n_iter_ == self.params["max_iter"]
        ):
            X = self.X()
            predicted = model.predict(X).compute()
            parts = [reference.predict(block) for block in blocks if len(block)]
            assert np.array_equal(predicted, np.concatenate(parts))


def _from(data, n, at):
    """Return data from row `n`, the first of block `at`, on."""
    if data is None:
        return None
    return data[at:] if isinstance(data, list) else data[n:]


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_random_fits_equal_the_loop():
    seconds = float(os.environ.get("INCREMENTAL_SOAK_SECONDS", 3600))
    random = int.from_bytes(os.urandom(3), "big")
    seed = int(os.environ.get("INCREMENTAL_SOAK_SEED", random))
    first, stop = seed, time.monotonic() + seconds
    while time.monotonic() < stop:
        case = Case(seed)
        print(case, flush=True)
        case.run()
        seed += 1
    print(f"{seed - first} cases from seed {first} on")
