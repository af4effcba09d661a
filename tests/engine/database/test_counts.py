"""Counts are exact at every timestamp, and read no document after the first time."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.engine.database import counts
from chalicelib.engine.errors import TransactionLimit
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.persistence import Interval
from tests.trial import Interrupted, Trial, value

LISTS = ("tests.apps.lists",)


@pytest.fixture
def trial() -> Trial:
    return Trial(packages=LISTS)


class Scans(Interrupted):
    """Storage that remembers which indexes were scanned."""

    def __init__(self) -> None:
        super().__init__()
        self.scanned: list[Interval] = []
        self.after_scan = self.scanned.append


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9)),
        st.tuples(st.just("remove"), st.integers(0, 99)),
        st.tuples(st.just("move"), st.integers(0, 99)),
        st.tuples(st.just("apply"), st.just(0)),
        st.tuples(st.just("elsewhere"), st.integers(0, 9)),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(ACTS, st.integers(1, 3))
def test_a_count_is_the_length_of_what_is_there(
    acts: list[tuple[str, int]], renewed_after: int
) -> None:
    trial = Trial(packages=LISTS)
    other = Trial(beside=trial, packages=LISTS)
    held: dict[str, int] = {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "RENEWED_AFTER_ENTRIES", renewed_after)
        for act, number in acts:
            process = other if act == "elsewhere" else trial
            if act in ("add", "elsewhere"):
                held[process.mutate("lines:add", topic="l", rank=number)] = number
            elif act == "apply":
                trial.tell()
            elif held:
                line = list(held)[number % len(held)]
                if act == "remove":
                    trial.mutate("lines:remove", line=line)
                    del held[line]
                else:
                    trial.mutate("lines:move", line=line, rank=number % 10)
                    held[line] = number % 10
            for low, high in ((0, 1000), (3, 7)):
                there = sum(low <= rank < high for rank in held.values())
                found = process.query("lines:count", topic="l", low=low, high=high)
                assert found == there


class TestACount:
    def test_walks_the_keys_once_and_then_reads_the_log_alone(self) -> None:
        storage = Scans()
        trial = Trial(packages=LISTS, persistence=storage)
        trial.mutate("lines:addMany", topic="l", count=5)
        trial.tell()
        storage.scanned.clear()

        first = trial.query("lines:count", topic="l")
        scanned = len(storage.scanned)
        trial.mutate("lines:add", topic="l", rank=1)
        second = Trial(beside=trial, packages=LISTS).query("lines:count", topic="l")

        assert (first, second) == (5, 6)
        assert scanned == 1
        assert len(storage.scanned) == 1

    def test_is_exact_in_the_past_too(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=3)
        ts = trial.engine.head()
        trial.mutate("lines:addMany", topic="l", count=4)
        trial.query("lines:count", topic="l")

        raw = msgspec.json.encode({"topic": "l"})
        past = trial.engine.query_in_past(Call("lines:count", raw), ts)

        assert value(past) == 3

    def test_sees_what_its_own_transaction_wrote(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=3)

        assert trial.mutate("lines:countAndAdd", topic="l") == 4

    def test_is_in_the_read_set_of_a_mutation(self) -> None:
        storage = Interrupted()
        trial = Trial(packages=LISTS, persistence=storage)
        rival = Trial(beside=trial, packages=LISTS)

        def interfere(entry: object) -> None:
            storage.before_append = lambda _: None
            rival.mutate("lines:countAndAdd", topic="l")

        storage.before_append = interfere

        assert trial.mutate("lines:countAndAdd", topic="l") == 2
        assert trial.query("lines:ranks", topic="l") == [0, 1]

    def test_is_not_made_again_when_only_the_documents_change(self) -> None:
        runs: list[str] = []
        trial = Trial(packages=LISTS, observe=lambda path, _: runs.append(path))
        line = trial.mutate("lines:add", topic="l", rank=1)
        socket = trial.socket().begin().watch(0, "lines:count", topic="l")
        trial.tell()

        trial.mutate("lines:rename", line=line, text="new")
        trial.tell()
        renamed = runs.count("lines:count")
        trial.mutate("lines:move", line=line, rank=2)
        trial.tell()

        assert (renamed, runs.count("lines:count")) == (1, 2)
        assert socket.seen() == {0: 1}

    def test_wakes_whoever_watches_it(self, trial: Trial) -> None:
        socket = trial.socket().begin().watch(0, "lines:count", topic="l", high=5)
        trial.tell()

        trial.mutate("lines:add", topic="l", rank=9)
        outside = trial.tell()
        trial.mutate("lines:add", topic="l", rank=1)

        assert (outside, trial.tell()) == (0, 1)
        assert socket.seen() == {0: 1}

    def test_of_what_a_policy_shows_reads_the_documents(self, trial: Trial) -> None:
        trial.mutate("lines:add", topic="l", rank=1)
        trial.mutate("lines:add", topic="l", rank=1, owner="ann")

        assert trial.query("lines:countSeen", topic="l") == 1
        assert trial.query("lines:countSeen", trial.users["ann"], topic="l") == 2

    def test_of_too_many_keys_is_refused_rather_than_late(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counts, "MAX_KEYS_WALKED", 3)
        trial.mutate("lines:addMany", topic="l", count=4)

        with pytest.raises(TransactionLimit, match="count narrower ranges"):
            trial.query("lines:count", topic="l")
