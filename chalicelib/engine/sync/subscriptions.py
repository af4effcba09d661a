"""Where a read set is registered: under the longest run of fields that all its keys share."""

from collections.abc import Iterable
from functools import lru_cache

from chalicelib.engine.log import members_of
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Subscription
from chalicelib.engine.values.order import split_fields


def subscriptions(connection: str, reads: Iterable[Interval]) -> set[Subscription]:
    """The rows by which a commit that touches ``reads`` finds ``connection``."""
    return {Subscription(shared_prefix(i), i, connection) for i in map(_of_rows, reads)}


def in_order(found: Iterable[Subscription]) -> list[Subscription]:
    """Sort subscriptions; an interval without an end comes after those that have one."""
    return sorted(found, key=_place)


def _of_rows(interval: Interval) -> Interval:
    """Where keys alone were read, or some fields, a session is found by the rows all the same.

    That wakes it more often than it need be; it sees itself that nothing concerns it.
    """
    if interval.index >= 0 and not interval.fields:
        return interval
    index = max(interval.index, members_of(interval.index))
    return Interval(index, interval.low, interval.high)


def _place(one: Subscription) -> tuple[bytes, int, bytes, bool, bytes]:
    index, low, high = one.interval.index, one.interval.low, one.interval.high
    return one.prefix, index, low, high is None, high or b""


@lru_cache(maxsize=65_536)
def shared_prefix(interval: Interval) -> bytes:
    """The longest prefix, in whole fields or the whole key, of every key in ``interval``."""
    low, high = interval.low, interval.high
    if high == low + b"\x00":
        return low
    # Whatever lies between two keys begins as both begin.
    return b"" if high is None else b"".join(split_fields(_common(low, high)))


def _common(one: bytes, other: bytes) -> bytes:
    length = min(len(one), len(other))
    return one[: next((at for at in range(length) if one[at] != other[at]), length)]
