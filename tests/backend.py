"""What the tests of the engine take from the backend that apps are tested with."""

from testing.backend import ISSUER, SWEEP_MS, TestBackend
from testing.client import Client
from testing.watch import Watch
from testing.world import BEGINNING_MS, CountedIds, DelayedJobs, Sockets, VirtualClock

__all__ = [
    "BEGINNING_MS",
    "ISSUER",
    "SWEEP_MS",
    "Client",
    "CountedIds",
    "DelayedJobs",
    "Sockets",
    "TestBackend",
    "VirtualClock",
    "Watch",
]
