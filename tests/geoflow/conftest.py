"""A fresh backend that serves GeoFlow, for each test."""

import pytest

from chalicelib import geoflow
from testing import TestBackend


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend(geoflow)
