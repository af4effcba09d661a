"""Bytes that are too long for one item, kept as several that never change."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

import msgspec

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.engine.errors import StorageCorrupt, StorageUnavailable

INLINE_BYTES: Final = 350_000
"""Longest value that is kept in its own item; an item ends at 400 KB, keys and all.

Source: DynamoDB quotas, "Item size".
"""

_DIGEST_BYTES: Final = 16


def machine_ms() -> float:
    """The machine's clock."""
    return time.time() * 1000


class Chunked(msgspec.Struct, frozen=True):
    """The address of a long value. The name ends with a digest of what it names."""

    name: str
    count: int


class Chunks:
    """Writes and reads long values.

    A name holds a digest of its content, so that a value is only ever found under its own
    name: writing it twice is harmless, and so is reading while it is written.
    """

    def __init__(
        self, client: DynamoClient, now_ms: Callable[[], float] = machine_ms
    ) -> None:
        self._client, self.now_ms = client, now_ms

    @staticmethod
    def address(owner: str, data: bytes) -> Chunked:
        """Where ``data`` belongs; ``owner`` says whose it is, for the sweep."""
        digest = sha256(data).digest()[:_DIGEST_BYTES].hex()
        return Chunked(f"{owner}/{digest}", -(-len(data) // INLINE_BYTES))

    def puts(self, address: Chunked, data: bytes, origin: Item) -> list[Callable[[], None]]:
        """The calls that write ``data``, to be made in any order.

        ``origin`` is kept with each part, and tells the sweep where to look for whoever
        names it.
        """
        parts = [
            data[number * INLINE_BYTES : (number + 1) * INLINE_BYTES]
            for number in range(address.count)
        ]
        return [
            partial(self._put, address.name, number, part, origin)
            for number, part in enumerate(parts)
        ]

    def _put(self, name: str, number: int, part: bytes, origin: Item) -> None:
        staged: Item = {"d": {"B": part}, "w": {"N": str(int(self.now_ms()))}}
        # Put again by a later try, or another applier, it is the same, and young again.
        self._client.put("chunks", {**_key(name, number), **staged, **origin})

    def remove(self, addresses: Iterable[Chunked]) -> None:
        """Remove long values that nothing names any more."""
        self._client.together(
            [
                partial(self._client.delete, "chunks", _key(address.name, number))
                for address in addresses
                for number in range(address.count)
            ]
        )

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
