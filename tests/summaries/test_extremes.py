"""Bins and knots between the extreme values of all blocks, against ``fit`` on all rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import KBinsDiscretizer, SplineTransformer

from incremental._summaries.table import summaries_of
from tests.conftest import examples
from tests.summaries.common import compare
from tests.summaries.strategies import counts, floats, frames, ints

BLOCKS = st.one_of(ints, counts, floats, frames(["int", "float"]))


@given(st.sampled_from(["ordinal", "onehot"]), st.sampled_from([2, 5]), BLOCKS)
@examples(30)
@pytest.mark.filterwarnings("ignore:Feature . is constant")
def test_bins_are_those_of_all_rows(encode, n_bins, blocks):
    compare(
        KBinsDiscretizer(n_bins=n_bins, encode=encode, strategy="uniform", subsample=None), blocks
    )


@given(st.sampled_from(["error", "zeros"]), BLOCKS)
@examples(30)
@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.filterwarnings("ignore:invalid value")
def test_splines_are_those_of_all_rows(missing, blocks):
    spline = SplineTransformer(n_knots=3)
    if hasattr(spline, "handle_missing"):
        spline.set_params(handle_missing=missing)
    compare(spline, blocks)


@pytest.mark.parametrize(
    "estimator", [KBinsDiscretizer(), KBinsDiscretizer(strategy="kmeans"), SplineTransformer()]
)
def test_quantiles_are_refused_and_something_else_named(estimator):
    if isinstance(estimator, SplineTransformer):
        estimator.set_params(knots="quantile")
    assert "'uniform'" in summaries_of(estimator).refusal(estimator)
