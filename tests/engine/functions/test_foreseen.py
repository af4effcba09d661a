"""What a mutation's arguments name is read in one call with the name of its request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.errors import ArgumentValidationError
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import IndexKey, Request, Row
from tests.trial import Trial, value

LISTS = ("tests.apps.lists",)


class Asked(MemoryPersistence):
    """Storage that notes what it is asked for, in how many calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    @override
    def get(self, index: int, key: bytes) -> Row | None:
        self.calls.append(1)
        return super().get(index, key)

    @override
    def get_all(self, keys: Sequence[IndexKey]) -> list[Row | None]:
        self.calls.append(len(keys))
        return [MemoryPersistence.get(self, *key) for key in keys]


@pytest.fixture
def storage() -> Asked:
    return Asked()


@pytest.fixture
def trial(storage: Asked) -> Trial:
    """A process whose tail holds nothing any more: rows are read."""
    first = Trial(packages=LISTS, persistence=storage)
    first.mutate("lines:add", topic="l", rank=1)
    first.mutate("lines:add", topic="l", rank=2)
    first.tell()
    made = Trial(packages=LISTS, beside=first)
    made.query("lines:ranks", topic="l")
    storage.calls.clear()
    return made


def line_of(trial: Trial) -> str:
    """The id of a line, found in the log."""
    entry = trial.persistence.tail(trial.engine.head() - 1).entries[0]
    return entry.writes[0].document_id


def ask(trial: Trial, path: str, number: int = 0, /, **arguments: Any) -> Any:
    """Call a mutation as a client's request."""
    call = Call(path, json.dumps(arguments).encode())
    return value(trial.engine.runner.mutation(call, Request("session", number)))


def test_the_document_and_the_requests_name_are_read_at_once(
    trial: Trial, storage: Asked
) -> None:
    ask(trial, "lines:move", line=line_of(trial), rank=5)

    assert storage.calls == [2]
    assert trial.query("lines:ranks", topic="l") == [1, 5]


def test_without_a_document_the_name_is_read_alone(trial: Trial, storage: Asked) -> None:
    ask(trial, "lines:add", topic="l", rank=3)

    assert storage.calls == [1]


def test_what_was_read_in_advance_conflicts_with_what_is_committed_meanwhile(
    trial: Trial, storage: Asked
) -> None:
    line, rival = line_of(trial), Trial(beside=trial, packages=LISTS)
    append = storage.append

    def overtaken(entry: Any) -> Any:
        storage.append = append  # type: ignore[method-assign]
        rival.mutate("lines:rename", line=line, text="theirs")
        return append(entry)

    storage.append = overtaken  # type: ignore[method-assign]

    ask(trial, "lines:move", line=line, rank=7)

    page = trial.query("lines:texts", topic="l", paginationOpts=FIRST_PAGE)
    assert "theirs" in page["page"]
    assert trial.query("lines:ranks", topic="l") == [1, 7]


def test_a_request_that_was_answered_is_answered_the_same(trial: Trial) -> None:
    line = line_of(trial)
    ask(trial, "lines:move", line=line, rank=5)
    trial.tell()
    later = Trial(beside=trial, packages=LISTS)

    ask(later, "lines:move", line=line, rank=5)

    assert trial.query("lines:ranks", topic="l") == [1, 5]
    assert later.engine.head() == trial.engine.head()


@pytest.mark.parametrize("text", ["no id", "", "x" * 40])
def test_texts_that_are_no_ids_are_left_to_the_signature(trial: Trial, text: str) -> None:
    with pytest.raises(ArgumentValidationError):
        ask(trial, "lines:move", line=text, rank=5)


FIRST_PAGE = {"numItems": 9, "cursor": None}
