"""Documents come in the order of the index and within its bounds, however long their keys are."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from chalicelib.adapters.cursors import SivCursors
from chalicelib.engine.database.catalogue import Catalogue, IndexDefinition, TableDefinition
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.query import Query, RangePlan, Target
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import NotUnique, QueryMisused
from chalicelib.engine.log import MAX_KEY_BYTES, ORIGIN
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.schema import Document
from chalicelib.engine.values.encoding import decode, encode
from tests.backend import VirtualClock
from tests.conformance.entries import entry
from tests.trial import Interrupted, Trial

LONG = "p" * (MAX_KEY_BYTES + 50)
INDEX = IndexDefinition(20, ("label",), "ready")
TABLE = TableDefinition(16, 16, {"by_label": INDEX})


def transaction(*labels: str) -> Transaction:
    """A transaction over documents with these labels, made in this order."""
    storage, clock = Interrupted(), VirtualClock()
    tail = LogTail(storage, clock)
    made = Transaction(Snapshot(storage, tail, tail.refresh()), Catalogue())
    for number, label in enumerate(labels):
        made.put(TABLE, number.to_bytes(16, "big"), encode({"label": label}))
    storage.append(entry(1, *made.writes()))
    return Transaction(Snapshot(storage, tail, tail.refresh()), Catalogue())


def label_of(_: bytes, image: bytes) -> str:
    document: Any = decode(image)
    return str(document["label"])


def query(over: Transaction, plan: RangePlan | None = None) -> Query[str]:
    pages = Pages(SivCursors(b"a test"), None)
    whole = RangePlan(INDEX, (), None, None)
    target = Target(over, TABLE, "labels", plan or whole, label_of, None, pages, Document)
    return Query(target)


class TestOrder:
    def test_is_that_of_the_index_and_then_of_creation(self) -> None:
        over = transaction("b", "a", "b", "c")

        assert query(over).collect() == ["a", "b", "b", "c"]
        assert query(over).order("desc").collect() == ["c", "b", "b", "a"]

    def test_without_an_index_is_that_of_creation(self) -> None:
        over = transaction("b", "a", "c")

        assert query(over, RangePlan(None, (), None, None)).collect() == ["b", "a", "c"]


class TestTaking:
    def test_gives_as_many_as_there_are(self) -> None:
        over = transaction("a", "b")

        assert [query(over).take(n) for n in (0, 1, 2, 9)] == [
            [],
            ["a"],
            ["a", "b"],
            ["a", "b"],
        ]

    def test_reads_no_further_than_the_last_one(self) -> None:
        over = transaction("a", "b", "c", "d")
        query(over).take(2)

        assert [over.read_set.holds((20, key)) for key in keys_of(over)] == [
            True,
            True,
            False,
            False,
        ]

    def test_in_reverse_reads_no_further_either(self) -> None:
        over = transaction("a", "b", "c", "d")
        query(over).order("desc").take(2)

        assert [over.read_set.holds((20, key)) for key in keys_of(over)] == [
            False,
            False,
            True,
            True,
        ]

    def test_everything_reads_to_the_end_of_the_range(self) -> None:
        over = transaction("a")
        query(over).take(2)

        assert over.read_set.holds((20, b"\xff"))

    def test_the_first_of_nothing_is_none(self) -> None:
        assert query(transaction()).first() is None

    def test_the_only_one_is_the_only_one(self) -> None:
        assert query(transaction("a")).unique() == "a"
        assert query(transaction()).unique() is None
        with pytest.raises(NotUnique):
            query(transaction("a", "b")).unique()


def keys_of(over: Transaction) -> list[bytes]:
    entries = over.snapshot.view.entries
    return sorted(key for e in entries for index, key in e.touched() if index == 20)


class TestFilter:
    def test_leaves_out_what_was_read_all_the_same(self) -> None:
        over = transaction("a", "b", "c", "d")

        found = query(over).filter(lambda label: label in "cd").take(1)

        assert found == ["c"]
        assert [over.read_set.holds((20, key)) for key in keys_of(over)] == [
            True,
            True,
            True,
            False,
        ]

    def test_may_be_given_twice(self) -> None:
        over = transaction("a", "b", "c")

        found = (
            query(over).filter(lambda label: label > "a").filter(lambda label: label < "c")
        )

        assert list(found) == ["b"]


LABELS = ["", "a", LONG, LONG + "a", LONG + "b", LONG + "c", LONG[:-1] + "q", "z"]


class TestLongKeys:
    @pytest.fixture
    def trial(self, every_log: Persistence) -> Trial:
        trial = Trial(persistence=every_log)
        for label in (LABELS[i] for i in (4, 7, 0, 2, 6, 1, 5, 3)):
            trial.mutate("items:add", group=label[-3:], label=label)
        return trial

    @pytest.mark.parametrize("applied", [True, False])
    @pytest.mark.parametrize("reverse", [True, False])
    def test_are_found_within_every_pair_of_bounds_in_order(
        self, trial: Trial, reverse: bool, applied: bool
    ) -> None:
        if applied:
            trial.tell()
        for low, high in product(LABELS, repeat=2):
            more: dict[str, Any] = {"low": low, "high": high, "reverse": reverse}
            inside = sorted((t for t in LABELS if low < t < high), reverse=reverse)
            ends = sorted((t for t in LABELS if low <= t <= high), reverse=reverse)

            assert trial.query("items:between", **more) == inside
            assert trial.query("items:between", closed=True, **more) == ends

    def test_are_found_by_equality_alone(self, trial: Trial) -> None:
        for label in LABELS:
            assert trial.query("items:equal", label=label) == [label[-3:]]

    def test_wake_their_readers(self, trial: Trial) -> None:
        socket = trial.socket().begin().watch(0, "items:equal", label=LONG + "new")
        trial.tell()

        trial.mutate("items:add", group="g", label=LONG + "new")

        assert trial.tell() == 1
        assert socket.seen() == {0: ["g"]}

    def test_are_moved_and_removed(self, trial: Trial) -> None:
        made = trial.mutate("items:add", group="g", label=LONG + "x")
        trial.mutate("items:move", document=made, label=LONG + "y")
        moved = [trial.query("items:equal", label=LONG + end) for end in "xy"]
        trial.mutate("items:remove", document=made)

        assert moved == [[], ["g"]]
        assert trial.query("items:equal", label=LONG + "y") == []


def test_a_range_of_many_pages_is_read_whole_and_in_order() -> None:
    labels = [f"{number:05}" for number in range(300)]
    over = transaction(*labels)

    assert query(over).collect() == labels
    assert query(over).order("desc").collect() == labels[::-1]
    assert over.snapshot.ts == ORIGIN + 1


class TestFromAFunction:
    @pytest.fixture
    def trial(self, every_log: Persistence) -> Trial:
        return Trial(packages=("tests.apps.lists",), persistence=every_log)

    def test_a_missing_field_comes_before_null_and_that_before_text(
        self, trial: Trial
    ) -> None:
        trial.mutate("lines:addTagged", text="text", tag="a")
        trial.mutate("lines:addTagged", text="null")
        trial.mutate("lines:addTagged", text="missing", absent=True)

        assert trial.query("lines:byTag") == ["missing", "null", "text"]
        assert trial.query("lines:tagged", absent=True) == ["missing"]
        assert trial.query("lines:tagged") == ["null"]

    @pytest.mark.parametrize(
        ("how", "why"), [("take", "from 0 on"), ("order", '"asc" or "desc"')]
    )
    def test_what_makes_no_sense_is_refused(self, trial: Trial, how: str, why: str) -> None:
        with pytest.raises(QueryMisused, match=why):
            trial.query("lines:misuse", how=how)

    def test_several_documents_are_not_unique_in_convexs_words(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=2)

        with pytest.raises(
            NotUnique,
            match="unique\\(\\) query returned more than one result from table lines",
        ):
            trial.query("lines:misuse", how="unique")
