"""Plays interleavings on PostgreSQL: each transaction on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.errors import DeadlockDetected, SerializationFailure

from tests.proof.hermitage.anomalies import Anomaly
from tests.proof.hermitage.cluster import cluster
from tests.proof.hermitage.conductor import Conductor, Refused, TakenBack
from tests.proof.hermitage.parts import BEGINNING, Rows, Story

Connection = psycopg.Connection[tuple[int, int]]


class Cells:
    """The cells as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, key: int) -> int | None:
        return self._found("WHERE key = %s", key).get(key)

    def equal(self, value: int) -> dict[int, int]:
        return self._found("WHERE value = %s", value)

    def divisible(self, by: int) -> dict[int, int]:
        return self._found("WHERE value %% %s = 0", by)

    def insert(self, key: int, value: int) -> None:
        self._connection.execute("INSERT INTO cells VALUES (%s, %s)", (key, value))

    def put(self, key: int, value: int) -> None:
        self._connection.execute("UPDATE cells SET value = %s WHERE key = %s", (value, key))

    def add_to_all(self, amount: int) -> None:
        self._connection.execute("UPDATE cells SET value = value + %s", (amount,))

    def delete_equal(self, value: int) -> int:
        deleted = self._connection.execute("DELETE FROM cells WHERE value = %s", (value,))
        return deleted.rowcount

    def abort(self) -> None:
        raise TakenBack

    def _found(self, where: str, value: int) -> dict[int, int]:
        query = f"SELECT key, value FROM cells {where}"
        return dict(self._connection.execute(query.encode(), (value,)).fetchall())


class PostgresSystem:
    """PostgreSQL at one level of isolation."""

    def __init__(self, address: str, level: IsolationLevel) -> None:
        self.name = f"PostgreSQL {level.name.replace('_', ' ')}"
        self._address, self._level = address, level

    def tell(self, anomaly: Anomaly) -> Story:
        """Play an interleaving on a fresh table."""
        with ExitStack() as stack:
            observer = stack.enter_context(psycopg.connect(self._address, autocommit=True))
            _fill(observer)
            connections = {
                name: stack.enter_context(self._connect()) for name in anomaly.parts
            }

            def is_blocked(name: str) -> bool:
                row = observer.execute(
                    "SELECT cardinality(pg_blocking_pids(%s))",
                    (connections[name].info.backend_pid,),
                ).fetchone()
                return row is not None and row[0] > 0

            def perform(name: str, play: Callable[[Rows], list[Any]]) -> list[Any]:
                return _transact(connections[name], play)

            ended = Conductor(anomaly.parts, is_blocked).conduct(anomaly.order, perform)
            final: dict[int, int] = dict(
                observer.execute("SELECT key, value FROM cells").fetchall()
            )
        return Story(ended, final)

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._address)
        connection.isolation_level = self._level
        return connection


def _transact(connection: Connection, play: Callable[[Rows], list[Any]]) -> list[Any]:
    try:
        seen = play(Cells(connection))
        connection.commit()
    except TakenBack:
        connection.rollback()
        raise
    except (SerializationFailure, DeadlockDetected) as error:
        connection.rollback()
        raise Refused(type(error).__name__) from None
    return seen


def _fill(observer: psycopg.Connection[Any]) -> None:
    observer.execute("DROP TABLE IF EXISTS cells")
    observer.execute("CREATE TABLE cells (key int PRIMARY KEY, value int)")
    for cell in BEGINNING.items():
        observer.execute("INSERT INTO cells VALUES (%s, %s)", cell)


@contextmanager
def postgres() -> Iterator[dict[IsolationLevel, PostgresSystem]]:
    """PostgreSQL at each of its levels.

    Raises:
        Unavailable: there is none here.
    """
    with cluster() as address:
        yield {level: PostgresSystem(address, level) for level in LEVELS}


LEVELS = (
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.REPEATABLE_READ,
    IsolationLevel.SERIALIZABLE,
)
