"""The order of rows by their whole keys, where long ones are stored cut."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from chalicelib.engine.database.catalogue import IndexDefinition, full_key
from chalicelib.engine.log import CUT_KEY_BYTES, MAX_KEY_BYTES, Row
from chalicelib.engine.values.encoding import decode

Keyed = tuple[bytes, Row]
"""A row behind its whole key."""


def in_full_order(
    rows: Iterator[Row],
    index: IndexDefinition,
    bounds: tuple[bytes, bytes | None],
    *,
    reverse: bool,
) -> Iterator[Keyed]:
    """Sort rows that share a cut prefix by their whole keys, and keep those within bounds."""
    low, high = bounds
    for shared, group in groupby(rows, key=_cut_prefix):
        if shared is None:
            yield from ((row.key, row) for row in group)
            continue
        whole = [(full_key(index, row.id, _fields(row)), row) for row in group]
        for key, row in sorted(whole, key=_first, reverse=reverse):
            if low <= key and (high is None or key < high):
                yield key, row


def _fields(row: Row) -> Mapping[str, Any]:
    document: Any = decode(row.image or b"{}")
    return document  # type: ignore[no-any-return]  # an image is an object


def _cut_prefix(row: Row) -> bytes | None:
    return row.key[:MAX_KEY_BYTES] if len(row.key) == CUT_KEY_BYTES else None


def _first(pair: Keyed) -> bytes:
    return pair[0]
