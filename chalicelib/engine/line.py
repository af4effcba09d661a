"""The line in front of a contended log: what many processes share to take turns."""

from typing import Protocol

import msgspec


class InLine(msgspec.Struct, frozen=True):
    """What stands in line. ``place`` sorts by when it came; ``body`` is the engine's own."""

    place: str
    body: bytes


class Line(Protocol):
    """A queue and a lease, for liveness alone: nothing that is committed depends on them.

    Whoever holds the lease runs what stands in line. A lease that has expired may be taken by
    anybody; its holder may be at work all the same. All calls may be repeated.
    """

    def join(self, waiting: InLine, *left: str) -> None:
        """Stand in line, and leave other places."""
        ...

    def waiting(self, limit: int) -> list[InLine]:
        """Read who stands in line, the first ones first."""
        ...

    def holds(self, place: str) -> bool:
        """Tell whether somebody stands at ``place``."""
        ...

    def leave(self, *places: str) -> None:
        """Leave the line, or have others leave it; absent ones are ignored."""
        ...

    def take(self, owner: str, *, now_ms: float, deadline_ms: float) -> bool:
        """Take the lease if it is free, or has expired."""
        ...

    def give_back(self, owner: str) -> None:
        """Give the lease back, if ``owner`` still has it."""
        ...
