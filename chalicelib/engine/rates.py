"""How often somebody may ask: a sliding window, exact, and shared by all who answer.

A caller is granted a request if fewer than ``limit`` were granted within the ``window_ms``
before it. Requests that were refused do not count. What is kept of a caller is when each of
the granted ones came, as :func:`packed` bytes.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

HOUR_MS: Final = 3_600_000


class Rate(msgspec.Struct, frozen=True):
    """So many requests in so many milliseconds."""

    limit: int
    window_ms: int = HOUR_MS


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request for a request.

    ``remaining`` is how many more would be granted now; ``reset_ms`` when that goes up, since
    the oldest of those that count leaves the window.
    """

    is_granted: bool
    limit: int
    remaining: int
    reset_ms: float


class RateLimiter(Protocol):
    """Counts the requests of callers.

    Implementations: ``adapters.dynamodb``, ``adapters.sqlite``, ``adapters.memory``. All must
    pass ``tests/conformance/test_rate_limiter.py``.
    """

    def take(self, caller: str, rate: Rate, now_ms: float) -> Quota:
        """Grant ``caller`` one request, or refuse it, in one atomic step.

        Nobody is granted more than ``rate`` says, however many ask at once. A clock that is
        behind that of others counts as being where theirs was.

        Raises:
            StorageUnavailable: it could not be counted.
        """
        ...


def admit(times: Sequence[int], rate: Rate, now_ms: float) -> tuple[list[int], Quota]:
    """Decide about one request; ``times`` are when the granted ones came, in order.

    Returns:
        The times that still count, this request's among them if it is granted.
    """
    now = max(int(now_ms), times[-1]) if times else int(now_ms)
    counted = [time for time in times if time > now - rate.window_ms]
    is_granted = len(counted) < rate.limit
    if is_granted:
        counted.append(now)
    return counted, Quota(
        is_granted=is_granted,
        limit=rate.limit,
        remaining=max(0, rate.limit - len(counted)),
        reset_ms=(counted[0] if counted else now) + rate.window_ms,
    )


def packed(times: Sequence[int]) -> bytes:
    """Write times as the distance of each from the one before, seven bits a byte.

    A thousand within an hour are 2,220 bytes at most: at most 219 distances of 2**14 ms and
    more fit into one, which take three bytes, and all others take two or one.
    """
    out = bytearray()
    before = 0
    for time in times:
        distance, before = time - before, time
        while distance > _LOW:
            out.append(distance & _LOW | _MORE)
            distance >>= _BITS
        out.append(distance)
    return bytes(out)


def unpacked(data: bytes) -> list[int]:
    """Read what :func:`packed` has written."""
    times: list[int] = []
    time = 0
    for distance in _numbers(data):
        time += distance
        times.append(time)
    return times


_BITS: Final = 7
_LOW: Final = 0x7F
_MORE: Final = 0x80


def _numbers(data: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & _LOW) << shift
        shift += _BITS
        if byte < _MORE:
            yield number
            number = shift = 0
