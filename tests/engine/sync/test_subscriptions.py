"""Read sets are registered where commits that touch them are looked for."""

from __future__ import annotations

import pytest

from chalicelib.engine.database.read_set import point, widened
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Subscription
from chalicelib.engine.sync.subscriptions import in_order, shared_prefix, subscriptions
from chalicelib.engine.values.order import key_bytes
from tests.trial import Trial

ID = b"\x01" * 16


class TestSharedPrefix:
    def test_of_a_single_key_is_the_key(self) -> None:
        assert shared_prefix(point((3, ID))) == ID

    def test_of_an_equality_is_the_value(self) -> None:
        prefix = key_bytes(["a"])

        assert shared_prefix(widened(3, prefix, prefix + b"\xff")) == prefix

    def test_of_a_range_below_an_equality_is_the_equality(self) -> None:
        low, high = key_bytes(["a", "k"]), key_bytes(["a", "p"])

        assert shared_prefix(Interval(3, low, high)) == key_bytes(["a"])

    def test_of_a_whole_index_is_empty(self) -> None:
        assert shared_prefix(Interval(3, b"", None)) == b""

    def test_is_whole_fields_where_two_values_begin_alike(self) -> None:
        low, high = key_bytes(["abcx"]), key_bytes(["abcy"])

        assert shared_prefix(Interval(3, low, high)) == b""


def test_each_interval_is_one_row_of_the_connection() -> None:
    reads = (Interval(3, b"", None), point((4, ID)), point((4, ID)))

    assert subscriptions("c", reads) == {
        Subscription(b"", reads[0], "c"),
        Subscription(ID, reads[1], "c"),
    }


def test_an_interval_without_an_end_is_sorted_behind_those_with_one() -> None:
    low, high = Interval(3, b"", b"k"), Interval(3, b"", None)

    found = in_order(subscriptions("c", (high, low)))

    assert [one.interval for one in found] == [low, high]


class TestWhomACommitWakes:
    @pytest.mark.parametrize(
        ("label", "wakes"), [("a", 1), ("bb", 1), ("c", 0), ("d", 0), ("zz", 0)]
    )
    def test_a_reader_of_the_first_documents_is_not_woken_beyond_the_last_one_that_it_got(
        self, label: str, wakes: int
    ) -> None:
        trial = Trial()
        for each in "bcd":
            trial.mutate("items:add", group="g", label=each)
        trial.socket().begin().watch(0, "items:first", group="g", count=2)
        trial.tell()

        # Another "c" comes after the one that was returned, since it is younger.
        trial.mutate("items:add", group="g", label=label)

        assert trial.tell() == wakes

    @pytest.mark.parametrize(("label", "wakes"), [("e", 1), ("cc", 1), ("b", 0), ("", 0)])
    def test_nor_is_one_of_the_last_documents(self, label: str, wakes: int) -> None:
        trial = Trial()
        for each in "bcd":
            trial.mutate("items:add", group="g", label=each)
        trial.socket().begin().watch(0, "items:last", group="g", count=2)
        trial.tell()

        trial.mutate("items:add", group="g", label=label)

        assert trial.tell() == wakes

    def test_a_reader_of_more_than_there_is_is_woken_by_whatever_comes(self) -> None:
        trial = Trial()
        trial.socket().begin().watch(0, "items:first", group="g", count=2)

        trial.mutate("items:add", group="g", label="x")

        assert trial.tell() == 1

    def test_a_reader_of_a_document_by_id_is_woken_by_its_changes_only(self) -> None:
        trial = Trial()
        mine, other = (trial.mutate("items:add", group="g", label=i) for i in "ab")
        socket = trial.socket().begin().watch(0, "items:get", document=mine)
        trial.tell()

        trial.mutate("items:move", document=other, label="x")
        not_mine = trial.tell()
        trial.mutate("items:remove", document=mine)

        assert (not_mine, trial.tell()) == (0, 1)
        assert socket.seen() == {0: None}
