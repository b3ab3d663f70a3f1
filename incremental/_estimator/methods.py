"""The methods of the model, for data of any size."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

from incremental._estimator.attributes import ModelAttributes
from incremental._estimator.delegation import block_by_block, has, there_if
from incremental._types import Data


class ModelMethods(ModelAttributes):
    """Base with the methods that a wrapped estimator may have.

    Each is there if the model has it.
    """

    @block_by_block("(n_samples,) or (n_samples, n_outputs)")
    def predict(self, X: Data) -> Any:
        """Predict the target of X.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(SGDClassifier(random_state=0)).fit(X, y).predict(X)
        dask.array<..., shape=(100,), ...>
        """

    @block_by_block("(n_samples, n_classes)")
    def predict_proba(self, X: Data) -> Any:
        """Predict the probability of each class.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(GaussianNB()).fit(X, y).predict_proba(X)
        dask.array<..., shape=(100, 2), ...>
        """

    @block_by_block("(n_samples, n_classes)")
    def predict_log_proba(self, X: Data) -> Any:
        """Predict the logarithm of the probability of each class.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(GaussianNB()).fit(X, y).predict_log_proba(X)
        dask.array<..., shape=(100, 2), ...>
        """

    @block_by_block("(n_samples,) or (n_samples, n_classes)")
    def decision_function(self, X: Data) -> Any:
        """Return the confidence for each class.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(SGDClassifier(random_state=0)).fit(X, y).decision_function(X)
        dask.array<..., shape=(100,), ...>
        """

    @block_by_block("(n_samples, n_features_out)")
    def transform(self, X: Data) -> Any:
        """Transform X.

        Examples
        --------
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(StandardScaler()).fit(X).transform(X)
        dask.array<..., shape=(100, 20), ...>
        """

    @block_by_block("(n_samples, n_features)")
    def inverse_transform(self, X: Data) -> Any:
        """Undo `transform`.

        Examples
        --------
        >>> from sklearn.preprocessing import StandardScaler
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(StandardScaler()).fit(X).inverse_transform(X)
        dask.array<..., shape=(100, 20), ...>
        """

    @block_by_block("(n_samples,)")
    def score_samples(self, X: Data) -> Any:
        """Return a score for each row.

        Examples
        --------
        >>> from sklearn.neural_network import BernoulliRBM
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=100, chunks=50, random_state=0)
        >>> Incremental(BernoulliRBM(random_state=0)).fit(X > 0).score_samples(X > 0)
        dask.array<..., shape=(100,), ...>
        """

    @there_if(has("transform"))
    def fit_transform(self, X: Data, y: Data | None = None, **fit_params: Any) -> Any:
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

    @there_if(has("fit_predict"))
    def fit_predict(self, X: Data, y: Data | None = None, **fit_params: Any) -> Any:
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

    @there_if(has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> Any:
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

    @there_if(has("set_output"))
    def set_output(self, *, transform: str | None = None) -> Self:
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
