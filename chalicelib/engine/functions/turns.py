"""Turns: mutations that keep conflicting run one after another, in the order they came."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from chalicelib.engine.errors import OptimisticConcurrencyControlFailure
from chalicelib.engine.gates import Gate, LockGate

PATIENCE_S: Final = 4.0
"""How long one waits for its turn. A session is run for 20 s before it is handed over; what it
begins last must end before the gateway gives its handler up, at 29 s."""

JOINED_FROM: Final = 8
"""Waiting mutations of one function from which others join the line at once.

Below that a first try costs nobody anything; above it would overtake those that have waited.
"""


class Turns:
    """A line for each function that is contended."""

    def __init__(self, gate: Callable[[], Gate] = LockGate) -> None:
        self._lock, self._gate = Lock(), gate
        self._lines: dict[str, deque[Gate]] = {}

    def is_long(self, path: str) -> bool:
        """Tell whether so many wait that a newcomer should wait too."""
        return len(self._lines.get(path, ())) >= JOINED_FROM

    @contextmanager
    def taken(self, path: str) -> Iterator[None]:
        """Wait for a turn at ``path``, and have it inside the block.

        Raises:
            OptimisticConcurrencyControlFailure: it did not come in time.
        """
        mine = self._gate()
        with self._lock:
            line = self._lines.setdefault(path, deque())
            line.append(mine)
            first = line[0] is mine
        if not first and not mine.wait(PATIENCE_S):
            self._give_up(path, mine)
        try:
            yield
        finally:
            self._pass_on(path, mine)

    def _give_up(self, path: str, mine: Gate) -> None:
        with self._lock:
            line = self._lines[path]
            if line[0] is mine:
                return  # it came at the last moment
            line.remove(mine)
        raise OptimisticConcurrencyControlFailure(
            f"{path} is called too often at once on the same documents; nothing was"
            f" written, try again"
        )

    def _pass_on(self, path: str, mine: Gate) -> None:
        with self._lock:
            line = self._lines[path]
            line.remove(mine)
            if line:
                line[0].open()
            else:
                del self._lines[path]
