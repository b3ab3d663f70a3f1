"""Fixtures of the tests of pipelines."""

import dask
import pytest


@pytest.fixture
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield
