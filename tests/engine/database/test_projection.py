"""Whoever reads a few fields of documents is not concerned by what is written into others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.engine.auth import AdminIdentity
from tests.trial import Interrupted, Trial

SHELVES = ("tests.apps.shelves", "chalicelib.system")
BY_SHELF = ("titles", "seenTitles", "lentTitles", "away", "names", "notes")
BY_BOOK = ("title", "titleAndBook", "seenTitle")


@pytest.fixture
def trial() -> Trial:
    return Trial(packages=SHELVES)


def ask(trial: Trial, what: str, /, **arguments: Any) -> Any:
    return trial.query(f"_system/live:{what}", AdminIdentity(None), **arguments)


def runs(trial: Trial, path: str, what: str, /, **arguments: Any) -> int:
    """How many live queries a commit has run."""
    before = ask(trial, "statistics")
    trial.mutate(f"books:{what}", **arguments)
    trial.tell()
    after = ask(trial, "statistics")
    ran = after["LiveQueriesRun"] - before["LiveQueriesRun"]
    proved = after["LiveQueriesProved"] - before["LiveQueriesProved"]
    assert (ran, proved) in ((0, 1), (1, 0)), (path, what)
    return int(ran)


def watching(trial: Trial, path: str, /, **arguments: Any) -> str:
    """Put a book on a shelf, watch it, and return its id."""
    book: str = trial.mutate("books:add", shelf="s", title="t")
    trial.tell()
    trial.socket().begin().watch(0, path, **arguments or {"shelf": "s"})
    return book


class TestALiveQuery:
    def test_does_not_run_for_a_field_that_it_does_not_read(self, trial: Trial) -> None:
        book = watching(trial, "books:titles")

        assert runs(trial, "books:titles", "lend", book=book, to="ann") == 0
        assert runs(trial, "books:titles", "annotate", book=book, note="well") == 0

    def test_runs_for_one_that_it_reads_and_for_rows_that_come_or_go(
        self, trial: Trial
    ) -> None:
        book = watching(trial, "books:titles")

        assert runs(trial, "books:titles", "rename", book=book, name="u") == 1
        assert runs(trial, "books:titles", "add", shelf="s", title="v") == 1
        assert runs(trial, "books:titles", "move", book=book, shelf="other") == 1
        assert runs(trial, "books:titles", "move", book=book, shelf="s") == 1
        assert runs(trial, "books:titles", "remove", book=book) == 1

    def test_that_reads_by_id_does_the_same(self, trial: Trial) -> None:
        book = trial.mutate("books:add", shelf="s", title="t")
        trial.socket().begin().watch(0, "books:title", book=book)

        assert runs(trial, "books:title", "move", book=book, shelf="other") == 0
        assert runs(trial, "books:title", "rename", book=book, name="u") == 1
        assert runs(trial, "books:title", "remove", book=book) == 1

    def test_reads_a_field_that_was_absent(self, trial: Trial) -> None:
        book = watching(trial, "books:away")

        assert runs(trial, "books:away", "annotate", book=book, note="well") == 0
        assert runs(trial, "books:away", "lend", book=book, to="ann") == 1
        assert runs(trial, "books:away", "lend", book=book, to=None) == 1

    def test_that_reads_no_field_minds_keys_alone(self, trial: Trial) -> None:
        book = watching(trial, "books:names")

        assert runs(trial, "books:names", "rename", book=book, name="u") == 0
        assert runs(trial, "books:names", "remove", book=book) == 1

    @pytest.mark.parametrize("path", ["books:lentTitles", "books:seenTitles"])
    def test_behind_a_filter_or_a_row_policy_reads_all(
        self, trial: Trial, path: str
    ) -> None:
        book = watching(trial, path)

        assert runs(trial, path, "annotate", book=book, note="well") == 1

    def test_that_reads_the_document_whole_besides_reads_all(self, trial: Trial) -> None:
        book = trial.mutate("books:add", shelf="s", title="t")
        socket = trial.socket().begin().watch(0, "books:titleAndBook", book=book)

        assert runs(trial, "books:titleAndBook", "annotate", book=book, note=1) == 1
        assert socket.seen()[0][1]["note"] == 1

    def test_of_a_page_reads_all_since_its_end_depends_on_it(self, trial: Trial) -> None:
        options = {"numItems": 2, "cursor": None}
        book = watching(trial, "books:page", shelf="s", paginationOpts=options)

        assert runs(trial, "books:page", "annotate", book=book, note="long") == 1

    @pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (1.0, True), ([1.0], [True])])
    def test_tells_values_apart_that_are_equal_in_python(
        self, trial: Trial, one: Any, other: Any
    ) -> None:
        book = watching(trial, "books:notes")
        trial.mutate("books:annotate", book=book, note=one)
        trial.tell()

        assert runs(trial, "books:notes", "annotate", book=book, note=other) == 1


class TestAMutation:
    @pytest.mark.parametrize(
        ("what", "more"), [("annotate", {"note": 1}), ("lend", {"to": "a"})]
    )
    def test_does_not_conflict_with_a_field_that_it_does_not_read(
        self, what: str, more: dict[str, Any]
    ) -> None:
        assert _runs_beside(what, more) == 1

    @pytest.mark.parametrize(
        ("what", "more"),
        [("rename", {"name": "u"}), ("move", {"shelf": "o"}), ("remove", {})],
    )
    def test_conflicts_with_one_that_it_reads(
        self, what: str, more: dict[str, Any]
    ) -> None:
        assert _runs_beside(what, more) == 2

    def test_sees_what_it_has_written_itself(self, trial: Trial) -> None:
        book = trial.mutate("books:add", shelf="s", title="t")

        assert trial.mutate("books:renameAndLook", book=book, name="u") == ["t", "u", ["u"]]


class TestMisuse:
    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ("unknown", "Price.price: Book has no such field"),
            ("twice", "only() was called twice"),
            ("none", "only() takes a Struct"),
            ("document", "only() takes a Struct"),
        ],
    )
    def test_is_told_by_its_name(
        self, trial: Trial, caplog: pytest.LogCaptureFixture, how: str, words: str
    ) -> None:
        outcome = trial.call("books:misuse", "query", how=how)

        assert outcome.failure is not None
        assert words in f"{outcome.failure} {caplog.text}"


class TestExplaining:
    def test_names_the_fields_of_what_was_touched(self, trial: Trial) -> None:
        book = watching(trial, "books:titles")

        trial.mutate("books:rename", book=book, name="u")
        trial.tell()

        cause = ask(trial, "reruns")[0]["cause"]
        assert (cause["document"], cause["fields"]) == (book, ["_id", "title"])

    def test_finds_the_watchers_of_a_field_and_no_others(self, trial: Trial) -> None:
        book = watching(trial, "books:titles")

        def watchers(**write: Any) -> int:
            return len(ask(trial, "watchers", documentId=book, **write)["watchers"])

        assert watchers(fields={"title": "u"}) == watchers() == watchers(deleted=True) == 1
        assert watchers(fields={"note": "well"}) == watchers(fields={"title": "t"}) == 0


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "lend", "annotate", "rename", "move", "remove", "elsewhere"]
        ),
        st.integers(0, 5),
        st.sampled_from(["a", "b"]),
    ),
    max_size=15,
)


@settings(max_examples=15, deadline=None)
@given(ACTS)
def test_what_is_watched_is_what_a_fresh_process_reads(
    acts: list[tuple[str, int, str]],
) -> None:
    trial = Trial(packages=SHELVES)
    books = [trial.mutate("books:add", shelf=s, title=s) for s in "ab"]
    asked = [(f"books:{name}", {"shelf": shelf}) for name in BY_SHELF for shelf in "ab"]
    asked += [(f"books:{name}", {"book": book}) for name in BY_BOOK for book in books]
    socket = trial.socket().begin()
    for number, (path, arguments) in enumerate(asked):
        socket.watch(number, path, **arguments)

    for what, number, text in acts:
        _act(trial, books, what, number, text)
        trial.tell()

        fresh = Trial(beside=trial, packages=SHELVES)
        shown = socket.seen()
        assert [shown[n] for n in range(len(asked))] == [
            fresh.query(path, None, **arguments) for path, arguments in asked
        ]


def _act(trial: Trial, books: list[str], what: str, number: int, text: str) -> None:
    book = books[number % len(books)]
    process = Trial(beside=trial, packages=SHELVES) if what == "elsewhere" else trial
    calls: dict[str, dict[str, Any]] = {
        "lend": {"to": text if number % 2 else None},
        "annotate": {"note": number % 2},
        "rename": {"name": text},
        "move": {"shelf": text},
        "remove": {},
    }
    if what in ("add", "elsewhere"):
        books.append(process.mutate("books:add", shelf=text, title=text))
    else:
        trial.call(f"books:{what}", "mutation", book=book, **calls[what])


def _runs_beside(what: str, more: dict[str, Any]) -> int:
    """How often a mutation runs that reads titles, while another one commits."""
    trial = Trial(persistence=(storage := Interrupted()), packages=SHELVES)
    other = Trial(beside=trial, packages=SHELVES)
    book = trial.mutate("books:add", shelf="s", title="t")
    scans: list[Any] = []

    def rival(_: Any) -> None:
        storage.before_append = lambda _: None
        other.mutate(f"books:{what}", book=book, **more)

    storage.before_append = rival
    storage.after_scan = scans.append
    trial.mutate("books:addTitledByNumber", shelf="s")
    return len(scans)
