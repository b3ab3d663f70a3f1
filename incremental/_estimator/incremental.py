"""The meta-estimator."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, MetaEstimatorMixin

from incremental._compat import CallbackSupportMixin, with_callbacks
from incremental._estimator.advice import names_replacements
from incremental._estimator.delegation import learns_on, there_if
from incremental._estimator.explain import ExplainedModel
from incremental._estimator.fit import Fit
from incremental._estimator.parameters import check_wrapper, new_model
from incremental._estimator.weights import learns_weights, shows_weights
from incremental._types import Classes, Data, RandomState, Scoring


class Incremental(ExplainedModel, CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """Train an estimator with ``partial_fit`` on data larger than memory.

    Dask computes the blocks of the data, several at once and ahead of the model; the wrapped
    estimator learns from them one after the other, in their order, as in
    ``for x, y in blocks: estimator.partial_fit(x, y)``.

    Read more in the :doc:`user guide </guide/index>`.

    Parameters
    ----------
    estimator : estimator
        An estimator with ``partial_fit``; an estimator that learns from summaries (see Notes); or a
        Pipeline, ColumnTransformer, FeatureUnion or TransformedTargetRegressor of such steps.  It
        is cloned, never changed.
    classes : array-like of shape (n_classes,) or list of them, default=None
        All labels that y may have.  None finds the labels that occur: in one pass over y alone, or
        in memory.  Used by classifiers, and by estimators whose ``partial_fit`` takes any keyword.
    max_iter : int, default=1
        Number of passes over the data that `fit` makes; in a pipeline, the last step makes them.
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
        A score is a rise if it is above the best score before by more than `tol`; the first score
        is a rise.  As in scikit-learn's gradient boosting, an equal score is no rise, not even with
        ``tol=0``.  Minus infinity and NaN are no rises.
    scoring : str, callable, list, tuple or dict, default=None
        What `score` returns, as in :func:`sklearn.model_selection.cross_validate`; several scores
        are a dict.  None is the score of the wrapped estimator.  A callable is given the model, an
        X that is only a length, and y: predictions are gathered, X never is.  `early_stopping`
        decides by this score, which then has to be a single one.
    prefetch : int or str, default=None
        At most so many blocks, or blocks of so many bytes ("500 MB"), are computed, or being
        computed, ahead of the block that is being learned.  None means two more blocks than dask
        has workers, and at most a quarter of the free memory; 0 computes each block in its turn.
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
        How many rows were learned until each score; only defined with `early_stopping`.
    best_validation_score_ : float
        The highest validation score, that of the model that `fit` has kept; only defined with
        `early_stopping`.
    classes_, coef_, n_features_in_, ...
        Every other attribute with a trailing underscore is read from `estimator_`.  Those that
        ``partial_fit`` gives of the last block only (``labels_`` and ``inertia_`` of a clusterer,
        ``loss_`` and ``best_loss_`` of a network) are not there, unless the model has seen all rows
        at once, in their order, as it sees data in memory; the error says what to call instead.

    Raises
    ------
    BlockError
        If a block cannot be computed or learned.  `estimator_` is then the model after the last
        complete block; in a single pass over blocks as they are, `partial_fit` on the remaining
        blocks finishes the pass.  The message says if it was a pass of several, or one that trains
        the first steps of a pipeline, after which there is no model.

    See Also
    --------
    indexable : Makes dataframes, bags and loaders selectable for searches.
    incremental.plotting.ValidationScoresDisplay : Plots the scores of `early_stopping`.
    incremental.datasets : Lazy data sets of any size to try it on.

    Notes
    -----
    *Input.*  X, y and fit parameters with a value for each row are dask arrays, dataframes, series
    or bags, lists of ``Delayed`` blocks, of futures or of dask arrays, ``xarray.DataArray``, or
    data in memory.  The blocks are those of X: chunks along columns are put together, y and the
    others are cut like X.  Blocks without rows are skipped.

    *Order.*  Blocks are learned in the order of the data unless `shuffle` is set.  Shuffling moves
    whole blocks and the rows within each, but no row to another block; where one source holds
    several blocks, these stay together, so that it is still read once.

    *Memory.*  The size of the blocks read ahead is measured when they are there; a block that is
    being computed counts as the largest of the last ones.  With a size as `prefetch`, the first
    block is computed alone if its size is unknown.  One block may be ahead however large it is.
    On a cluster, the free memory is the sum of the workers' limits.  Each block is computed once
    per pass; what all blocks need of all blocks, the mean in ``X - X.mean(0)``, is computed once
    before: one more read.

    *Settings of the estimator.*  ``class_weight="balanced"``, which ``partial_fit`` refuses,
    becomes the weights by the counts of the labels, found in the pass over y that finds the
    classes; it is refused where estimators learn other labels (``OneVsRestClassifier``).
    ``early_stopping=True`` and ``warm_start=True`` of the estimator are refused; ``copy=False``
    becomes True, for a block that was changed would be another one in the next pass.  A
    ``max_iter`` of the estimator, which ``partial_fit`` ignores, warns where it was set.

    *Pipelines.*  Steps are trained one after the other, each in one pass over blocks that went
    through those before it; branches of a ColumnTransformer or a FeatureUnion learn in the same
    pass.  Steps that count, sum or collect over all rows (encoders, imputers, vectorizers) learn
    from summaries: small values, one of each block, that are merged to one of all blocks.  So does
    an estimator with the methods ``block_summary(X, y=None)``, ``merge_summaries(first, second)``
    and ``fit_summary(summary)``.  The last step then takes `max_iter` passes, and is all that
    `partial_fit`, `shuffle` and early stopping are about.  Columns, and steps that only look at the
    layout of X, are fitted to the first 1,000 rows, which are read once more; whether the output of
    a ColumnTransformer is sparse is decided there.  An encoder takes all categories of a
    categorical dtype, also those that do not occur, and finds whether values are missing.  A
    parameter ``step__name`` of `fit` is for that step, one without a step for the last.  If first
    rows were read, one of them stays in the model: it shows what methods return for lazy data.
    Other processes transform with pickles of the steps; where a pickle reorders arrays
    (``IncrementalPCA.components_``), the last digit may be another.

    *Clusters.*  With a ``distributed.Client``, blocks are computed and learned on its workers, and
    only models reach the client: at checkpoints, which are `prefetch` blocks apart (None: two more
    than the cluster has threads), or after each block if a callback listens.  At most
    ``prefetch + 1`` blocks are in the cluster's memory.  When a worker dies, at most the blocks of
    two checkpoint intervals are learned again: twice `prefetch`.  Tiny blocks are computed and
    learned by one task, many at a time, and a checkpoint follows.  Attributes of the estimator
    that are not part of the model, such as open files, have to survive pickling.

    *Callbacks.*  ``set_callbacks`` takes scikit-learn's callbacks.  A fit has a task for each pass,
    and a pass one for each block; a hook that asks to stop after a block ends the pass, after a
    pass the fit.  Before, a pipeline has a task "step" for each pass that trains other steps, with
    one for each block; these go to their end, and there is no ``fitted_estimator`` yet.

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

    @names_replacements
    def __init__(
        self,
        estimator: Any,
        *,
        classes: Classes | None = None,
        max_iter: int = 1,
        batch_size: int | None = None,
        shuffle: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        scoring: Scoring | None = None,
        prefetch: int | str | None = None,
        random_state: RandomState | None = None,
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

    @shows_weights(learns_weights)
    @with_callbacks
    def fit(
        self,
        X: Data,
        y: Data | None = None,
        *,
        X_val: Data | None = None,
        y_val: Data | None = None,
        sample_weight_val: Data | None = None,
        **fit_params: Any,
    ) -> Self:
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
        TypeError or ValueError
            If the data, a parameter or the estimator is refused before a block is read.
        BlockError
            If a block cannot be computed or learned.

        See Also
        --------
        partial_fit : Goes on from the model that is there.
        explain : Says what `fit` would read.

        Examples
        --------
        >>> import dask.array as da
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> X = da.arange(10, chunks=5).reshape(-1, 1)
        >>> Incremental(StandardScaler()).fit(X).mean_
        array([4.5])
        """
        Fit.anew(self, X, y, (X_val, y_val, sample_weight_val)).run(fit_params)
        return self

    @shows_weights(learns_weights)
    @there_if(learns_on)
    @with_callbacks
    def partial_fit(self, X: Data, y: Data | None = None, **fit_params: Any) -> Self:
        """Go on learning: make one pass over the data.

        Training continues with `estimator_`: parameters of `estimator` that were set since `fit`
        are for the next `fit`.

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
        TypeError or ValueError
            If the data, a parameter or the estimator is refused before a block is read.
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
        check_wrapper(self, X)
        goes_on = "estimator_" in vars(self)
        model, seed = (self.estimator_, self._seed) if goes_on else new_model(self)
        Fit(self, model, seed, X, y, n_passes=1).run(fit_params)
        return self
