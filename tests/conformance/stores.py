"""The stores that the conformance suite runs over, each behind the same few handles."""

from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Persistence
from tests.simulation.still import StillDynamo


class Store(Protocol):
    """One kind of store."""

    can_tear: bool
    """Whether an entry can be put beyond the head, as a torn reading would show it."""

    def fresh(self) -> Persistence:
        """An empty log."""
        ...

    def again(self, persistence: Persistence) -> Persistence:
        """The same log as another, or a later, process opens it."""
        ...


class MemoryStore:
    can_tear = False

    def fresh(self) -> Persistence:
        return MemoryPersistence()

    def again(self, persistence: Persistence) -> Persistence:
        return persistence


class SqliteStore:
    can_tear = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[Persistence, Path] = {}
        self._count = 0

    def fresh(self) -> Persistence:
        self._count += 1
        return self._opened(self._directory / str(self._count))

    def again(self, persistence: Persistence) -> Persistence:
        assert isinstance(persistence, SqlitePersistence)
        persistence.close()
        return self._opened(self._open.pop(persistence))

    def _opened(self, directory: Path) -> Persistence:
        persistence = SqlitePersistence(directory)
        self._open[persistence] = directory
        return persistence

    def close(self) -> None:
        for persistence in self._open:
            assert isinstance(persistence, SqlitePersistence)
            persistence.close()


class DynamoStore:
    """Over DynamoDB, or over what plays it: an emulator, or tables in the process."""

    can_tear = True

    def __init__(self, client: DynamoClient) -> None:
        self._client = client

    def fresh(self) -> Persistence:
        # A configured endpoint may keep what earlier runs wrote.
        return DynamoPersistence(self._client, uuid4().hex)

    def again(self, persistence: Persistence) -> Persistence:
        assert isinstance(persistence, DynamoPersistence)
        return DynamoPersistence(self._client, persistence.log)


def still_store() -> DynamoStore:
    """The adapter of DynamoDB over tables in the process."""
    client: Any = StillDynamo()
    return DynamoStore(client)


def let_go(log: Persistence) -> None:
    """Close a log that holds a file open, and that nobody opens again."""
    if isinstance(log, SqlitePersistence):
        log.close()


def write_log(persistence: Persistence, *entries: Entry) -> None:
    """Commit ``entries`` as a committer does: put, apply, move the watermark."""
    for entry in entries:
        assert persistence.append(entry) is None
        persistence.apply([entry])
        persistence.advance(entry.ts - 1, entry.ts)
