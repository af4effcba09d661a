"""From the bounds of an index range to an interval of keys."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any, Final

from chalicelib.engine.values.order import field_bytes, key_bytes

Bound = tuple[Any, bool]
"""A value, and whether it belongs to the range itself."""

_BEYOND: Final = b"\xff"
"""Greater than the first byte of any field's key or internal id."""

_TIME_BYTES: Final = 7
_US_PER_MS: Final = 1000


def key_range(
    width: int, equal: Sequence[Any], lower: Bound | None, upper: Bound | None
) -> tuple[bytes, bytes | None]:
    """Return the full keys ``low <= key < high`` of a range over an index of ``width`` fields.

    The value after the last field is the creation time, in milliseconds.
    """
    prefix = key_bytes(equal[:width])
    if len(equal) > width:
        return prefix + _time(equal[width], after=False), prefix + _time(
            equal[width], after=True
        )
    on_time = len(equal) == width
    low, high = prefix, prefix + _BEYOND if prefix else None
    if lower is not None:
        value, inclusive = lower
        low = prefix + _edge(value, on_time=on_time, after=not inclusive)
    if upper is not None:
        value, inclusive = upper
        high = prefix + _edge(value, on_time=on_time, after=inclusive)
    if high is not None and high < low:
        high = low
    return low, high


def _edge(value: Any, *, on_time: bool, after: bool) -> bytes:
    """The border before, or after, all keys that go on with ``value``."""
    if on_time:
        return _time(value, after=after)
    return field_bytes(value) + _BEYOND if after else field_bytes(value)


def _time(value_ms: float, *, after: bool) -> bytes:
    """The border before, or after, all internal ids made at ``value_ms``."""
    exact = value_ms * _US_PER_MS
    microseconds = floor(exact) + 1 if after else ceil(exact)
    limit = (1 << 8 * _TIME_BYTES) - 1
    return min(max(microseconds, 0), limit).to_bytes(_TIME_BYTES, "big")
