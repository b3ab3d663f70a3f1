"""Random data, graphs, schedulers, estimators and faults against the loop, for an hour.

``pytest -m soak`` prints the seed of each case.  INCREMENTAL_SOAK_SECONDS sets how long it takes,
INCREMENTAL_SOAK_SEED the first seed: with the one that failed, that case comes first.
"""

import collections
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import dask
import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from incremental import BlockError, Incremental
from incremental._data.blocks import make_blocks
from incremental._engines.open import open_engine

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

TAKE_SPARSE = SGDClassifier, Perceptron, BernoulliNB, SGDRegressor, MaxAbsScaler


def halo(block):
    """Add to each row the one before it."""
    block = block.copy()
    block[1:] += block[:-1]
    return block


#: What the blocks of a graph may have in common.
OPERATIONS = {
    "centred": lambda X, rng: X - X.mean(0),
    "scaled": lambda X, rng: (X - X.mean(0)) / (1 + X.std(0)),
    "re-chunked": lambda X, rng: X.rechunk({0: int(rng.integers(1, len(X) + 1))}),
    "overlapping": lambda X, rng: da.map_overlap(
        halo, X, depth={0: 1, 1: 0}, boundary="nearest", dtype=X.dtype
    ),
    "cumulative": lambda X, rng: da.cumsum(X, axis=0),
    "mixed": lambda X, rng: X[rng.permutation(len(X))],
    "reversed": lambda X, rng: X[::-1],
    "doubled": lambda X, rng: da.concatenate([X, X[: len(X) // 2 + 1]]),
    "in columns": lambda X, rng: X.rechunk({1: 1}),
}

KEEP_CHUNKS = ["centred", "scaled", "overlapping", "cumulative", "reversed", "in columns"]


def logging(estimator):
    """Return an estimator that writes down how many rows each ``partial_fit`` gets."""

    class Logging(type(estimator)):
        @functools.wraps(type(estimator).partial_fit)  # has the same parameters
        def partial_fit(self, X, *args, **kwargs):
            super().partial_fit(X, *args, **kwargs)
            self.sizes_ = [*getattr(self, "sizes_", []), X.shape[0]]
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
        self.container = str(rng.choice(["array", "graph", "delayed", "frame", "sparse"]))
        if self.container == "sparse" and not isinstance(self.estimator, TAKE_SPARSE):
            self.container = "array"
        if self.container == "delayed" and least == 1:  # dask.array leaves empty blocks out
            self.sizes[1:][rng.random(len(self.sizes) - 1) < 0.1] = 0
        if is_classifier(self.estimator):  # most refuse data of a single class
            self.sizes[0] = max(2, self.sizes[0])
        n, width = self.sizes.sum(), rng.integers(1, 7)
        dtype = rng.choice(["f8", "f4", "i8", "i2"])
        self.values = (rng.normal(size=(n, width)) * 10).astype(dtype)
        self.values[:, 0] += np.arange(n, dtype=dtype) % 7
        names = list(OPERATIONS) if least == 1 else KEEP_CHUNKS
        names = rng.choice(names, rng.integers(1, 4)).tolist()
        self.operations = names if self.container == "graph" else []
        self.X_seed = int(rng.integers(2**32))
        n_samples = len(self.X()) if self.container == "graph" else n
        kind = rng.choice(["int", "text", "bool"])
        self.labels = np.arange(n_samples) % 2 if kind == "bool" else rng.integers(0, 3, n_samples)
        self.labels[:2] = [0, 1][:n_samples]
        self.labels = self.labels.astype({"int": int, "text": "U1", "bool": bool}[kind])
        if is_regressor(self.estimator):
            self.labels = rng.normal(size=n_samples)
        self.weight = rng.random(n_samples) + 0.1 if rng.random() < 0.3 else None
        if isinstance(self.estimator, (MinMaxScaler, MaxAbsScaler, Perceptron)):
            self.weight = None
        self.params = {
            "prefetch": rng.choice(np.array([None, 0, 1, 2, 7], dtype=object)),
            "batch_size": rng.choice(np.array([None, None, 2, 10, 64, 500], dtype=object)),
            "shuffle": bool(rng.random() < 0.4),
            "max_iter": int(rng.integers(1, 4)),
            "random_state": int(rng.integers(1000)),
        }
        self.scheduler = str(
            rng.choice(
                ["threads", "synchronous", "processes", "function", "cluster"],
                p=[0.5, 0.2, 0.02, 0.13, 0.15],
            )
        )
        self.fault_at = int(rng.integers(len(self.sizes)))
        self.fault = str(rng.choice(self.possible_faults()))

    def possible_faults(self):
        """Return what may happen; twice that nothing does."""
        found = ["none", "none"]
        if self.container in ("array", "delayed", "sparse") and self.sizes[self.fault_at]:
            found.append("load")
            if self.params["batch_size"] is None and self.values.dtype.kind == "f":
                found.append("learn")
            if self.scheduler in ("threads", "synchronous"):
                found.append("interrupt")
            if self.scheduler == "cluster":
                found.append("kill")
        return found

    def __repr__(self):
        return (
            f"seed {self.seed}: {self.estimator}, {self.container} of {self.values.dtype} "
            f"{self.operations}, blocks of {self.sizes.tolist()}, {self.params}, {self.scheduler}, "
            f"fault: {self.fault} at {self.fault_at}"
        )

    def block(self, i, values):
        stop = self.sizes[: i + 1].sum()
        return values[stop - self.sizes[i] : stop]

    def load(self, i, fault):
        block = self.block(i, self.values)
        if self.container == "sparse":
            block = sp.csr_matrix(block)
        if np.random.default_rng([self.seed, i]).random() < 0.1:
            time.sleep(0.001)
        if i != self.fault_at:
            return block
        if fault == "load":
            raise OSError("disk is gone")
        if fault == "learn":
            return block * np.inf
        if fault == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if os.path.isfile(fault):  # once
            os.remove(fault)
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    def X(self, fault="none"):
        values, sizes = self.values, tuple(self.sizes.tolist())
        if self.container == "frame":
            names = [f"c{i}" for i in range(values.shape[1])]
            frame = pd.DataFrame(values, columns=names)
            return dd.from_pandas(frame, npartitions=len(sizes), sort=False)
        if self.container == "graph":
            rng = np.random.default_rng(self.X_seed)
            X = da.from_array(values, chunks=(sizes, -1))
            for name in self.operations:
                X = OPERATIONS[name](X, rng)
            return X
        parts = [dask.delayed(self.load, pure=False)(i, fault) for i in range(len(sizes))]
        if self.container == "delayed":
            return parts
        meta = sp.csr_matrix((0, 0), dtype=values.dtype) if self.container == "sparse" else None
        dtype = values.dtype
        return da.concatenate(
            [
                da.from_delayed(part, (n, values.shape[1]), dtype, meta=meta)
                for part, n in zip(parts, sizes, strict=True)
            ]
        )

    def cut_like(self, X, values):
        """Return values with a row for each of X as a lazy collection or in memory."""
        if values is None:
            return None
        if self.container in ("delayed", "frame"):
            pieces = np.split(values, np.cumsum([n_rows(b) for b in self.blocks(X)])[:-1])
            return [dask.delayed(piece, pure=False) for piece in pieces]
        if self.rng.random() < 0.5:
            return values
        return da.from_array(values, chunks=int(self.rng.integers(1, len(values) + 1)))

    def blocks(self, X):
        if not isinstance(X, list):
            X = np.ravel((X.rechunk({1: -1}) if isinstance(X, da.Array) else X).to_delayed())
        return list(dask.compute(*X, scheduler="synchronous"))

    def order(self, X, y, rows, sizes):
        """Yield the pass, the block and its rows, in the order in which they are learned."""
        draw = np.random.RandomState(self.params["random_state"]).randint
        seed = int(draw(np.iinfo(np.int32).max, size=1)[0])
        with open_engine([]) as engine:
            planned = engine.plan(make_blocks(X, y, rows))
        for i in range(self.params["max_iter"]):
            blocks = list(range(len(sizes)))
            if self.params["shuffle"]:
                blocks = planned.shuffled(np.random.default_rng([seed, i]))
                assert sorted(blocks) == list(range(len(sizes)))
            for b in blocks:
                rows = np.arange(sizes[b])
                if self.params["shuffle"]:
                    rows = np.random.default_rng([seed, i, b]).permutation(sizes[b])
                yield i, b, rows

    def run(self, client, path):
        schedulers = {
            "function": lambda graph, keys, **kwargs: dask.get(graph, keys),
            "cluster": client,
        }
        scheduler = schedulers.get(self.scheduler, self.scheduler)
        before = set(threading.enumerate())
        with dask.config.set(scheduler=scheduler, num_workers=2):
            self._run(path)
        left = [t for t in threading.enumerate() if t.name.startswith("incremental")]
        # One whose start was interrupted may be listed without running, or end by itself.
        for thread in {t for t in left if t.is_alive()} - before:
            thread.join(10)
            assert not thread.is_alive()

    def _run(self, path):
        X = self.X()
        blocks = self.blocks(X)
        supervised = is_classifier(self.estimator) or is_regressor(self.estimator)
        target = self.labels if supervised else None
        rows = {} if self.weight is None else {"sample_weight": self.cut_like(X, self.weight)}
        y = self.cut_like(X, target)
        model = Incremental(logging(self.estimator), **self.params)
        with self.expected(path) as fault:
            model.fit(self.X(fault), y, **rows)
        learned = getattr(model, "sizes_", [])
        order = whole = list(self.order(X, y, rows, [n_rows(block) for block in blocks]))
        stopped = self.fault in ("load", "learn", "interrupt")
        if self.fault in ("load", "learn"):
            order = order[: [b for _, b, _ in order].index(self.fault_at)]
        elif stopped:
            sums = np.cumsum([0, *(len(at) for *_, at in order)]).tolist()
            assert sum(learned) in sums  # whole blocks
            order = order[: sums.index(sum(learned))]
        self.check(model, blocks, target, learned, order)
        if not stopped:
            self.check_predictions(model, blocks)
            self.check_score(model, blocks, target)
        elif len({i for i, *_ in order}) < 2 and not self.params["shuffle"]:
            at = len(order)
            if self.params["batch_size"] is None and at < len(blocks):
                n = sum(map(n_rows, blocks[:at]))
                rest = {k: _from(v, n, at) for k, v in rows.items()}
                model.partial_fit(_from(X, n, at), _from(y, n, at), **rest)
                self.check(model, blocks, target, model.sizes_, whole[: len(blocks)])

    @contextmanager
    def expected(self, path):
        """Yield the fault of the loaders, and expect what has to become of it."""
        if self.fault in ("load", "learn"):
            with pytest.raises(BlockError) as caught:
                yield self.fault
            assert caught.value.block == self.fault_at
        elif self.fault == "interrupt":
            with pytest.raises(KeyboardInterrupt):
                yield self.fault
        elif self.fault == "kill":
            path.touch()
            yield str(path)
            assert not path.exists()
        else:
            yield self.fault

    def check(self, model, blocks, target, learned, order):
        """Compare the model to the loop over the blocks, and their rows, in this order."""
        starts = np.cumsum([0, *map(n_rows, blocks)])
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
            values = together([block for block, at in part if len(at)])
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

    def check_predictions(self, model, blocks):
        if not hasattr(model, "predict"):
            return
        found = model.predict(self.X()).compute()
        expected = [model.estimator_.predict(block) for block in blocks if n_rows(block)]
        if is_regressor(model):
            # A fused slice, or a pickle of a frame, has another order in memory than the block by
            # itself, and BLAS another last digit.
            scale = max(1.0, np.abs(found).max())
            digits = 1e-5 if self.values.dtype == np.float32 else 1e-12
            assert np.abs(found - np.concatenate(expected)).max() <= digits * scale
        else:
            assert np.array_equal(found, np.concatenate(expected))

    def check_score(self, model, blocks, target):
        """Compare the score with weights of any dtype to that of all rows in memory."""
        if target is None:
            return
        kind = str(self.rng.choice(["?", "i1", "u1", "i2", "u2", "i4", "f2", "f4", "f8"]))
        weight = self.rng.integers(0, 2 if kind == "?" else 100, len(target)).astype(kind)
        weight[0] = 1
        X = self.X()
        y, weights = self.cut_like(X, target), self.cut_like(X, weight)
        found = model.score(X, y, sample_weight=weights)
        in_memory = together([block for block in blocks if n_rows(block)])
        expected = model.estimator_.score(in_memory, target, sample_weight=weight.astype(float))
        digits = 1e-3 if self.values.dtype == np.float32 else 1e-8
        assert found == pytest.approx(expected, rel=digits, abs=digits, nan_ok=True), kind


def bring_back_workers(client):
    """Wait until there are two; one that is killed while it starts is given up by dask."""
    deadline = time.monotonic() + 60
    while len(client.nthreads()) < 2:
        assert time.monotonic() < deadline, client.nthreads()
        client.cluster.scale(2)
        time.sleep(0.5)
    time.sleep(0.5)


def n_rows(block):
    return block.shape[0]


def together(parts):
    if not parts:
        return []
    if hasattr(parts[0], "iloc"):
        return pd.concat(parts)
    return sp.vstack(parts, format="csr") if sp.issparse(parts[0]) else np.concatenate(parts)


def _from(data, n, at):
    """Return data from row `n`, the first of block `at`, on."""
    if data is None:
        return None
    return data[at:] if isinstance(data, list) else data[n:]


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_random_fits_equal_the_loop(tmp_path):
    seconds = float(os.environ.get("INCREMENTAL_SOAK_SECONDS", 3600))
    random = int.from_bytes(os.urandom(3), "big")
    seed = int(os.environ.get("INCREMENTAL_SOAK_SEED", random))
    first, stop = seed, time.monotonic() + seconds
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as some,
        distributed.Client(some, set_as_default=False) as client,
    ):
        while time.monotonic() < stop:
            case = Case(seed)
            print(case, flush=True)
            case.run(client, tmp_path / "kill")
            if case.fault == "kill":
                bring_back_workers(client)
            seed += 1
    print(f"{seed - first} cases from seed {first} on")


@pytest.mark.soak
@pytest.mark.parametrize("which", ["-m hypothesis", "-k ctrl_c or killed_process"])
def test_what_the_test_command_draws_from_fixed_seeds_holds_for_others(which):
    seconds = float(os.environ.get("INCREMENTAL_SOAK_SECONDS", 3600)) / 8
    option, what = which.split(" ", 1)
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", option, what]
    environment = dict(os.environ, HYPOTHESIS_PROFILE="free")
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
