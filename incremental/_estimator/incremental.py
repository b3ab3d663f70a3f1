"""The meta-estimator."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Real

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from incremental._compat import metric_of
from incremental._data import blocks as _blocks
from incremental._engines.open import open_engine
from incremental._estimator import checks as _checks
from incremental._estimator import lazy as _lazy
from incremental._estimator.callbacks import Task
from incremental._estimator.weights import shows_weights
from incremental._learning import labels as _labels
from incremental._learning import learner as _training
from incremental._learning.interrupt import whole_blocks
from incremental._learning.order import in_new_order, row_order
from incremental._pipelines import pipeline as _pipeline
from incremental._pipelines import transformers as _transformers
from incremental._pipelines.kept import as_plain, from_plain
from incremental._planning.plan import Plan
from incremental._scoring import early_stopping as _validation
from incremental._scoring import score as _scoring
from incremental._scoring.scorers import find_scorer
from incremental._scoring.wrapper import ModelWrapper, learned_classes, with_classes
from incremental._version import __version__
from incremental.exceptions import BlockError


def _can_score(self) -> bool:
    return self.scoring is not None or _has("score")(self)


def _learns_weights(self) -> bool:
    last = _training.last_step(self.estimator)
    return _labels.accepts(getattr(last, "partial_fit", None), "sample_weight")


def _scores_weights(self) -> bool:
    return self.scoring is not None or _labels.accepts(self._model.score, "sample_weight")


def _goes_on(self) -> bool:
    return "" in _pipeline.learning_steps(self._model)  # partial_fit is for the last step only


def _has(method: str):
    def check(self) -> bool:
        getattr(self._model, method)  # raises the AttributeError of the wrapped estimator
        return True

    return check


class Incremental(ModelWrapper, CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """Train an estimator with ``partial_fit`` on data larger than memory.

    Dask computes the blocks of the data, several at once and ahead of the model; the wrapped
    estimator learns from them one after the other, in their order, as in
    ``for x, y in blocks: estimator.partial_fit(x, y)``.

    Parameters
    ----------
    estimator : estimator
        Anything with ``partial_fit``, or a Pipeline, ColumnTransformer or FeatureUnion of steps
        that can be trained block by block.  It is cloned, never changed.
    classes : array-like of shape (n_classes,) or list of them, default=None
        All labels that y may have.  None finds them: from a categorical dtype of y, or in one
        pass over y alone.  Only used by classifiers.
    max_iter : int, default=1
        Number of passes over the data that `fit` makes; with a pipeline those of its last step.
    batch_size : int, default=None
        Rows that one ``partial_fit`` gets, at most: larger blocks are split into nearly equal
        batches, smaller ones put together.  None gives it each block as it is.
    shuffle : bool, default=False
        Learn the blocks, and the rows within each, in another order in every pass.  False keeps
        the order of the data.
    early_stopping : bool, default=False
        Score the model after each pass of `fit`, on data that it does not learn from; stop when
        the score no longer rises, and keep the model of the best pass.  Otherwise all `max_iter`
        passes are made.  `partial_fit` holds nothing out.
    validation_fraction : float, default=0.1
        Share of the blocks that `early_stopping` holds out, chosen by `random_state`, the same for
        all passes; at least one.  Not used if `fit` is given ``X_val``.
    n_iter_no_change : int, default=5
        Stop after so many passes in a row without a rise.
    tol : float, default=1e-4
        A score is a rise if it is above the best one before by more than this; the first is one.
        As in scikit-learn's gradient boosting, an equal score is none, with ``tol=0`` neither.
        Minus infinity and NaN never are.
    scoring : str, callable, list, tuple or dict, default=None
        What `score` returns, as in :func:`sklearn.model_selection.cross_validate`; several scores
        are a dict.  None is the score of the wrapped estimator.  A callable is given the model, an
        X that is only a length, and y: predictions are gathered, X never is.  `early_stopping`
        decides by it, then it has to be a single one.
    prefetch : int, default=None
        At most so many blocks are computed, or being computed, ahead of the one that is being
        learned.  None means two more than dask has workers; 0 computes each block in the
        foreground when its turn has come.
    random_state : int, RandomState instance or None, default=None
        Draws the orders of `shuffle`; the same integer gives the same model on every scheduler.
        Also given to the wrapped estimator where its own ``random_state`` is None; None leaves it.

    Attributes
    ----------
    estimator_ : estimator
        The model.
    n_iter_ : int
        Number of passes that were made over the data.
    validation_scores_ : list of float
        The score after each pass; only defined with `early_stopping`.
    validation_n_samples_ : list of int
        How many rows were learned until each of them; only defined with `early_stopping`.
    best_validation_score_ : float
        The highest of them, that of the model that `fit` has kept; only defined with
        `early_stopping`.
    classes_, coef_, n_features_in_, ...
        Every other attribute with a trailing underscore is read from `estimator_`.

    Raises
    ------
    BlockError
        If a block cannot be computed or learned.  `estimator_` is then the model after the last
        complete block; in a single pass over blocks as they are, `partial_fit` on the remaining
        ones finishes the job.  The message says if it was a pass of several, or one that trains
        the first steps of a pipeline, after which there is no model.

    See Also
    --------
    incremental.datasets : Lazy data sets of any size to try it on.

    Notes
    -----
    *Input.*  X, y and fit parameters with a value for each row are dask arrays, dataframes, series
    or bags, lists of ``Delayed`` blocks, or data in memory.  The blocks are those of X: chunks
    along columns are put together, y and the others are cut like X.  Blocks without rows are
    skipped.

    *Order.*  Blocks are learned in the order of the data unless `shuffle` is set.  Shuffling moves
    whole blocks and the rows within each, but no row to another block; where one source holds
    several blocks, these stay together, so that it is still read once.

    *Memory.*  At most `prefetch` blocks wait or are being computed while one is learned.  Each
    block is computed once per pass; what all blocks need of all blocks, the mean in
    ``X - X.mean(0)``, is computed once before, which reads the data one more time.

    *Settings of the estimator.*  ``class_weight="balanced"``, which ``partial_fit`` refuses,
    becomes the weights by the counts of the labels, found in the pass over y that finds the
    classes; it is refused where estimators learn other labels (``OneVsRestClassifier``).
    ``early_stopping=True`` and ``warm_start=True`` of the estimator are refused; ``copy=False``
    becomes True, for a block that was changed would be another one in the next pass.

    *Pipelines.*  Steps are trained one after the other, each in one pass over blocks that went
    through those before it, where they are computed; branches of a ColumnTransformer or a
    FeatureUnion learn in the same pass.  The last step then takes `max_iter` passes, and is all
    that `partial_fit`, `shuffle` and early stopping are about; `batch_size` is for every step.
    Columns, and steps such as ``OneHotEncoder(categories=...)`` that only look at the
    layout of X, are fitted to the first 1,000 rows, which are read once more; whether the output
    of a ColumnTransformer is sparse is decided there.  An encoder takes the sorted categories of
    columns with a categorical dtype; a missing value is none of them, and unknown unless
    ``categories`` names it (``[["a", "b", np.nan]]``).  A parameter ``step__name`` of `fit`
    is for that step, one without a step for the last.  If first rows were read, one of them stays
    in the model, and in its pickles: it shows what methods return for lazy data where made-up rows
    are refused.  Without it, the first block of these data is read then.  Other processes transform
    with pickles of the steps; where a pickle reorders arrays
    (``IncrementalPCA.components_``), the last digit may be another.

    *Clusters.*  With a ``distributed.Client``, blocks are computed and learned on its workers, and
    only models reach the client: after each window of `prefetch` blocks (None: two more than the
    cluster has threads), or after each block if a callback listens.  Blocks of two windows are in
    the cluster's memory, at most.  What a worker takes with it when it dies is repeated, two
    windows at most; attributes of the estimator that are not part of the model, such as open files,
    have to survive pickling.  Callbacks are shown each block as a list of one ``Delayed``.

    *Callbacks.*  ``set_callbacks`` takes scikit-learn's callbacks.  A fit has a task for each pass,
    and a pass one for each block; a hook that asks to stop after a block ends the pass, after a
    pass the fit.  Before, a pipeline has a task "step" for each pass that trains other steps, with
    one for each block; these go to their end, and there is no ``fitted_estimator`` yet.

    *Interrupting.*  Ctrl-C takes effect after the block that is being learned.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> from incremental import Incremental
    >>> from incremental.datasets import make_classification
    >>> X, y = make_classification(n_samples=10_000, chunks=1_000, random_state=0)
    >>> model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    >>> model.predict(X)
    dask.array<..., shape=(10000,), dtype=int64, chunksize=(1000,), chunktype=numpy.ndarray>
    >>> bool(model.score(X, y) > 0.8)
    True
    """

    def __init__(
        self,
        estimator,
        *,
        classes=None,
        max_iter=1,
        batch_size=None,
        shuffle=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        scoring=None,
        prefetch=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.classes = classes
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.prefetch = prefetch
        self.random_state = random_state

    # Training

    @shows_weights(_learns_weights)
    @with_callbacks
    def fit(self, X, y=None, *, X_val=None, y_val=None, sample_weight_val=None, **fit_params):
        """Forget what was learned and make `max_iter` passes over the data.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.
        y : the same with shape (n_samples,) or (n_samples, n_outputs), default=None
            The target.
        X_val, y_val, sample_weight_val : the same, default=None
            With `early_stopping`, the data to validate on; None holds out blocks of X.
        **fit_params : dict
            Given to each ``partial_fit``; those with a value for each row, such as
            ``sample_weight``, in blocks (where the rows of X are not known, only dask collections
            are).  ``classes`` takes the place of the parameter.  Those of a pipeline are named
            ``step__parameter``, or belong to the last step.

        Returns
        -------
        self : Incremental
            The fitted estimator.

        Raises
        ------
        BlockError
            If a block cannot be computed or learned.

        Examples
        --------
        >>> import dask.array as da
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> X = da.arange(10, chunks=5).reshape(-1, 1)
        >>> Incremental(StandardScaler()).fit(X).mean_
        array([4.5])
        """
        self._check_params(X)
        self._check_validation_data(X, X_val, y_val, sample_weight_val)
        model, seed = self._new_model()
        return self._learn(
            model,
            seed,
            X,
            y,
            fit_params,
            n_passes=self.max_iter,
            validation_data=(X_val, y_val, sample_weight_val) if self.early_stopping else None,
        )

    @shows_weights(_learns_weights)
    @available_if(_goes_on)
    @with_callbacks
    def partial_fit(self, X, y=None, **fit_params):
        """Go on learning: make one pass over the data.

        What goes on is `estimator_`: parameters of `estimator` that were set since `fit` are for
        the next `fit`.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.
        y : the same with shape (n_samples,) or (n_samples, n_outputs), default=None
            The target.
        **fit_params : dict
            As for `fit`.

        Returns
        -------
        self : Incremental
            The fitted estimator.

        Raises
        ------
        BlockError
            If a block cannot be computed or learned.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> scaler = Incremental(StandardScaler()).partial_fit(np.zeros((5, 1)))
        >>> scaler.partial_fit(np.ones((5, 1))).mean_
        array([0.5])
        """
        self._check_params(X)
        if hasattr(self, "estimator_"):
            return self._learn(self.estimator_, self._seed, X, y, fit_params, n_passes=1)
        model, seed = self._new_model()
        return self._learn(model, seed, X, y, fit_params, n_passes=1)

    def _check_params(self, X) -> None:
        estimator = self.estimator
        if isinstance(estimator, type):
            raise TypeError(
                "estimator must be an instance, not a class. Got the class "
                f"{estimator.__name__} instead; pass {estimator.__name__}()."
            )
        _checks.check_parameters(estimator)
        if _pipeline.is_tree(estimator):
            _pipeline.check(estimator, X)
            self._check_last_step()
        elif not _transformers.learns_blocks(estimator):
            if not hasattr(estimator, "fit") and not hasattr(estimator, "get_params"):
                raise TypeError(
                    "estimator must be a scikit-learn estimator with partial_fit. Got "
                    f"{estimator!r} ({type(estimator).__name__}) instead."
                )
            if hasattr(estimator, "fit_resample") or hasattr(estimator, "partial_fit"):
                raise TypeError(
                    f"estimator must be one that can be trained block by block, but {estimator!r} "
                    f"{_transformers.refusal(estimator)}"
                )
            raise TypeError(
                "estimator must have a method partial_fit, which learns from one block at a time. "
                f"Got {type(estimator).__name__} instead, which has none; SGDClassifier, "
                "SGDRegressor, MiniBatchKMeans, IncrementalPCA and others do."
            )
        _checks.check_settings(estimator)
        check_scalar(self.max_iter, "max_iter", (int, np.integer), min_val=1)
        if self.batch_size is not None:
            check_scalar(self.batch_size, "batch_size", (int, np.integer), min_val=1)
        if self.prefetch is not None:
            check_scalar(self.prefetch, "prefetch", (int, np.integer), min_val=0)
        check_scalar(
            self.validation_fraction,
            "validation_fraction",
            Real,
            min_val=0,
            max_val=1,
            include_boundaries="neither",
        )
        check_scalar(self.n_iter_no_change, "n_iter_no_change", (int, np.integer), min_val=1)
        check_scalar(self.tol, "tol", Real, min_val=0)
        for name in ("validation_fraction", "tol"):
            if np.isnan(getattr(self, name)):
                raise ValueError(f"{name} must be a number. Got nan instead.")
        for name in ("shuffle", "early_stopping"):
            check_scalar(getattr(self, name), name, (bool, np.bool_))

    def _check_last_step(self) -> None:
        if "" in _pipeline.learning_steps(self.estimator):
            return
        for name, value in {"max_iter": 1, "early_stopping": False}.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} is about the last step of a pipeline, and that of this one does not "
                    f"learn. Got {name}={getattr(self, name)!r} instead of {value!r}."
                )

    def _check_validation_data(self, X, X_val, y_val, sample_weight_val) -> None:
        if X_val is None:
            for name, value in {"y_val": y_val, "sample_weight_val": sample_weight_val}.items():
                if value is not None:
                    raise ValueError(f"{name} was passed without X_val. Pass X_val.")
            return
        if not self.early_stopping:
            raise ValueError(
                "X_val was passed, but early_stopping is False, so that nothing is validated. Set "
                "early_stopping=True, or leave X_val out."
            )
        if y_val is None and _scoring.needs_y(self.estimator):
            raise ValueError("X_val was passed without y_val. Pass y_val.")
        _checks.check_same_columns(self.estimator, X, X_val)

    def _new_model(self):
        """Return a seeded model, and the seed of the orders that it will see."""
        model = _transformers.keep_blocks(clone(self.estimator))
        random_state = check_random_state(self.random_state)
        seed = 0
        # The loop draws nothing from the global generator, either.
        if self.random_state is not None or self.shuffle or self.early_stopping:
            seed, *_ = random_state.randint(np.iinfo(np.int32).max, size=1).tolist()
        if self.random_state is not None:
            names = (name for name, value in model.get_params().items() if value is None)
            for name in sorted(names):
                if name == "random_state" or name.endswith("__random_state"):
                    model.set_params(**{name: random_state.randint(np.iinfo(np.int32).max)})
        return model, seed

    def _learn(self, model, seed, X, y, fit_params, *, n_passes: int, validation_data=None):
        classes = fit_params.pop("classes", None)
        fit_params = self._routed("fit", fit_params)
        classes = fit_params.pop("classes", classes)  # of the last step, by its name
        classes = self.classes if classes is None else classes
        is_new = model is not self.__dict__.get("estimator_")
        supervised = _pipeline.who_needs_y(model, is_new)
        if y is None and supervised is not None:
            raise ValueError(
                f"{supervised} requires y to be passed, but the target y is None. Pass y."
            )
        stops_early = validation_data is not None
        if stops_early:
            X_val, y_val, _ = validation_data
            scorer = _validation.check_scorer(self, (y if X_val is None else y_val) is not None)
        elif self.scoring is not None:
            find_scorer(self, self.scoring)  # which refuses an unknown name
        _checks.check_data(model, X, fit_params, is_fitted=not is_new)
        rows = {k: v for k, v in fit_params.items() if _blocks.is_per_row(v, X)}
        _checks.check_weights(X, fit_params, rows)
        whole = {k: v for k, v in fit_params.items() if k not in rows}
        blocks = _blocks.make_blocks(X, y, rows)
        validation_blocks = None
        if stops_early:
            validation_blocks = _validation.make_blocks_of(blocks, *validation_data)
        learning = _pipeline.learning_steps(model)
        needs_classes = y is not None and any(map(_labels.needs_classes, learning.values()))
        if needs_classes:
            # Not every model tells those that it has learned (SelectFromModel).
            former = None if is_new else self.__dict__.get("_classes")
            classes = _labels.known_classes(model, classes, y, former)
        with (
            whole_blocks() as interrupt,
            open_engine(blocks.collections) as engine,
            interrupt.allowed(),
        ):
            planned = engine.plan(blocks)
            if needs_classes:
                classes = _labels.find_classes(model, classes, y, planned, engine, self.prefetch)
            validation = None
            if stops_early:
                if validation_blocks is not None:
                    held_out = engine.plan(validation_blocks)
                else:
                    planned, held_out = _validation.hold_out(
                        planned, self.validation_fraction, seed
                    )
                validation = _validation.Validation(
                    held_out,
                    scorer,
                    engine,
                    self.prefetch,
                    self.tol,
                    self.n_iter_no_change,
                    _validation.HELD_OUT if validation_blocks is None else _validation.GIVEN,
                )
            has_steps = is_new and _pipeline.is_tree(model)
            former = self.__dict__.get("estimator_") if is_new else None
            fit_task = Task.root(self, former, None if has_steps else n_passes, X, y, rows)
            example = None
            if has_steps:
                example = self._train_steps(
                    model, seed, classes, whole, planned, engine, fit_task, X
                )
            planned = _pipeline.through(planned, model, _pipeline.of_last(model, rows))
            learner = _training.Learner(
                model,
                seed,
                classes if "" in learning and _labels.needs_classes(learning[""]) else None,
                {name: whole[name] for name in _pipeline.of_last(model, whole)},
                planned.blocks.promise,
                self.batch_size,
            )
            learner.is_new, learner.example = is_new, example
            if "" in learning:
                self._passes(learner, planned, engine, interrupt, fit_task, n_passes, validation)
            else:  # the steps have learned all that there is
                self._make_model(learner)
                self.n_iter_ = 1
            fit_task.end()
        return self

    def _train_steps(self, model, seed, classes, params, planned, engine, fit_task, X):
        """Make the passes that train the steps of a new pipeline before the last one.

        Returns a row of X, if the first ones had to be read.
        """
        passes = _pipeline.Passes(model, planned, engine, params, seed, classes, self.batch_size, X)
        untrained = "The steps before the last are not trained: call fit."
        with _errors_of(planned, lambda: untrained):
            for learner, transformed in passes:
                step_task = fit_task.begin("step", len(transformed.blocks))
                with engine.train(learner, transformed, prefetch=self.prefetch) as turns:
                    for turn in turns:
                        block_task = step_task.begin("block", 0, {})
                        turn.learn()
                        block_task.end()  # whoever asks to stop: what comes after needs all of it
                if not learner.n_batches:
                    raise ValueError(_pipeline.NO_ROWS)
                step_task.end()
        # A view would keep all of them.
        return None if passes.first_rows is None else copy.deepcopy(passes.first_rows[:1])

    def _passes(self, learner, planned, engine, interrupt, fit_task, n_passes, validation) -> None:
        """Make the passes that train the model, until it is good enough."""
        for i in range(n_passes):
            pass_task = fit_task.begin("pass", len(planned.blocks))
            with _errors_of(planned, partial(self._what_is_left, learner, i, n_passes)):
                if not self._one_pass(learner, planned, engine, interrupt, pass_task):
                    raise ValueError(_pipeline.NO_ROWS)
            self.n_iter_ += 1
            stop = validation is not None and self._validate(validation, learner)
            if pass_task.end() or stop:
                break
        if validation is not None and validation.best_model is not None:
            self.estimator_ = validation.best_model

    def _what_is_left(self, learner, i: int, n_passes: int) -> str:
        """Say what `partial_fit` on the rest does not make good where a block has failed."""
        if learner.is_new and "estimator_" in self.__dict__:
            return "The model of the fit before is unchanged: call fit."
        return "" if n_passes == 1 else f"This was pass {i + 1} of {n_passes}."

    def _validate(self, validation, learner) -> bool:
        stop = validation.after_pass(learner.model, learner.n_rows)
        self.validation_scores_ = validation.scores
        self.validation_n_samples_ = validation.n_samples
        self.best_validation_score_ = validation.best_score
        return stop

    def _one_pass(self, learner, planned, engine, interrupt, pass_task) -> bool:
        learned = False
        n_before = 0 if learner.is_new else self.n_iter_
        learner.order = None
        if self.shuffle:
            seed = [learner.seed, n_before]
            planned = in_new_order(planned, learner.promise, seed)
            learner.order = row_order(seed)
        try:
            with (
                engine.train(
                    learner, planned, prefetch=self.prefetch, listening=pass_task.listens
                ) as turns,
                interrupt.allowed(),
            ):
                for turn in turns:
                    block_task = pass_task.begin("block", 0, turn.data)
                    interrupt.waits = turn.in_place
                    learned = turn.learn() or learned
                    self._adopt(learner)
                    interrupt.waits = False
                    interrupt.check()
                    if block_task.end():
                        break
        finally:
            self._adopt(learner)
            interrupt.waits = False
        interrupt.check()
        return learned

    def _adopt(self, learner) -> None:
        """Make the model that has learned something the model."""
        if learner.n_batches and self.__dict__.get("estimator_") is not learner.model:
            self._make_model(learner)

    def _make_model(self, learner) -> None:
        self.estimator_ = learner.model  # another object, too, where a cluster has learned
        if learner.is_new:
            learner.is_new = False
            self._seed, self._classes = learner.seed, learner.classes
            self._example = learner.example
            self.n_iter_ = 0
            for name in ("validation_scores_", "validation_n_samples_", "best_validation_score_"):
                self.__dict__.pop(name, None)  # those of an earlier fit

    # The model

    def __getattr__(self, name: str):
        if name.endswith("_") and not name.startswith("_") and self.__sklearn_is_fitted__():
            if name == "classes_":
                return learned_classes(self._model)
            return getattr(self._model, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self):
        # What belongs to a running fit stays with it: a callback may save the model half-way.
        state = super().__getstate__()
        running = "_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx"
        kept = {name: value for name, value in state.items() if name not in running}
        if "_example" in kept:
            kept["_example"] = as_plain(kept["_example"])
        return {**kept, "_incremental_version": __version__}

    def __setstate__(self, state):
        # As scikit-learn does for estimators of its own.
        state = dict(state)
        version = state.pop("_incremental_version", "before 0.1.0")
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        if "_example" in state:
            state["_example"] = from_plain(state["_example"])
        super().__setstate__(state)

    def __dir__(self):
        learned = [n for n in dir(self._model) if n.endswith("_") and not n.startswith("_")]
        return sorted({*super().__dir__(), *(learned if "estimator_" in self.__dict__ else ())})

    def __sklearn_is_fitted__(self) -> bool:
        if "estimator_" in self.__dict__:
            return True
        return "estimator" in self.__dict__ and _pipeline.needs_no_fit(self.estimator)

    def __sklearn_tags__(self):
        return _pipeline.tags_of(self.estimator)

    def _fitted(self, method: str):
        before = f"Call 'fit' or 'partial_fit' before using '{method}'."
        check_is_fitted(self, msg=f"This %(name)s instance is not fitted yet. {before}")
        return self._model

    def _apply(self, method: str, X):
        return _lazy.apply(self._fitted(method), method, X, self.__dict__.get("_example"))

    # Methods of the model, block by block

    @available_if(_has("predict"))
    def predict(self, X):
        """Predict the target of X.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples,) or (n_samples, n_outputs)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(SGDClassifier(random_state=0)).fit(X, y).predict(X)
        dask.array<..., shape=(100,), ...>
        """
        return self._apply("predict", X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples, n_classes)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(GaussianNB()).fit(X, y).predict_proba(X)
        dask.array<..., shape=(100, 2), ...>
        """
        return self._apply("predict_proba", X)

    @available_if(_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples, n_classes)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(GaussianNB()).fit(X, y).predict_log_proba(X)
        dask.array<..., shape=(100, 2), ...>
        """
        return self._apply("predict_log_proba", X)

    @available_if(_has("decision_function"))
    def decision_function(self, X):
        """Return the confidence for each class.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples,) or (n_samples, n_classes)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(SGDClassifier(random_state=0)).fit(X, y).decision_function(X)
        dask.array<..., shape=(100,), ...>
        """
        return self._apply("decision_function", X)

    @available_if(_has("transform"))
    def transform(self, X):
        """Transform X.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples, n_features_out)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(StandardScaler()).fit(X).transform(X)
        dask.array<..., shape=(100, 20), ...>
        """
        return self._apply("transform", X)

    @available_if(_has("inverse_transform"))
    def inverse_transform(self, X):
        """Undo `transform`.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples, n_features)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(StandardScaler()).fit(X).inverse_transform(X)
        dask.array<..., shape=(100, 20), ...>
        """
        return self._apply("inverse_transform", X)

    @available_if(_has("score_samples"))
    def score_samples(self, X):
        """Return a score for each row.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.

        Returns
        -------
        result : dask collection or array of shape (n_samples,)
            Lazy if X is.  It belongs to the model as it is now.

        Examples
        --------
        >>> from sklearn.neural_network import BernoulliRBM
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(BernoulliRBM(random_state=0)).fit(X > 0).score_samples(X > 0)
        dask.array<..., shape=(100,), ...>
        """
        return self._apply("score_samples", X)

    @available_if(_has("transform"))
    def fit_transform(self, X, y=None, **fit_params):
        """Fit, then transform the same data.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.
        y : the same with shape (n_samples,), default=None
            The target.
        **fit_params : dict
            As for `fit`.

        Returns
        -------
        result : dask collection or array of shape (n_samples, n_features_out)
            Lazy if X is.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.preprocessing import MinMaxScaler
        >>> from incremental import Incremental
        >>> Incremental(MinMaxScaler()).fit_transform(np.array([[1.0], [3.0]])).tolist()
        [[0.0], [1.0]]
        """
        return self.fit(X, y, **fit_params).transform(X)

    @available_if(_has("fit_predict"))
    def fit_predict(self, X, y=None, **fit_params):
        """Fit, then predict the same data.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.
        y : the same with shape (n_samples,), default=None
            Ignored by clusterers.
        **fit_params : dict
            As for `fit`.

        Returns
        -------
        labels : dask collection or array of shape (n_samples,)
            Lazy if X is.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.cluster import MiniBatchKMeans
        >>> from incremental import Incremental
        >>> X = np.array([[0.0], [0.1], [9.0], [9.1]])
        >>> labels = Incremental(MiniBatchKMeans(2, random_state=0, n_init=3)).fit_predict(X)
        >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
        True
        """
        return self.fit(X, y, **fit_params).predict(X)

    @available_if(_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            The names of the columns of X.

        Returns
        -------
        names : ndarray of str
            The names.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> Incremental(StandardScaler()).fit(np.ones((2, 1))).get_feature_names_out()
        array(['x0'], dtype=object)
        """
        return self._fitted("get_feature_names_out").get_feature_names_out(input_features)

    @available_if(_has("set_output"))
    def set_output(self, *, transform=None):
        """Choose what `transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas"}, default=None
            "pandas" makes dataframes: of pandas for data in memory, of dask for lazy data; their
            index is that of X, or the positions of the rows.  "default" is what the wrapped
            estimator returns by itself; None changes nothing.  Data in memory take whatever else
            scikit-learn knows ("polars").

        Returns
        -------
        self : Incremental
            The same object.

        Examples
        --------
        >>> import dask.array as da
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> X = da.arange(10, chunks=5).reshape(-1, 1)
        >>> scaler = Incremental(StandardScaler()).set_output(transform="pandas").fit(X)
        >>> scaler.transform(X).divisions
        (0, 5, 9)
        """
        if transform is not None:
            # The one that was passed is never changed, nor what is frozen in it, or in the model.
            for name in {"estimator", "estimator_"} & self.__dict__.keys():
                estimator = copy.deepcopy(getattr(self, name))
                estimator.set_output(transform=transform)  # a frozen one returns what is in it
                setattr(self, name, estimator)
        return self

    @shows_weights(_scores_weights)
    @available_if(_can_score)
    def score(self, X, y=None, **params):
        """Return the score that `scoring` names; each block is read once.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.
        y : the same with shape (n_samples,) or (n_samples, n_outputs), default=None
            The true target.
        **params : dict
            Parameters of the score, such as ``sample_weight``.

        Returns
        -------
        score : float or dict of str to float
            What scikit-learn returns on the same data in memory; a dict if `scoring` names several.

        Raises
        ------
        BlockError
            If a block cannot be computed or scored.
        NotImplementedError
            If the score looks at X itself, and so cannot be put together from blocks.
        ValueError
            If every block is empty, or if scikit-learn refuses what was gathered from them.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> round(Incremental(GaussianNB()).fit(X, y).score(X, y), 1)
        0.9
        """
        model = self._fitted("score")
        scorer = None if self.scoring is None else find_scorer(self, self.scoring)
        params = self._routed("score", params)
        _checks.check_keywords(model.score if scorer is None else metric_of(scorer), params)
        _checks.check_columns(model, X)
        _scoring.check(model, scorer, y is not None, in_blocks=False)
        rows = {k: v for k, v in params.items() if _blocks.is_per_row(v, X)}
        if _blocks.n_rows(X) is not None:
            _checks.check_weights(X, params, rows)
        whole = {k: v for k, v in params.items() if k not in rows}
        blocks = _blocks.make_blocks(X, y, rows)
        if not blocks.collections:
            ask = model.score if scorer is None else partial(scorer, with_classes(model))
            return ask(X, y, **params)
        _scoring.check(model, scorer, y is not None)
        with open_engine(blocks.collections) as engine:
            planned = engine.plan(blocks)
            return _scoring.score(model, scorer, planned, engine, self.prefetch, whole)

    def get_metadata_routing(self):
        """Say which parameters go to the wrapped estimator.

        Returns
        -------
        router : sklearn.utils.metadata_routing.MetadataRouter
            Parameters of `fit` and `partial_fit` go to its ``partial_fit``, those of `score` to its
            ``score``, or to the scorer that `scoring` names.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> router = Incremental(SGDClassifier()).get_metadata_routing()
        >>> router.consumes("fit", ["sample_weight"])
        set()
        """
        router = MetadataRouter(owner=self).add_self_request(self)  # X_val, ...
        score = MethodMapping().add(caller="score", callee="score")
        if self.scoring is None:
            router.add(estimator=self.estimator, method_mapping=score)
        else:
            router.add(scorer=find_scorer(self, self.scoring), method_mapping=score)
        learn = MethodMapping().add(caller="fit", callee="partial_fit")
        learn.add(caller="partial_fit", callee="partial_fit")
        for path, step in _pipeline.learning_steps(self.estimator).items():
            router.add(**{_learner_name(path): step}, method_mapping=learn)
        return router

    def _routed(self, method: str, params: dict) -> dict:
        """Return the parameters that the wrapped estimator has asked for, if that is enabled."""
        if not get_config()["enable_metadata_routing"]:
            return _pipeline.name_params(self.estimator, params) if method == "fit" else params
        routed = process_routing(self, method, **params)
        if method == "score":
            return (routed.estimator if self.scoring is None else routed.scorer).score
        return {
            f"{path}__{name}" if path else name: value
            for path, step in _pipeline.learning_steps(self.estimator).items()
            for name, value in _pipeline.of_inner(step, routed[_learner_name(path)]).items()
        }


def _learner_name(path: str) -> str:
    """Return what a router calls a step that learns; "" is the last one."""
    return f"estimator__{path}" if path else "learner"


@contextmanager
def _errors_of(planned: Plan, what_is_left: Callable[[], str]) -> Iterator[None]:
    """Say what is left to do where a block fails.

    Data in memory have no blocks to name: raise what the bare estimator raises.
    """
    try:
        yield
    except BlockError as error:
        if not planned.blocks.collections and error.__cause__ is not None:
            raise error.__cause__ from None
        error.args = (f"{error}\n{what_is_left()}".strip(), error.block)
        raise
