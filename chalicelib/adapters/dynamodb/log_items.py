"""Entries and rows as items."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from chalicelib.adapters.dynamodb.chunks import (
    INLINE_BYTES,
    Chunked,
    Chunks,
    address_of,
    as_attributes,
)
from chalicelib.adapters.dynamodb.usage import Attribute, Item
from chalicelib.engine.errors import EntryTooLarge
from chalicelib.engine.log import CUT_KEY_BYTES, Entry, Row, decode_entry, encode_entry
from chalicelib.engine.persistence import PAGE_BYTES, TAIL_BYTES

MAX_ENTRY_BYTES: Final = 96 << 20
"""Largest entry that is staged, in encoded bytes.

16 MiB of documents, as they were before and are after, and a result of 16 MiB stay below
it; more would not fit into the memory of the function that applies it.
"""

_BEFORE_KEYS: Final = b"\x00"
"""Goes before every sort key: DynamoDB refuses an empty one."""

POSITION: Final = "p"
"""Attribute of a part of an entry: the first position that the entry tried."""

OWN_INDEX: Final = "i"
"""Attribute of a part of a document: the index in which its row is at the document's id."""

_ID_BYTES: Final = 16

Calls = list[Callable[[], None]]
"""Calls to be made together."""


def number(value: int) -> Attribute:
    """A number as an attribute."""
    return {"N": str(value)}


def log_key(log: str, ts: int) -> dict[str, Attribute]:
    """The key of an entry."""
    return {"pk": {"S": log}, "ts": number(ts)}


def index_key(log: str, index: int) -> Attribute:
    """The partition of an index."""
    return {"S": f"{log}#{index}"}


def sort_key(key: bytes) -> Attribute:
    """A row's key, or one end of an interval, as a sort key.

    The ends of intervals may be longer than any row's key; beyond the longest one they are
    cut, which puts them in the same place among the rows' keys.
    """
    return {"B": _BEFORE_KEYS + key[: CUT_KEY_BYTES + 1]}


def row_key(item: Item) -> bytes:
    """The row's key out of an item, or out of the key of one."""
    key: bytes = item["sk"]["B"]
    return key[len(_BEFORE_KEYS) :]


def entry_item(log: str, entry: Entry, chunks: Chunks) -> tuple[Item, Calls]:
    """Return the item of ``entry``, and the calls that must be made before it is put.

    A large entry is staged without its position, so that it is staged once, however many
    positions it tries.

    Raises:
        EntryTooLarge: It cannot be stored, or its rows could not be.
    """
    if any(len(key) > CUT_KEY_BYTES for _, key in entry.touched()):
        raise EntryTooLarge(f"a key of more than {CUT_KEY_BYTES} bytes cannot be stored")
    place = log_key(log, entry.ts)
    data = encode_entry(entry)
    if len(data) <= INLINE_BYTES:
        return place | {"e": {"B": data}}, []
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryTooLarge(f"an entry of {len(data)} bytes cannot be stored")
    placeless = encode_entry(msgspec.structs.replace(entry, ts=0))
    address = chunks.address(f"{log}/entry/{entry.transaction}", placeless)
    origin = {POSITION: number(entry.ts)}
    return place | as_attributes(address), chunks.puts(address, placeless, origin)


def how_many_entries_fit(items: Sequence[Item]) -> int:
    """Return how many of these entries a reading holds, by what is stored of them."""
    left = TAIL_BYTES
    for count, item in enumerate(items):
        if left <= 0:
            return count
        address = address_of(item)
        left -= address.count * INLINE_BYTES if address is not None else len(item["e"]["B"])
    return len(items)


def read_entries(items: Sequence[Item], chunks: Chunks) -> Iterator[Entry]:
    """The entries of ``items``: those that were staged are fetched at once, before the first."""
    long = iter(chunks.read([found for item in items if (found := address_of(item))]))
    for item in items:
        if "e" in item:
            yield decode_entry(item["e"]["B"])
        else:
            ts = int(item["ts"]["N"])
            yield msgspec.structs.replace(decode_entry(next(long)), ts=ts)


def row_item(log: str, row: Row, chunks: Chunks) -> tuple[Item, dict[Chunked, Calls]]:
    """Return the item of ``row``, and by address the calls that must be made before."""
    item: dict[str, Attribute] = {
        "pk": index_key(log, row.index),
        "sk": sort_key(row.key),
        "t": number(row.ts),
    }
    if len(row.id) != _ID_BYTES or not row.key.endswith(row.id):
        item["i"] = {"B": row.id}
    if row.image is None:
        return item, {}
    if len(row.image) <= INLINE_BYTES:
        return item | {"d": {"B": row.image}}, {}
    address = chunks.address(f"{log}/row/{row.ts}/{row.id.hex()}", row.image)
    # The row at the document's own id is the one that is there as long as the document.
    origin = {OWN_INDEX: number(row.index)} if row.key == row.id else {}
    return item | as_attributes(address), {address: chunks.puts(address, row.image, origin)}


def is_tombstone(item: Item) -> bool:
    """Tell whether a row's item says that there is no row."""
    return "d" not in item and "c" not in item


def how_many_fit(items: Sequence[Item], limit: int) -> int:
    """Return how many of these rows make a page: long images are fetched for each of them."""
    left = PAGE_BYTES
    for count, item in enumerate(items[:limit]):
        if left <= 0:
            return count
        address = address_of(item)
        left -= address.count * INLINE_BYTES if address is not None else len(item["d"]["B"])
    return min(limit, len(items))


def read_rows(index: int, items: Sequence[Item], chunks: Chunks) -> list[Row]:
    """Return the rows of ``items``, none of them a tombstone, fetching long images."""
    addresses = list(dict.fromkeys(found for item in items if (found := address_of(item))))
    long = dict(zip(addresses, chunks.read(addresses), strict=True))
    return [_row(index, item, long) for item in items]


def _row(index: int, item: Item, long: dict[Chunked, bytes]) -> Row:
    key = row_key(item)
    address = address_of(item)
    return Row(
        index,
        key,
        int(item["t"]["N"]),
        item["i"]["B"] if "i" in item else key[-_ID_BYTES:],
        item["d"]["B"] if address is None else long[address],
    )
