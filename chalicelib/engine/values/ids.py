"""Document ids: opaque to clients, and to us a table's number and an internal id.

The text is lower-case base32 (Crockford's alphabet) of the table number in as many bytes as
it needs, the internal id, and a checksum of both. Within a table, ids sort by creation.
"""

from functools import lru_cache
from itertools import accumulate
from typing import Final, TypeAlias

from chalicelib.engine.errors import InvalidId

InternalId: TypeAlias = bytes
"""16 bytes: 7 of creation time in microseconds, big endian, and 9 of chance."""

INTERNAL_ID_BYTES: Final = 16
"""Length of an internal id, in bytes."""

RANDOM_BYTES: Final = 9
"""Length of the random part of an internal id, in bytes."""

MAX_TABLE_NUMBER: Final = (1 << 32) - 1
"""Largest number of a table; the smallest is 1."""


ID_PATTERN: Final = "^[0-9a-hjkmnp-tv-z]{31,37}$"
"""The regular expression of all ids, and of texts of their form."""

KEPT_IDS: Final = 1 << 14
"""Ids that are remembered: a run writes and reads the id of one document several times over."""


def make_internal(creation_us: int, random9: bytes) -> InternalId:
    """Make the internal id of a document created ``creation_us`` microseconds after 1970.

    Raises:
        ValueError: ``random9`` are not 9 bytes.
        OverflowError: The time does not fit into 7 bytes.
    """
    if len(random9) != RANDOM_BYTES:
        raise ValueError(f"{RANDOM_BYTES} random bytes are needed, not {len(random9)}")
    return creation_us.to_bytes(_TIME_BYTES, "big") + random9


def creation_us(internal: InternalId) -> int:
    """Return when the document was created, in microseconds after 1970."""
    return int.from_bytes(internal[:_TIME_BYTES], "big")


@lru_cache(maxsize=KEPT_IDS)
def encode_id(table_number: int, internal: InternalId) -> str:
    """Write a document id, 31 to 37 characters.

    Raises:
        ValueError: The table number is not in 1..2^32-1, or the internal id not 16 bytes.
    """
    if not 0 < table_number <= MAX_TABLE_NUMBER or len(internal) != INTERNAL_ID_BYTES:
        raise ValueError(
            f"no id: table {table_number}, {len(internal)} bytes of internal id"
        )
    body = _varint(table_number) + internal
    return _to_base32(body + _checksum(body))


@lru_cache(maxsize=KEPT_IDS)
def decode_id(text: str) -> tuple[int, InternalId]:
    """Read a document id: its table number and internal id.

    Raises:
        InvalidId: It is not exactly what :func:`encode_id` writes.
    """
    if not _MIN_CHARS <= len(text) <= _MAX_CHARS:
        raise InvalidId(
            f"an id has {_MIN_CHARS} to {_MAX_CHARS} characters, not {len(text)}"
        )
    table_number, internal = _split(_from_base32(text))
    # One text per id: spare bits or a padded table number would give a document two names.
    if (
        not 0 < table_number <= MAX_TABLE_NUMBER
        or encode_id(table_number, internal) != text
    ):
        raise InvalidId(f"{text!r} is not an id: its checksum does not match")
    return table_number, internal


_MORE: Final = 0x80  # the bit of a byte that says that more follow
_TIME_BYTES: Final = INTERNAL_ID_BYTES - RANDOM_BYTES
_CHECKSUM_BYTES: Final = 2
_MIN_CHARS: Final = 31
_MAX_CHARS: Final = 37

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)

# int() reads base 32 with the letters a to v; what is not ours must not be one of them.
_TO_INT_DIGITS: Final = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[_ALPHABET.index(chr(byte))]
    if chr(byte) in _ALPHABET
    else ord("!")
    for byte in range(256)
)


def _to_base32(data: bytes) -> str:
    chars = -(-len(data) * 8 // 5)
    bits = -(-chars // 2) * 10  # whole pairs of characters, filled up with zeros
    number = int.from_bytes(data, "big") << (bits - len(data) * 8)
    pairs = [_PAIRS[number >> shift & 0x3FF] for shift in range(bits - 10, -1, -10)]
    return "".join(pairs)[:chars]


def _from_base32(text: str) -> bytes:
    try:
        number = int(text.encode("ascii").translate(_TO_INT_DIGITS), 32)
    except ValueError:  # not ASCII, or not in the alphabet
        raise InvalidId(f"{text!r} is not an id: it is not base32") from None
    length, spare_bits = divmod(len(text) * 5, 8)
    return (number >> spare_bits).to_bytes(length, "big")


def _split(data: bytes) -> tuple[int, InternalId]:
    border = len(data) - INTERNAL_ID_BYTES - _CHECKSUM_BYTES
    table_number = 0
    for place, byte in enumerate(data[:border]):
        table_number |= byte % _MORE << 7 * place
    return table_number, data[border : border + INTERNAL_ID_BYTES]


@lru_cache
def _varint(number: int) -> bytes:
    """Write seven bits a byte, the lowest first."""
    out = bytearray()
    while number >= _MORE:
        out.append(number % _MORE | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _checksum(body: bytes) -> bytes:
    """Fletcher-16 in arithmetic modulo 256, low sum first; version 0 leaves it unchanged.

    Source: RFC 1145, appendix I.
    """
    return bytes((sum(body) & 0xFF, sum(accumulate(body)) & 0xFF))
