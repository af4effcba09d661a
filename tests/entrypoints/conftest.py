"""One deployment a test, forgotten afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import bootstrap
from tests.entrypoints.deployment import Place


@pytest.fixture
def place() -> Iterator[Place]:
    """The trial app, deployed."""
    yield Place()
    bootstrap._in_use.clear()


@pytest.fixture
def redacted() -> Iterator[Place]:
    """The trial app, deployed so that errors are kept from clients."""
    yield Place(redacted=True)
    bootstrap._in_use.clear()
