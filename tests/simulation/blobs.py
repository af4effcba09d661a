"""The port of blobs as a network sees it, and what must hold of bytes and documents."""

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from unittest.mock import patch

from typing_extensions import override

from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.engine.blobs import BlobFacts
from chalicelib.engine.builtin import storage
from chalicelib.engine.database.catalogue import CATALOGUE_TABLE, decode_catalogue
from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.log import Entry, Write
from tests.simulation.faults import HABITS
from tests.simulation.properties import Broken, Property
from tests.simulation.world import World

PATIENCE_MS = 400.0
LATE_MS = 5_000.0
"""A day, and two hours, of a world that lasts seconds."""


@contextmanager
def impatience() -> Iterator[None]:
    """Let uploads be given up while they are under way."""
    with ExitStack() as stack:
        for name, ms in (("UPLOAD_PATIENCE_MS", PATIENCE_MS), ("LATE_WRITE_MS", LATE_MS)):
            stack.enter_context(patch.object(storage, name, ms))
        yield


class Shelf:
    """Every file as the log tells of it, entry by entry, beside the bytes that are there."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.claimed: dict[bytes, dict[str, str]] = {}
        self._blobs = self._files = 0

    @property
    def keys(self) -> set[str]:
        """The keys of the bytes that are a file's."""
        return {blob["key"] for blob in self.claimed.values()}

    def committed(self, entry: Entry) -> None:
        """Take in an entry, and see that a file that it makes has its bytes."""
        for write in entry.writes:
            if write.table == CATALOGUE_TABLE:
                tables = decode_catalogue(write.after or b"").tables
                self._blobs = tables["_blobs"].number
                self._files = tables["_storage"].number
            elif write.table == self._blobs:
                self._change(entry, write)

    def _change(self, entry: Entry, write: Write) -> None:
        if write.after is None:
            self.claimed.pop(write.id)
            return
        blob = self.claimed[write.id] = json.loads(write.after)
        content = self.held.get(blob["key"])
        if content is None:
            raise Broken(
                Property.FILES, f"a file without bytes was made at {entry.ts}: {blob}"
            )
        (made,) = (w for w in entry.writes if w.table == self._files)
        digest = base64.b64encode(sha256(content).digest()).decode()
        if json.loads(made.after or b"")["sha256"] != digest:
            raise Broken(
                Property.FILES, f"a file of other bytes was made at {entry.ts}: {blob}"
            )

    def check_delete(self, key: str) -> None:
        """Refuse that the bytes of a file are deleted."""
        if key in self.keys:
            raise Broken(Property.FILES, f"the bytes of a file are deleted: {key}")

    def check_at_rest(self) -> None:
        """Refuse bytes that were forgotten."""
        if self.held.keys() != self.keys:
            raise Broken(
                Property.FILES,
                f"there are {sorted(self.held)}, files' are {sorted(self.keys)}",
            )


class SlowBlobs(MemoryBlobs):
    """The port of blobs as a network sees it: slow, and not always answered."""

    def __init__(self, world: World, shelf: Shelf) -> None:
        super().__init__()
        self._world, self._shelf, self.held = world, shelf, shelf.held

    @override
    def put(
        self, key: str, chunks: Iterable[bytes], *, content_type: str | None
    ) -> BlobFacts:
        world = self._world
        content = b"".join(self._slowly(chunks))
        if world.strikes("lost_put"):
            if world.chance(HABITS.put_lands):
                late_ms = world.between((0, LATE_MS / 2))
                world.at(late_ms, lambda: self.held.update({key: content}))
            world.sleep(world.between((10, 60)))
            raise StorageUnavailable("simulated")
        facts = super().put(key, [content], content_type=content_type)
        world.pause(errors=False)
        return facts

    def _slowly(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._world.pause()
            yield chunk

    @override
    def delete(self, key: str) -> None:
        self._world.pause()
        self._shelf.check_delete(key)
        super().delete(key)
        self._world.pause()
