"""A fresh backend that serves GeoFlow, for each test."""

import pytest

from tests.backend import TestBackend


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend("chalicelib.geoflow")
