"""What the tests of pipelines share."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CLASSES = [0, 1]


def sgd(**params):
    return SGDClassifier(random_state=0, **params)


def frame(n=240):
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "size": rng.random(n),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], n)),
            "city": rng.choice(["Bonn", "Rome"], n),
            "text": rng.choice(["one two", "three", "two two four"], n),
        }
    )
    return found, (found["size"] > 0.5).astype(int).rename("y")


def lazy(*pandas, npartitions=4):
    return [dd.from_pandas(one, npartitions=npartitions, sort=False) for one in pandas]


def partitions(*collections):
    return list(zip(*(dask.compute(*c.partitions) for c in collections), strict=True))


def by_column():
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="constant", fill_value=0.0), StandardScaler()),
         ["size", "age"]),
        (OneHotEncoder(), ["colour"]),
        (OneHotEncoder(categories=[["Bonn", "Rome"]]), ["city"]),
        (HashingVectorizer(n_features=16), "text"),
    )  # fmt: skip
