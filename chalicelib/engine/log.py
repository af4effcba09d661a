"""The log: its entries, their codec, and the rows that follow from them.

A log is a gap-free sequence of entries. An entry is one committed transaction; it is immutable
once written, and everything else that is stored (rows, indexes, answers to repeated requests)
can be computed from it.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Final

import msgspec

from chalicelib.engine.values.ids import encode_id
from chalicelib.engine.values.order import NUMBER_BYTES, key_bytes

POSITION_BITS: Final = 40
"""Bits of a timestamp that count positions; the bits above hold the epoch (docs/design.md 2)."""

FIRST_EPOCH: Final = 1
"""Epoch of a new log. A restore begins the next one, so that time never runs backwards."""

ORIGIN: Final = FIRST_EPOCH << POSITION_BITS
"""The timestamp of a new log before its first entry."""

REQUESTS_INDEX: Final = 0
"""Id of the index that holds answered requests, keyed by session id and request id."""

MAX_KEY_BYTES: Final = 900
"""Longest part of a row key that is kept as it is; DynamoDB's sort key ends at 1,024 bytes."""

CUT_KEY_BYTES: Final = MAX_KEY_BYTES + 16
"""Length of a key that was cut: its first bytes and a digest of the whole."""

_COMPRESS_FROM_BYTES: Final = 600
_PLAIN, _DEFLATED = b"\x01", b"\x02"

IndexKey = tuple[int, bytes]
"""The id of an index and a row key in it."""


def members_of(index: int) -> int:
    """A second name of an index: by it, what is read are its keys, and not their rows.

    Whoever counts rows does not mind what is in them. Taken twice, it is the index again.
    """
    return ~index


