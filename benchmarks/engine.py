"""The engine in this process, over a SQLite file of its own: what it costs without a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.bootstrap import Stores, assemble
from chalicelib.config import from_environment
from chalicelib.engine.backend import Backend
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.log import Entry, Write
from chalicelib.engine.values.ids import make_internal

_SETTINGS: Final = {"GEOFLOW_APPS": "benchmarks.app", "GEOFLOW_STORE": "sqlite"}
_FILLED_AT_ONCE: Final = 5000


class _Nobody:
    """The gateway and the job queue of a process that has no sockets."""

    def post(self, connection: str, data: bytes) -> None:
        """Never called: there are no connections."""

    def close(self, connection: str, code: int, reason: str) -> None:
        """Never called."""

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Never called: nothing is scheduled."""


class Engine:
    """A backend over a store, and the calls that benchmarks make."""

    def __init__(self, directory: Path) -> None:
        self.store = SqlitePersistence(directory)
        stores = Stores(self.store, MemorySessions(), MemorySubscriptions())
        settings = from_environment({**_SETTINGS, "GEOFLOW_DATA": str(directory)})
        nobody = _Nobody()
        deployment = assemble(settings, stores=stores, gateway=nobody, jobs=nobody)
        self.backend: Backend = deployment.backend
        self.backend.deploy("benchmark")

    def call(self, path: str, kind: Kind, **arguments: Any) -> Any:
        """Run a function and return its result."""
        outcome = self.backend.call(Call(path, msgspec.json.encode(arguments)), kind)
        assert outcome.failure is None, outcome.failure
        return msgspec.json.decode(outcome.value or b"null")

    def fill(self, table: str, first: int, documents: list[bytes]) -> None:
        """Put documents straight into the log, several thousand in an entry."""
        definition = self.backend.runner.catalogue().tables[table]
        for start in range(0, len(documents), _FILLED_AT_ONCE):
            ts = self.store.marks().applied + 1
            writes = []
            for place, image in enumerate(documents[start : start + _FILLED_AT_ONCE]):
                number = first + start + place
                internal = make_internal(number + 1, number.to_bytes(9, "big"))
                keys = definition.keys(internal, image)
                writes.append(Write(definition.number, internal, None, image, (), keys))
            entry = Entry(ts, f"f{ts}", 0, "fill", None, None, None, (), tuple(writes))
            assert self.store.append(entry) is None


@contextmanager
def engine(directory: Path | None = None) -> Iterator[Engine]:
    """Have an engine until the block ends; over an empty file, or that of a directory."""
    with TemporaryDirectory() as own:
        made = Engine(directory or Path(own))
        try:
            yield made
        finally:
            made.store.close()
