"""The adapters of sessions and subscriptions, each opened anew for a test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.session_models import SESSION_MODELS
from chalicelib.adapters.dynamodb.sessions import DynamoSessions
from chalicelib.adapters.dynamodb.subscriptions import DynamoSubscriptions
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.dynamodb.usage import Usage
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.ports import SessionStore, SubscriptionIndex
from local.emulator import start_emulator

PREFIX = "test-"


@dataclass(frozen=True, slots=True)
class Opened:
    """Both ports of one adapter, empty."""

    sessions: SessionStore
    subscriptions: SubscriptionIndex


class Adapters:
    """Opens adapters for the tests of a module, which share one emulator."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._client: DynamoClient | None = None

    def open(self, name: str) -> Opened:
        """Open one of ``NAMES``."""
        return _OPENERS[name](self)

    def in_memory(self) -> Opened:
        return Opened(MemorySessions(), MemorySubscriptions())

    def in_dynamodb(self) -> Opened:
        if self._client is None:
            self._client = self._stack.enter_context(session_tables())
        for model in SESSION_MODELS:
            self._client.raw.delete_table(
                TableName=self._client.table(model.Meta.table_name)
            )
        create_tables(self._client.raw, PREFIX, SESSION_MODELS)
        return Opened(DynamoSessions(self._client), DynamoSubscriptions(self._client))

    def close(self) -> None:
        self._stack.close()


_OPENERS: dict[str, Callable[[Adapters], Opened]] = {
    "memory": Adapters.in_memory,
    "dynamodb": Adapters.in_dynamodb,
}

NAMES = list(_OPENERS)


@contextmanager
def adapters_of_a_module() -> Iterator[Adapters]:
    adapters = Adapters()
    try:
        yield adapters
    finally:
        adapters.close()


@contextmanager
def session_tables(usage: Usage | None = None) -> Iterator[DynamoClient]:
    """Empty tables of sessions and subscriptions, in an emulator."""
    with start_emulator() as emulator:
        client = DynamoClient(
            PREFIX, endpoint=emulator.endpoint, region=emulator.region, usage=usage
        )
        create_tables(client.raw, PREFIX, SESSION_MODELS)
        try:
            yield client
        finally:
            client.close()
