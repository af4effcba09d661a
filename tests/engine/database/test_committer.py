"""One conditional put commits; everything that interferes is noticed."""

from __future__ import annotations

import pytest

from chalicelib.engine.database.committer import (
    MAX_LAG_ENTRIES,
    PUT_PATIENCE_MS,
    Committer,
    Conflicted,
    Draft,
)
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import EntryTooLarge, OutcomeUnknown
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Interval
from tests.backend import VirtualClock
from tests.conformance.entries import INDEX, entry, put, ts
from tests.trial import Interrupted

READS = ReadSet([Interval(INDEX, b"a", b"b")])


class Desk:
    """A committer, and rivals that put right before it does."""

    def __init__(self) -> None:
        self.storage, self.clock = Interrupted(), VirtualClock()
        self.tail = LogTail(self.storage, self.clock)
        self.committer = Committer(self.storage, self.tail, self.clock)

    def commit(self, transaction: str = "mine", reads: ReadSet = READS) -> Entry:
        view = self.tail.view()
        draft = Draft(entry(0, put(b"a", b"mine"), transaction=transaction))
        return self.committer.commit(view, reads, draft)

    def rivals(self, *entries: Entry) -> None:
        waiting = list(entries)

        def put_first(_: Entry) -> None:
            self.storage.before_append = lambda _: None
            while waiting:
                self.storage.append(waiting.pop(0))

        self.storage.before_append = put_first

    def failing(self, errors: list[Exception]) -> None:
        def fail(_: Entry) -> None:
            if errors:
                raise errors.pop(0)

        self.storage.before_append = fail


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestCommit:
    def test_puts_at_the_next_position(self, desk: Desk) -> None:
        assert [desk.commit(name).ts for name in ("one", "two")] == [ts(1), ts(2)]

    def test_goes_behind_others_that_did_not_touch_what_was_read(self, desk: Desk) -> None:
        desk.rivals(*(entry(n, put(b"z", b"{}")) for n in (1, 2, 3)))

        assert desk.commit().ts == ts(4)

    @pytest.mark.parametrize("at", [1, 2, 3])
    def test_is_refused_if_one_of_them_touched_it(self, desk: Desk, at: int) -> None:
        desk.rivals(*(entry(n, put(b"a" if n == at else b"z", b"{}")) for n in (1, 2, 3)))

        with pytest.raises(Conflicted):
            desk.commit()

        assert [e.transaction for e in desk.storage.tail(ts(0)).entries] == [
            f"transaction-{n}" for n in (1, 2, 3)
        ]

    def test_that_reads_nothing_never_conflicts(self, desk: Desk) -> None:
        desk.rivals(entry(1, put(b"a", b"{}")))

        assert desk.commit(reads=ReadSet()).ts == ts(2)

    def test_finds_its_own_entry_where_an_earlier_put_had_landed(self, desk: Desk) -> None:
        desk.rivals(entry(1, put(b"a", b"mine"), transaction="mine"))

        assert desk.commit().ts == ts(1)
        assert len(desk.storage.tail(ts(0)).entries) == 1

    def test_repeats_a_put_that_was_not_answered_at_the_same_position(
        self, desk: Desk
    ) -> None:
        desk.failing([OutcomeUnknown("lost"), OutcomeUnknown("lost")])

        assert desk.commit().ts == ts(1)

    def test_ends_with_an_unknown_outcome_when_nothing_answers(self, desk: Desk) -> None:
        desk.failing([OutcomeUnknown("lost")] * 100_000)
        before_ms = desk.clock.now_ms()

        with pytest.raises(OutcomeUnknown):
            desk.commit()

        assert desk.clock.now_ms() - before_ms >= PUT_PATIENCE_MS

    def test_is_refused_at_once_where_the_entry_cannot_be_stored(self, desk: Desk) -> None:
        desk.failing([EntryTooLarge("too large")])

        with pytest.raises(EntryTooLarge):
            desk.commit()

    def test_takes_no_refusal_for_the_answer_to_a_put_that_was_not_answered(
        self, desk: Desk
    ) -> None:
        desk.failing([OutcomeUnknown("lost"), *[EntryTooLarge("no")] * 100_000])

        with pytest.raises(OutcomeUnknown):
            desk.commit()


class TestCatchingUp:
    def test_applies_every_entry_and_moves_the_mark(self, desk: Desk) -> None:
        for name in ("one", "two"):
            desk.commit(name)

        assert desk.committer.catch_up() == ts(2)
        assert desk.storage.marks().applied == ts(2)
        row = desk.storage.get(INDEX, b"a")
        assert row is not None
        assert row.ts == ts(2)

    def test_of_nothing_does_nothing(self, desk: Desk) -> None:
        assert desk.committer.catch_up() == ts(0)

    def test_goes_on_from_where_another_has_moved_the_mark(self, desk: Desk) -> None:
        for name in ("one", "two", "three"):
            desk.commit(name)
        other = Committer(desk.storage, LogTail(desk.storage, desk.clock), desk.clock)
        other.catch_up()

        assert desk.committer.catch_up() == ts(3)

    def test_is_done_by_a_committer_that_is_far_ahead_of_the_mark(self, desk: Desk) -> None:
        desk.tail.refresh()
        for position in range(1, MAX_LAG_ENTRIES + 2):
            desk.storage.append(entry(position))
        desk.tail.refresh()

        desk.commit()

        assert desk.storage.marks().applied == ts(MAX_LAG_ENTRIES + 1)
