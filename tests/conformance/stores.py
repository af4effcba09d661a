"""The stores that the conformance suite runs over, each behind the same few handles."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator


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


@contextmanager
def memory_store(_directory: Path) -> Iterator[Store]:
    yield MemoryStore()


@contextmanager
def sqlite_store(directory: Path) -> Iterator[Store]:
    store = SqliteStore(directory)
    try:
        yield store
    finally:
        store.close()


class DynamoStore:
    can_tear = True

    def __init__(self, client: DynamoClient) -> None:
        self._client = client
        self._count = 0

    def fresh(self) -> Persistence:
        self._count += 1
        return DynamoPersistence(self._client, f"log-{self._count}")

    def again(self, persistence: Persistence) -> Persistence:
        assert isinstance(persistence, DynamoPersistence)
        return DynamoPersistence(self._client, persistence._log)


@contextmanager
def dynamodb_store(_directory: Path) -> Iterator[Store]:
    with start_emulator() as emulator:
        client = DynamoClient("test-", endpoint=emulator.endpoint, region=emulator.region)
        create_tables(client.raw, "test-")
        try:
            yield DynamoStore(client)
        finally:
            client.close()


STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "memory": memory_store,
    "sqlite": sqlite_store,
    "dynamodb": dynamodb_store,
}


def write_log(persistence: Persistence, *entries: Entry) -> None:
    """Commit ``entries`` as a committer does: put, apply, move the watermark."""
    for entry in entries:
        assert persistence.append(entry) is None
        persistence.apply([entry])
        persistence.advance(entry.ts - 1, entry.ts)
