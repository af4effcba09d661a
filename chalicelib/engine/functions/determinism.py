"""Time and chance of one run: taken once, then computed, so that a run can be repeated."""

from functools import cached_property
from random import Random
from typing import Final

from chalicelib.engine.values.ids import RANDOM_BYTES, make_internal

_US_PER_MS: Final = 1000


class Determinism:
    """What one run of a query or mutation knows of the world outside the database.

    Attributes:
        was_read: Whether the run asked for time or chance: its result is then its own, and
            not shared with other callers.
    """

    def __init__(self, now_ms: float, seed: bytes) -> None:
        self._now_ms = now_ms
        self._seed = seed
        self._next_us = int(now_ms * _US_PER_MS)
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
        made = make_internal(self._next_us, self._ids.randbytes(RANDOM_BYTES))
        self._next_us += 1
        return made
