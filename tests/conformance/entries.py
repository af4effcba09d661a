"""Entries as the tests of persistence write them."""

from chalicelib.engine.log import ORIGIN, Entry, Request, Write

INDEX = 7
"""The index that tests write to when one is enough."""


def ts(position: int) -> int:
    return ORIGIN + position


def document(number: int) -> bytes:
    return number.to_bytes(16, "big")


def put(key: bytes, image: bytes, *, index: int = INDEX, number: int = 1) -> Write:
    """A document that has one row, at ``key``."""
    return Write(1, document(number), None, image, (), ((index, key),))


def move(old: bytes, new: bytes, image: bytes, *, number: int = 1) -> Write:
    """A document whose row went from ``old`` to ``new``."""
    return Write(1, document(number), b"{}", image, ((INDEX, old),), ((INDEX, new),))


def drop(key: bytes, *, number: int = 1) -> Write:
    """A document that was deleted."""
    return Write(1, document(number), b"{}", None, ((INDEX, key),), ())


def entry(
    position: int,
    *writes: Write,
    transaction: str | None = None,
    request: Request | None = None,
    result: bytes | None = None,
) -> Entry:
    """The entry at ``position``, counted from 1."""
    name = transaction or f"transaction-{position}"
    return Entry(
        ts(position), name, 1_700_000_000_000, "m:f", None, request, result, (), writes
    )
