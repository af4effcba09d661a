"""Tests of apps, in memory: ``TestBackend(app)`` and whoever calls its functions.

The engine is the real one, on the memory adapter, with a clock that a test moves. Nothing here
is deployed. ``docs/testing.md`` shows a table from its schema to its test.
"""

from testing.backend import TestBackend
from testing.client import Client
from testing.watch import Watch

__all__ = ["Client", "TestBackend", "Watch"]
