"""A run sees its own writes, and remembers what it has looked for."""

from __future__ import annotations

import pytest

from chalicelib.engine.database.catalogue import (
    CATALOGUE_KEY,
    Catalogue,
    IndexDefinition,
    TableDefinition,
)
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.persistence import Interval
from chalicelib.engine.values.encoding import encode
from chalicelib.engine.values.order import key_bytes
from tests.backend import VirtualClock
from tests.conformance.entries import document, entry
from tests.trial import Interrupted

INDEX = IndexDefinition(20, ("label",), "ready")
TABLE = TableDefinition(16, 16, {"by_label": INDEX})
ALL = Interval(20, b"", None)


class World:
    """A log with three documents, labelled b, d and f."""

    def __init__(self) -> None:
        self.storage, self.clock = Interrupted(), VirtualClock()
        self.tail = LogTail(self.storage, self.clock)
        first = self.transaction()
        for number, label in enumerate("bdf"):
            first.insert(TABLE, document(number), image(label))
        self.storage.append(entry(1, *first.writes()))

    def transaction(self) -> Transaction:
        view = self.tail.refresh()
        return Transaction(Snapshot(self.storage, self.tail, view), Catalogue())


def image(label: str) -> bytes:
    return encode({"label": label})


def labels(
    over: Transaction, *, reverse: bool = False, interval: Interval = ALL
) -> list[bytes]:
    rows = over.rows(interval, reverse=reverse, limit=None)
    return [row.image or b"" for row in rows]


@pytest.fixture
def world() -> World:
    return World()


class TestOwnWrites:
    @pytest.mark.parametrize("reverse", [True, False])
    def test_are_laid_over_ranges_in_order(self, world: World, reverse: bool) -> None:
        over = world.transaction()
        over.insert(TABLE, document(7), image("c"))
        over.put(TABLE, document(0), image("z"))
        over.put(TABLE, document(1), None)

        expected = [image(label) for label in "cfz"]
        assert labels(over, reverse=reverse) == (expected[::-1] if reverse else expected)

    def test_follow_a_document_that_moves_twice(self, world: World) -> None:
        over = world.transaction()
        for label in "xyb":
            over.put(TABLE, document(0), image(label))

        assert labels(over) == [image(label) for label in "bdf"]

    def test_are_seen_by_id(self, world: World) -> None:
        over = world.transaction()
        over.put(TABLE, document(0), image("x"))
        over.put(TABLE, document(1), None)

        assert over.get(TABLE, document(0)) == image("x")
        assert over.get(TABLE, document(1)) is None


class TestWrites:
    def test_name_the_rows_before_and_after(self, world: World) -> None:
        over = world.transaction()
        over.put(TABLE, document(0), image("x"))

        (write,) = over.writes()

        assert (write.before, write.after) == (image("b"), image("x"))
        assert write.removed == ((16, document(0)), (20, key_bytes(["b"]) + document(0)))
        assert write.added == ((16, document(0)), (20, key_bytes(["x"]) + document(0)))

    def test_leave_out_what_came_and_went(self, world: World) -> None:
        over = world.transaction()
        over.insert(TABLE, document(7), image("c"))
        over.put(TABLE, document(7), None)

        assert over.writes() == ()

    def test_have_a_document_read_that_they_change(self, world: World) -> None:
        over = world.transaction()
        over.put(TABLE, document(0), image("x"))

        assert over.read_set.holds((16, document(0)))

    def test_claim_the_id_of_a_new_document(self, world: World) -> None:
        over = world.transaction()
        over.insert(TABLE, document(7), image("c"))

        assert over.read_set.holds((16, document(7)))


class TestReadSet:
    def test_holds_the_catalogue_always(self, world: World) -> None:
        assert world.transaction().read_set.holds(CATALOGUE_KEY)

    def test_grows_as_far_as_the_caller_has_read(self, world: World) -> None:
        over = world.transaction()
        rows = over.rows(ALL, reverse=False, limit=None)

        next(rows)

        assert over.read_set.holds((20, key_bytes(["b"]) + document(0)))
        assert over.read_set.holds((20, key_bytes(["a"])))
        assert not over.read_set.holds((20, key_bytes(["c"])))

    def test_reaches_the_end_of_the_range_when_it_was_read_out(self, world: World) -> None:
        over = world.transaction()

        labels(over, interval=Interval(20, key_bytes(["c"]), key_bytes(["e"])))

        held = [over.read_set.holds((20, key_bytes([label]))) for label in "bce"]
        assert held == [False, True, False]

    def test_holds_a_document_that_was_not_there(self, world: World) -> None:
        over = world.transaction()

        assert over.get(TABLE, document(9)) is None
        assert over.read_set.holds((16, document(9)))
