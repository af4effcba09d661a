"""Holds a run while it is processed: a heartbeat for long nodes, and a watch for the end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from threading import Event
from typing import Any, Final

from convex import ConvexClient, ConvexError

BEATS_PER_LEASE: Final = 3
"""How often the lease is renewed while it lasts: two beats may be late."""


class Abandoned(Exception):
    """The backend no longer wants the execution from this worker; the text says why."""


class Hold:
    """What a worker knows of the run that it has, also in the midst of a node."""

    def __init__(self) -> None:
        self._over, self._reason = Event(), ""

    def end(self, reason: str) -> None:
        """Say that the run is the worker's no longer."""
        self._reason = self._reason or reason
        self._over.set()

    def check(self) -> None:
        """Go on if the run is still this worker's.

        Raises:
            Abandoned: it is not.
        """
        if self._over.is_set():
            raise Abandoned(self._reason)


@asynccontextmanager
async def held(
    client: ConvexClient, run: Mapping[str, Any], lease_ms: float
) -> AsyncIterator[Hold]:
    """Hold a run, named by ``executionId`` and ``workerId``, until the block ends."""
    hold = Hold()
    at_work = [
        asyncio.create_task(_watch(client, run, hold)),
        asyncio.create_task(_beat(client, run, hold, lease_ms / 1000 / BEATS_PER_LEASE)),
    ]
    try:
        yield hold
    finally:
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


async def _watch(client: ConvexClient, run: Mapping[str, Any], hold: Hold) -> None:
    """Learn at once that the run was cancelled, took too long, or went to another."""
    subscription = client.subscribe("workers:assignment", dict(run))
    try:
        async for told in subscription:
            standing: Any = told
            if standing is None:
                hold.end("it is another worker's, or nobody's")
            elif standing["status"] != "running":
                hold.end(standing["error"] or f"it is {standing['status']}")
    finally:
        subscription.unsubscribe()


async def _beat(
    client: ConvexClient, run: Mapping[str, Any], hold: Hold, every_s: float
) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(client.mutation, "workers:renew", dict(run))
        except ConvexError as refusal:
            hold.end(str(refusal.data))
            return