class Request(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """The name of a client's request: it is answered once, however often it is sent."""

    session: str
    number: int

    @cached_property
    def key(self) -> IndexKey:
        """Where the answer to this request is kept."""
        return REQUESTS_INDEX, stored_key(key_bytes([self.session, float(self.number)]))


def session_part(key: bytes) -> bytes | None:
    """The beginning that the key of a request shares with those of its session's others.

    They sort by the request's number. None: the key was cut, and does not tell.
    """
    return key[:-NUMBER_BYTES] if len(key) <= MAX_KEY_BYTES else None


_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Write(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """What one transaction did to one document.

    ``removed`` names every row that the document had before, ``added`` every row that it has
    afterwards; a row whose key did not move is in both, since its content changed.
    """

    table: int
    id: bytes
    before: bytes | None
    after: bytes | None
    removed: tuple[IndexKey, ...]
    added: tuple[IndexKey, ...]

    @property
    def document_id(self) -> str:
        """The id as clients know it."""
        return encode_id(self.table, self.id)

    @cached_property
    def moved(self) -> frozenset[IndexKey]:
        """The rows that came or went."""
        return frozenset(self.removed).symmetric_difference(self.added)

    @cached_property
    def changed(self) -> frozenset[str]:
        """The fields that differ between the images, by their wire names; both images are there.

        Bytes are compared: what is equal in Python need not be to a client.
        """
        before, after = _fields_of(self.before or b"{}"), _fields_of(self.after or b"{}")
        names = before.keys() | after.keys()
        return frozenset(n for n in names if before.get(n) != after.get(n))

    def concerns(self, key: IndexKey, fields: Collection[str]) -> bool:
        """Whether a reader of ``fields`` in a row that is written here sees another thing now."""
        return key in self.moved or not self.changed.isdisjoint(fields)


MAX_AGENT_CHARS: Final = 200
"""How much of what a client calls itself is kept."""


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """From where somebody called.

    ``address`` is that of the network, as the platform saw it, ``agent`` what the client calls
    itself. ``is_admin`` tells that the admin key was shown.
    """

    address: str = ""
    agent: str = ""
    is_admin: bool = False


def origin_of(address: str | None, agent: str | None) -> Origin:
    """Return the origin of a call; None is what nobody said.

    What cannot be printed is left out: clients write what they want there.
    """
    told = "".join(filter(str.isprintable, (agent or "")[:MAX_AGENT_CHARS]))
    return Origin(address or "", told)


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """Why a request has no result, as its client is told: see ``Failure``."""

    request_id: str
    reason: str
    data: bytes | None


class Entry(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """One committed transaction.

    ``wall_ms`` is the committer's clock, for people; order is ``ts`` alone. ``result`` is the
    encoded value that was answered to ``request``. ``origin`` is None of what nobody called,
    such as a job, and of entries that are older than this field. ``refusal``: the request has
    failed, and written nothing, for ever.
    """

    ts: int
    transaction: str
    wall_ms: int
    path: str
    subject: str | None
    request: Request | None
    result: bytes | None
    log_lines: tuple[str, ...]
    writes: tuple[Write, ...]
    origin: Origin | None = None
    refusal: Refusal | None = None

    @cached_property
    def keys_by_index(self) -> dict[int, list[bytes]]:
        """The same keys by index: most readers have read none of an entry's indexes.

        Those that came or went are there under :func:`members_of` their index as well.
        """
        found: dict[int, list[bytes]] = {}
        for index, key in self.touched():
            found.setdefault(index, []).append(key)
        for index, key in self._came_or_went():
            found.setdefault(members_of(index), []).append(key)
        return found

    def _came_or_went(self) -> Iterator[IndexKey]:
        """Every row key that there was before or is afterwards, but not both."""
        for write in self.writes:
            if write.removed != write.added:
                yield from write.moved

    @cached_property
    def weight(self) -> int:
        """About how many bytes the entry takes in memory."""
        images = sum(len(w.before or b"") + len(w.after or b"") + 500 for w in self.writes)
        return 1000 + images + len(self.result or b"")

    @cached_property
    def rows(self) -> "tuple[Row, ...]":
        """What :func:`rows` gives: it is asked for by whoever reads, and by whoever writes."""
        return tuple(rows(self))

    def touched(self) -> Iterator[IndexKey]:
        """Every row key that this entry touches: what conflicts and wake-ups are decided on."""
        if self.request is not None:
            yield self.request.key
        for write in self.writes:
            yield from write.removed
            yield from write.added


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One index entry as of ``ts``. ``image`` is None in a tombstone.

    ``id`` is the internal id of the document (empty for an answered request).
    """

    index: int
    key: bytes
    ts: int
    id: bytes
    image: bytes | None


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What a request was answered: the image of its row."""

    ts: int
    result: bytes | None
    log_lines: tuple[str, ...]
    refusal: Refusal | None = None


def rows(entry: Entry) -> Iterator[Row]:
    """The rows that ``entry`` leaves behind, tombstones included."""
    if entry.request is not None:
        index, key = entry.request.key
        answer = Answer(entry.ts, entry.result, entry.log_lines, entry.refusal)
        yield Row(index, key, entry.ts, b"", msgspec.msgpack.encode(answer))
    for write in entry.writes:
        added = set(write.added)
        for index, key in write.removed:
            if (index, key) not in added:
                yield Row(index, key, entry.ts, write.id, None)
        for index, key in write.added:
            yield Row(index, key, entry.ts, write.id, write.after)


def newest_rows(entries: Sequence[Entry]) -> list[Row]:
    """The rows of consecutive entries, of each key the newest only."""
    found = {(row.index, row.key): row for entry in entries for row in entry.rows}
    return list(found.values())


def stored_key(key: bytes) -> bytes:
    """``key`` as it is stored: cut to a prefix and a digest where it is too long."""
    if len(key) <= MAX_KEY_BYTES:
        return key
    return key[:MAX_KEY_BYTES] + sha256(key).digest()[: CUT_KEY_BYTES - MAX_KEY_BYTES]


def encode_entry(entry: Entry) -> bytes:
    """Return ``entry`` as bytes; large ones are compressed."""
    text = msgspec.msgpack.encode(entry)
    if len(text) < _COMPRESS_FROM_BYTES:
        return _PLAIN + text
    return _DEFLATED + zlib.compress(text, 1)


_decoder = msgspec.msgpack.Decoder(Entry)


def decode_entry(data: bytes) -> Entry:
    """Return the entry that :func:`encode_entry` wrote."""
    body = data[1:]
    return _decoder.decode(zlib.decompress(body) if data[:1] == _DEFLATED else body)
