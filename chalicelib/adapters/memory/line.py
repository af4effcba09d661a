"""The line in memory: the reference implementation."""

from threading import Lock

from chalicelib.engine.line import InLine


class MemoryLine:
    """A dict of who waits, and the owner of the lease with its deadline."""

    def __init__(self) -> None:
        self._waiting: dict[str, InLine] = {}
        self._lease: tuple[str, float] | None = None
        self._lock = Lock()

    def join(self, waiting: InLine, *left: str) -> None:
        """Stand in line."""
        self.leave(*left)
        with self._lock:
            self._waiting[waiting.place] = waiting

    def waiting(self, limit: int) -> list[InLine]:
        """Read who stands in line, the first ones first."""
        with self._lock:
            return [self._waiting[place] for place in sorted(self._waiting)[:limit]]

    def holds(self, place: str) -> bool:
        """Tell whether somebody stands at ``place``."""
        with self._lock:
            return place in self._waiting

    def leave(self, *places: str) -> None:
        """Leave the line."""
        with self._lock:
            for place in places:
                self._waiting.pop(place, None)

    def take(self, owner: str, *, now_ms: float, deadline_ms: float) -> bool:
        """Take the lease if it is free, or has expired."""
        with self._lock:
            if self._lease is not None and self._lease[1] > now_ms:
                return self._lease[0] == owner
            self._lease = owner, deadline_ms
            return True

    def give_back(self, owner: str) -> None:
        """Give the lease back, if ``owner`` still has it."""
        with self._lock:
            if self._lease is not None and self._lease[0] == owner:
                self._lease = None
