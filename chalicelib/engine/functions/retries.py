"""Whether, when and how often an action that failed as a job is run again."""

from typing import Final

import msgspec

from chalicelib.engine.errors import InvalidFunction

FIRST_RETRY_MS: Final = 500.0
"""Pause before a mutation that met an error of the system is run again. Source: Convex."""

LAST_RETRY_MS: Final = 2 * 60 * 60 * 1000.0
"""Longest pause between two tries: two hours. Source: Convex."""

_MOST_DOUBLINGS: Final = 24


class Retry(msgspec.Struct, frozen=True):
    """How an action that failed, or died, as a job is run again: at least once, not at most.

    ``times`` is how often, ``base_ms`` the pause before the first retry, in milliseconds; each
    further pause is twice as long, up to ``most_ms``.
    """

    times: int
    base_ms: float = 1000.0
    most_ms: float = LAST_RETRY_MS

    def __post_init__(self) -> None:
        if self.times < 1 or not 0 <= self.base_ms <= self.most_ms <= LAST_RETRY_MS:
            raise InvalidFunction(
                f"Retry: times is 1 or more, and 0 <= base_ms <= most_ms <= "
                f"{LAST_RETRY_MS:.0f}, not {self}"
            )

    def pause_ms(self, failures: int) -> float:
        """How long to wait after so many failures, the first being 1."""
        return backoff_ms(failures, self.base_ms, self.most_ms)


def backoff_ms(
    failures: int, base_ms: float = FIRST_RETRY_MS, most_ms: float = LAST_RETRY_MS
) -> float:
    """How long to wait after so many failures, the first being 1: twice as long each time."""
    doublings = min(max(failures, 1) - 1, _MOST_DOUBLINGS)
    return min(base_ms * 2.0**doublings, most_ms)
