"""The largest documents and transactions that there may be, through the engine, on each store."""

from __future__ import annotations

from threading import Lock
from uuid import uuid4

import pytest
from typing_extensions import override

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.engine.limits import MAX_BYTES_WRITTEN, MAX_DOCUMENT_BYTES
from chalicelib.engine.persistence import Persistence
from tests.conformance.conftest import PREFIX
from tests.conformance.stores import Store
from tests.trial import Trial

LARGEST_TEXT = MAX_DOCUMENT_BYTES - 12
"""Its document takes 2, its field's name and that of its kind 10 more."""

WITH_ITS_IMAGE = MAX_DOCUMENT_BYTES - len('{"content":""}')
"""Length of a text whose document is stored in exactly 1 MiB."""


def trial_on(persistence: Persistence) -> Trial:
    return Trial(persistence=persistence, packages=("tests.apps.shapes",))


def process_on(persistence: Persistence, first: Trial) -> Trial:
    """Another process, which did not deploy and holds nothing in memory."""
    return Trial(persistence=persistence, beside=first, packages=("tests.apps.shapes",))


def test_a_document_of_1_mib_is_written_indexed_and_read(
    store: Store, log: Persistence
) -> None:
    first = trial_on(log)

    first.mutate("values:keepText", length=LARGEST_TEXT)

    assert first.query("values:lengths") == [LARGEST_TEXT]
    later = process_on(store.again(log), first)
    (content,) = later.query("values:contents")
    assert len(content) == LARGEST_TEXT


def test_a_transaction_of_16_mib_is_written_and_read(
    store: Store, log: Persistence
) -> None:
    first = trial_on(log)
    copies = MAX_BYTES_WRITTEN // MAX_DOCUMENT_BYTES

    kept = first.mutate("values:keepText", length=WITH_ITS_IMAGE, copies=copies)

    assert len(set(kept)) == copies == 16
    later = process_on(store.again(log), first)
    assert later.query("values:lengths") == [WITH_ITS_IMAGE] * copies


class Killed(BaseException):
    """The process is gone: nothing of it runs on, whatever it would have caught."""


class Dying(DynamoClient):
    """A client whose process dies before it has put ``lives`` items into ``table``."""

    def __init__(self, table: str, lives: int) -> None:
        super().__init__(PREFIX, region="us-east-1")
        self._table, self._lives = table, lives
        self._counting = Lock()

    @override
    def put(
        self,
        table: str,
        item: Item,
        *,
        condition: str | None = None,
        values: Item | None = None,
        once: bool = False,
    ) -> None:
        with self._counting:
            self._lives -= table == self._table
            if self._lives < 0:
                raise Killed
        super().put(table, item, condition=condition, values=values, once=once)


def _write_and_tell(trial: Trial) -> None:
    """Commit an entry of several chunks; then rows, with two chunks for each document."""
    trial.mutate("values:keepText", length=600_000, copies=2)
    trial.tell()


@pytest.mark.parametrize(
    ("table", "lives", "committed"),
    [("chunks", 1, False), ("log", 0, False), ("rows", 0, True), ("chunks", 5, True)],
    ids=["between chunks", "before the entry", "before its rows", "between chunks of rows"],
)
def test_a_process_that_dies_on_the_way_commits_all_or_nothing(
    dynamodb: DynamoClient, table: str, lives: int, committed: bool
) -> None:
    name = uuid4().hex
    first = trial_on(DynamoPersistence(dynamodb, name))
    first.mutate("values:keepText", length=10)
    first.tell()
    client = Dying(table, lives)
    dying = process_on(DynamoPersistence(client, name), first)

    with pytest.raises(Killed):
        _write_and_tell(dying)
    client.close()

    written = [600_000] * 2 if committed else []
    later = process_on(DynamoPersistence(dynamodb, name), first)
    assert later.query("values:lengths") == [10, *written]
    later.mutate("values:keepText", length=600_000)
    later.tell()
    assert later.query("values:lengths") == [10, *written, 600_000]
    assert process_on(DynamoPersistence(dynamodb, name), first).query("values:lengths") == [
        10,
        *written,
        600_000,
    ]
