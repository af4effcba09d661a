"""Rate limits in memory: the reference implementation."""

from threading import Lock
from typing import Final

from chalicelib.engine.rates import Quota, Rate, admit

SWEPT_EVERY: Final = 1000
"""Requests after which callers are forgotten who have not asked for long."""


class MemoryRates:
    """A dict of when each caller was granted requests, and until when that counts."""

    def __init__(self) -> None:
        self._times: dict[str, tuple[int, list[int]]] = {}
        self._lock = Lock()
        self._asked = 0

    def take(self, caller: str, rate: Rate, now_ms: float) -> Quota:
        """Grant one request, or refuse it."""
        with self._lock:
            self._sweep(now_ms)
            _, before = self._times.get(caller, (0, []))
            times, quota = admit(before, rate, now_ms)
            if times:
                self._times[caller] = times[-1] + rate.window_ms, times
            return quota

    def _sweep(self, now_ms: float) -> None:
        self._asked += 1
        if self._asked % SWEPT_EVERY == 0:
            kept = {c: held for c, held in self._times.items() if held[0] > now_ms}
            self._times = kept
