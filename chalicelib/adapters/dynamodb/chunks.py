"""Bytes that are too long for one item, kept as several that never change."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

import msgspec

from chalicelib.adapters.dynamodb.client import ConditionFailed, DynamoClient
from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.engine.errors import StorageCorrupt, StorageUnavailable

INLINE_BYTES: Final = 350_000
"""Longest value that is kept in its own item; an item ends at 400 KB, keys and all.

Source: DynamoDB quotas, "Item size".
"""

_DIGEST_BYTES: Final = 16


class Chunked(msgspec.Struct, frozen=True):
    """The address of a long value. The name ends with a digest of what it names."""

    name: str
    count: int


class Chunks:
    """Writes and reads long values.

    A name holds a digest of its content, so that a value is only ever found under its own
    name: writing it twice is harmless, and so is reading while it is written.
    """

    def __init__(self, client: DynamoClient) -> None:
        self._client = client

    @staticmethod
    def address(owner: str, data: bytes) -> Chunked:
        """Where ``data`` belongs; ``owner`` says whose it is, for the sweep."""
        digest = sha256(data).digest()[:_DIGEST_BYTES].hex()
        return Chunked(f"{owner}/{digest}", -(-len(data) // INLINE_BYTES))

    def puts(self, address: Chunked, data: bytes) -> list[Callable[[], None]]:
        """The calls that write ``data``, to be made in any order."""
        parts = [
            data[number * INLINE_BYTES : (number + 1) * INLINE_BYTES]
            for number in range(address.count)
        ]
        return [
            partial(self._put, address.name, number, part)
            for number, part in enumerate(parts)
        ]

    def _put(self, name: str, number: int, part: bytes) -> None:
        item = _key(name, number) | {"d": {"B": part}}
        try:
            self._client.put("chunks", item, condition="attribute_not_exists(pk)")
        except ConditionFailed:
            return  # an earlier try, or another applier: the name says that it is the same

    def read(self, addresses: Iterable[Chunked]) -> list[bytes]:
        """Read long values, all at the same time.

        Raises:
            StorageUnavailable: A part is missing.
            StorageCorrupt: The parts are not what was written.
        """
        wanted = list(addresses)
        parts = self._client.together(
            [
                partial(self._get, address.name, number)
                for address in wanted
                for number in range(address.count)
            ]
        )
        return [_joined(address, parts, start) for address, start in _starts(wanted)]

    def _get(self, name: str, number: int) -> bytes:
        item = self._client.get("chunks", _key(name, number))
        if item is None:
            raise StorageUnavailable(f"part {number} of {name} is missing")
        data: bytes = item["d"]["B"]
        return data


def _key(name: str, number: int) -> dict[str, dict[str, str]]:
    return {"pk": {"S": name}, "n": {"N": str(number)}}


def _starts(addresses: Sequence[Chunked]) -> Iterable[tuple[Chunked, int]]:
    start = 0
    for address in addresses:
        yield address, start
        start += address.count


def _joined(address: Chunked, parts: Sequence[bytes], start: int) -> bytes:
    data = b"".join(parts[start : start + address.count])
    if not address.name.endswith(sha256(data).digest()[:_DIGEST_BYTES].hex()):
        raise StorageCorrupt(f"the parts of {address.name} are damaged")
    return data


def address_of(item: Item) -> Chunked | None:
    """The address that an item holds in place of a value."""
    return Chunked(item["c"]["S"], int(item["n"]["N"])) if "c" in item else None


def as_attributes(address: Chunked) -> dict[str, dict[str, str]]:
    """``address`` as attributes of an item."""
    return {"c": {"S": address.name}, "n": {"N": str(address.count)}}
