"""The order of rows by their whole keys, where long ones are stored cut."""

from collections.abc import Iterator, Mapping, Sequence
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
    alike: list[Row] = []
    for row in rows:
        if alike and not _share_prefix(alike[0], row):
            yield from _by_whole_keys(alike, index, bounds, reverse=reverse)
            alike.clear()
        if len(row.key) == CUT_KEY_BYTES:
            alike.append(row)
        else:
            yield row.key, row
    yield from _by_whole_keys(alike, index, bounds, reverse=reverse)


def _by_whole_keys(
    rows: Sequence[Row],
    index: IndexDefinition,
    bounds: tuple[bytes, bytes | None],
    *,
    reverse: bool,
) -> list[Keyed]:
    low, high = bounds
    whole = [(full_key(index, row.id, _fields(row)), row) for row in rows]
    whole.sort(key=_first, reverse=reverse)
    return [kept for kept in whole if low <= kept[0] and (high is None or kept[0] < high)]


def _fields(row: Row) -> Mapping[str, Any]:
    document: Any = decode(row.image or b"{}")
    return document  # type: ignore[no-any-return]  # an image is an object


def _share_prefix(cut: Row, row: Row) -> bool:
    return (
        len(row.key) == CUT_KEY_BYTES and row.key[:MAX_KEY_BYTES] == cut.key[:MAX_KEY_BYTES]
    )


def _first(pair: Keyed) -> bytes:
    return pair[0]
