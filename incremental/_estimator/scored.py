"""The score, and where metadata go."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn import get_config
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from incremental._compat import metric_of
from incremental._data.blocks import make_blocks
from incremental._data.containers import by_rows, n_rows
from incremental._data.nearly_right import put_right
from incremental._engines.base import Prefetch
from incremental._engines.open import open_engine
from incremental._estimator.checks import check_keywords, check_weights
from incremental._estimator.columns import check_columns
from incremental._estimator.delegation import has, there_if
from incremental._estimator.methods import ModelMethods
from incremental._estimator.weights import shows_weights
from incremental._learning.classes import accepts
from incremental._pipelines.parameters import name_params, of_inner
from incremental._pipelines.tree import learning_steps
from incremental._scoring.score import check, score
from incremental._scoring.scorers import find_scorer
from incremental._scoring.wrapper import with_classes
from incremental._types import Data


def _can_score(self: Any) -> bool:
    return self.scoring is not None or has("score")(self)


def _scores_weights(self: Any) -> bool:
    return self.scoring is not None or accepts(self._model.score, "sample_weight")


class ScoredModel(ModelMethods):
    """Base that scores, and that hands parameters on to whoever has asked for them."""

    prefetch: Prefetch

    @shows_weights(_scores_weights)
    @there_if(_can_score)
    def score(self, X: Data, y: Data | None = None, **params: Any) -> Any:
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
        X, y = put_right(X, "X"), put_right(y, "y")
        params = self._routed("score", params)
        check_keywords(model.score if scorer is None else metric_of(scorer), params)
        check_columns(model, X)
        rows, whole = by_rows(params, X)
        params = {**rows, **whole}
        if n_rows(X) is not None:
            check_weights(X, params, rows)
        blocks = make_blocks(X, y, rows)
        in_blocks = bool(blocks.collections)
        check(model, scorer, y is not None, in_blocks)
        if not in_blocks:
            ask = model.score if scorer is None else partial(scorer, with_classes(model))
            return ask(X, y, **params)
        with open_engine(blocks.collections) as engine:
            planned = engine.plan(blocks)
            return score(model, scorer, planned, engine, self.prefetch, whole)

    def get_metadata_routing(self) -> Any:
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
        for path, step in learning_steps(self.estimator).items():
            router.add(**{_learner_name(path): step}, method_mapping=learn)
        return router

    def _routed(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters that the wrapped estimator has asked for, if that is enabled."""
        if not get_config()["enable_metadata_routing"]:
            return name_params(self.estimator, params) if method == "fit" else params
        routed = process_routing(self, method, **params)
        if method == "score":
            return dict((routed.estimator if self.scoring is None else routed.scorer).score)
        return {
            f"{path}__{name}" if path else name: value
            for path, step in learning_steps(self.estimator).items()
            for name, value in of_inner(step, routed[_learner_name(path)]).items()
        }


def _learner_name(path: str) -> str:
    """Return what a router calls a step that learns; "" is the last one."""
    return f"estimator__{path}" if path else "learner"
