"""Time and chance of one run: taken once, then computed, so that a run can be repeated."""

from functools import cached_property
from random import Random
from threading import Lock
from typing import Final

from chalicelib.engine.values.ids import RANDOM_BYTES, make_internal

_US_PER_MS: Final = 1000


class CreationTimes:
    """Creation times of one process: each is later than the one before.

    Documents sort by them, so those that one process makes come in the order in which it made
    them, however many it makes in a microsecond (docs/hazards.md C2).
    """

    def __init__(self) -> None:
        self._lock, self._last_us = Lock(), 0

    def next_us(self, now_us: int) -> int:
        """The next one: ``now_us``, or just after the last one; in microseconds."""
        with self._lock:
            self._last_us = max(now_us, self._last_us + 1)
            return self._last_us


class Determinism:
    """What one run of a query or mutation knows of the world outside the database.

    Attributes:
        was_read: Whether the run asked for time or chance: its result is then its own, and
            not shared with other callers.
    """

    def __init__(
        self, now_ms: float, seed: bytes, times: CreationTimes | None = None
    ) -> None:
        """``times`` are those of the process; without, the run counts its own."""
        self._now_ms, self._times = now_ms, times or CreationTimes()
        self._seed = seed
        self.was_read = False

    @property
    def now_ms(self) -> float:
        """The time of the run, milliseconds since the Unix epoch; it stands still."""
        self.was_read = True
        return self._now_ms

    @property
    def random(self) -> Random:
        """Chance, the same for the same seed."""
        self.was_read = True
        return self._random

    # Made when they are asked for: to seed one takes longer than to read a document.

    @cached_property
    def _random(self) -> Random:
        return Random(self._seed)

    @cached_property
    def _ids(self) -> Random:
        return Random(b"ids" + self._seed)

    def new_internal(self) -> bytes:
        """Return the internal id of a new document; each one is later than the one before."""
        created_us = self._times.next_us(int(self._now_ms * _US_PER_MS))
        return make_internal(created_us, self._ids.randbytes(RANDOM_BYTES))
