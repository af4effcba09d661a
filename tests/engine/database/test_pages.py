"""The pages of a list join without gap or double, whatever is written in between."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.engine.errors import InvalidCursor, PaginationRefused
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import MAX_KEY_BYTES
from chalicelib.engine.persistence import Persistence
from tests.conformance.stores import let_go
from tests.conftest import LogOf
from tests.trial import Trial, value

LISTS = ("tests.apps.lists",)


@pytest.fixture
def trial(every_log: Persistence) -> Trial:
    return Trial(packages=LISTS, persistence=every_log)


def options(count: int, cursor: str | None = None, **more: Any) -> dict[str, Any]:
    return {"numItems": count, "cursor": cursor, **more}


class Shown:
    """One page of a list on a screen, asked for again with its journal."""

    def __init__(self, reader: Reader, **wanted: Any) -> None:
        self.reader, self.wanted = reader, wanted
        self.journal: str | None = None
        self.result: dict[str, Any] = {}
        self.read()

    def read(self) -> None:
        found = self._run(self.journal)
        self.result = value(found)
        if self.journal is None:
            assert self._run(found.journal).value == found.value
        else:
            assert found.journal == self.journal
        self.journal = found.journal

    def _run(self, journal: str | None) -> Any:
        reader = self.reader
        arguments = {**reader.arguments, "paginationOpts": self.wanted}
        raw = msgspec.json.encode(arguments)
        return reader.trial.engine.call(Call(reader.path, raw, None, journal), "query")


class Reader:
    """What the stock pagination hook does: it adds pages, and splits those grown long."""

    def __init__(self, trial: Trial, path: str, **arguments: Any) -> None:
        self.trial, self.path, self.arguments = trial, path, arguments
        self.pages = [Shown(self, **options(2))]

    def more(self, count: int) -> None:
        last = self.pages[-1].result
        if not last["isDone"]:
            self.pages.append(Shown(self, **options(count, last["continueCursor"])))

    def split(self, place: int) -> None:
        old = self.pages[place % len(self.pages)]
        middle = old.result["splitCursor"]
        if middle is not None:
            first, end = old.wanted["cursor"], old.result["continueCursor"]
            self.pages[place % len(self.pages)] = old = Shown(
                self, **options(9, first, endCursor=middle)
            )
            self.pages.insert(
                self.pages.index(old) + 1, Shown(self, **options(9, middle, endCursor=end))
            )

    def look(self) -> tuple[list[Any], bool]:
        """Everything that is shown, and whether it claims to be all."""
        for page in self.pages:
            page.read()
        for one, other in zip(self.pages, self.pages[1:], strict=False):
            assert one.result["continueCursor"] == other.wanted["cursor"]
        items = [item for page in self.pages for item in page.result["page"]]
        return items, self.pages[-1].result["isDone"]


Act = tuple[Any, ...]
ACTS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.integers(0, 99)),
    st.tuples(st.just("move"), st.integers(0, 99), st.integers(0, 9)),
    st.tuples(st.just("more"), st.integers(1, 4)),
    st.tuples(st.just("split"), st.integers(0, 99)),
    st.tuples(st.just("apply")),
)


@pytest.mark.parametrize(
    ("adapter", "examples"),
    [("memory", 120), ("sqlite", 40), ("still", 40), ("dynamodb", 2)],
)
def test_pages_show_the_sorted_set_under_any_interleaving_of_writes(
    log_of: LogOf, adapter: str, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        st.lists(st.integers(0, 9), max_size=8),
        st.lists(ACTS, max_size=25),
        st.sampled_from(["asc", "desc"]),
        st.sampled_from([1, 2]),
    )
    def check(ranks: list[int], acts: list[Act], order: str, every: int) -> None:
        log = log_of(adapter)
        interleave(Trial(packages=LISTS, persistence=log), ranks, acts, order, every)
        let_go(log)

    check()


def interleave(
    trial: Trial, ranks: list[int], acts: list[Act], order: str, every: int
) -> None:
    """Write and read in turns; after each turn, what is shown is the sorted set's beginning."""
    held = {trial.mutate("lines:add", topic="l", rank=rank): rank for rank in ranks}
    reader = Reader(trial, "lines:page", topic="l", order=order, every=every)
    for act in acts:
        perform(act, trial, reader, held)
        items, complete = reader.look()
        shown = [item["_id"] for item in items]
        ids = [i for i in sorted(held, key=lambda i: (held[i], i)) if held[i] % every == 0]
        ids = ids if order == "asc" else ids[::-1]
        assert shown == (ids if complete else ids[: len(shown)])


def perform(act: Act, trial: Trial, reader: Reader, held: dict[str, int]) -> None:
    """Do one act, and keep in ``held`` what the list should be."""
    match act:
        case "add", rank:
            held[trial.mutate("lines:add", topic="l", rank=rank)] = rank
        case "remove", which if held:
            trial.mutate("lines:remove", line=_nth(held, which))
            held.pop(_nth(held, which))
        case "move", which, rank if held:
            held[_nth(held, which)] = rank
            trial.mutate("lines:move", line=_nth(held, which), rank=rank)
        case "more", count:
            reader.more(count)
        case "split", place:
            reader.split(place)
        case "apply", *_:
            trial.tell()
        case _:
            pass  # there is nothing to remove or move


def _nth(held: dict[str, int], which: int) -> str:
    return list(held)[which % len(held)]


class TestLongKeys:
    """Keys that are stored cut lose their order, and pages must not lose their places."""

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_pages_join_within_a_shared_prefix(self, trial: Trial, order: str) -> None:
        keys = ["a", *(("p" * (MAX_KEY_BYTES + 20)) + end for end in "dbacfe"), "z"]
        for key in keys:
            trial.mutate("lines:addLong", key=key)
        reader = Reader(trial, "lines:longPage", order=order)

        for _ in range(4):
            reader.more(2)

        assert reader.look()[0] == sorted(keys, reverse=order == "desc")


class TestAPage:
    def test_ends_after_as_many_as_were_asked_for_and_begins_after_the_last(
        self, trial: Trial
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=5)

        first = trial.query("lines:page", topic="l", paginationOpts=options(3))
        second = trial.query(
            "lines:page", topic="l", paginationOpts=options(3, first["continueCursor"])
        )

        assert [line["rank"] for line in first["page"]] == [0, 1, 2]
        assert [line["rank"] for line in second["page"]] == [3, 4]
        assert (first["isDone"], second["isDone"]) == (False, True)

    def test_after_the_last_one_is_empty_and_done(self, trial: Trial) -> None:
        end = trial.query("lines:page", topic="l", paginationOpts=options(3))

        again = trial.query(
            "lines:page", topic="l", paginationOpts=options(3, end["continueCursor"])
        )

        assert (end["page"], end["isDone"]) == ([], True)
        assert (again["page"], again["isDone"]) == ([], True)

    def test_counts_what_a_filter_lets_through(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=9)

        page = trial.query("lines:page", topic="l", every=3, paginationOpts=options(2))

        assert [line["rank"] for line in page["page"]] == [0, 3]

    def test_ends_early_when_it_has_read_enough(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=9)

        by_rows = trial.query(
            "lines:page", topic="l", every=8, paginationOpts=options(2, maximumRowsRead=4)
        )
        by_bytes = trial.query(
            "lines:page", topic="l", paginationOpts=options(9, maximumBytesRead=1)
        )

        assert [line["rank"] for line in by_rows["page"]] == [0]
        assert by_rows["pageStatus"] == "SplitRecommended"
        assert [line["rank"] for line in by_bytes["page"]] == [0]
        assert not by_rows["isDone"]

    def test_counts_the_bytes_that_its_filter_reads(self, trial: Trial) -> None:
        for rank in range(9):
            named = trial.mutate("lines:add", topic="n", rank=rank, text="x" * 9_000)
            trial.mutate("lines:add", topic="l", rank=rank, text=named)

        page = trial.query(
            "lines:pageOfNamed",
            topic="l",
            paginationOpts=options(9, maximumBytesRead=30_000),
        )

        assert page["page"] == [0, 1, 2, 3]
        assert not page["isDone"]

    def test_that_cannot_reach_its_end_must_be_split(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=9)
        whole = trial.query("lines:page", topic="l", paginationOpts=options(8))

        page = trial.query(
            "lines:page",
            topic="l",
            paginationOpts=options(1, endCursor=whole["continueCursor"], maximumRowsRead=5),
        )

        assert page["pageStatus"] == "SplitRequired"
        assert page["continueCursor"] == whole["continueCursor"]
        assert len(page["page"]) == 5

    def test_hides_what_its_reader_may_not_see_and_goes_on(self, trial: Trial) -> None:
        for rank in range(4):
            owner = "ann" if rank % 2 else None
            trial.mutate("lines:add", topic="l", rank=rank, owner=owner)

        page = trial.query("lines:page", topic="l", paginationOpts=options(2))

        assert [line["rank"] for line in page["page"]] == [0, 2]

    @pytest.mark.parametrize("more", [{}, {"maximumRowsRead": 1}, {"maximumBytesRead": 1}])
    def test_tells_nothing_of_what_its_reader_may_not_see(
        self, trial: Trial, more: dict[str, Any]
    ) -> None:
        for rank in range(5):
            trial.mutate("lines:add", topic="l", rank=rank, owner="ann")
        end = trial.query("lines:page", topic="l", paginationOpts=options(1))

        page = trial.query("lines:page", topic="l", paginationOpts=options(1, **more))
        to_end = trial.query(
            "lines:page",
            topic="l",
            paginationOpts=options(1, endCursor=end["continueCursor"], **more),
        )

        empty = {"page": [], "isDone": True, "splitCursor": None, "pageStatus": None}
        for each in (end, page, to_end):
            assert {name: each.get(name) for name in empty} == empty

    def test_keeps_its_cursors_when_its_items_are_changed(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=3, size=2)

        page = trial.query("lines:texts", topic="l", paginationOpts=options(2))

        assert page["page"] == ["xx", "xx"]
        assert not page["isDone"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("count", "rule"),
        [(0, "NoDocumentsForPagination"), (32_001, "PageSizeTooLarge")],
    )
    def test_a_page_has_one_to_32000_items(
        self, trial: Trial, count: int, rule: str
    ) -> None:
        with pytest.raises(PaginationRefused, match=rule):
            trial.query("lines:page", topic="l", paginationOpts=options(count))

    def test_a_function_reads_one_page(self, trial: Trial) -> None:
        with pytest.raises(PaginationRefused, match="MultiplePaginatedDatabaseQueries"):
            trial.query("lines:twice", paginationOpts=options(1))

    def test_a_cursor_of_another_query_is_refused_with_what_the_hook_looks_for(
        self, trial: Trial
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=3)
        cursor = trial.query("lines:page", topic="l", paginationOpts=options(1))

        for wrong in ("nonsense", "", cursor["continueCursor"]):
            with pytest.raises(InvalidCursor, match=r"^InvalidCursor") as refused:
                trial.query("lines:page", topic="m", paginationOpts=options(1, wrong))
            assert refused.value.data == {
                "isConvexSystemError": True,
                "paginationError": "InvalidCursor",
            }

    def test_a_cursor_tells_nothing_of_the_keys_it_stands_for(self, trial: Trial) -> None:
        trial.mutate("lines:addLong", key="a secret")
        trial.mutate("lines:addLong", key="b")

        page = trial.query("lines:longPage", paginationOpts=options(1))

        assert "secret" not in page["continueCursor"]
        assert b"secret".hex() not in page["continueCursor"]

    def test_a_journal_of_another_query_is_as_good_as_none(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=3)
        raw = msgspec.json.encode({"topic": "l", "paginationOpts": options(2)})

        found = trial.engine.call(Call("lines:page", raw, None, "nonsense"), "query")

        assert len(value(found)["page"]) == 2


class TestALivePage:
    def test_grows_where_documents_are_added_and_carries_its_journal(
        self, trial: Trial
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=4)
        socket = trial.socket().begin()
        socket.watch(0, "lines:page", topic="l", paginationOpts=options(2))
        first = socket.seen()[0]
        socket.watch(
            1, "lines:page", topic="l", paginationOpts=options(2, first["continueCursor"])
        )
        trial.tell()

        trial.mutate("lines:add", topic="l", rank=0)
        trial.mutate("lines:add", topic="l", rank=2)
        trial.tell()

        pages = socket.seen()
        assert [line["rank"] for line in pages[0]["page"]] == [0, 0, 1]
        assert [line["rank"] for line in pages[1]["page"]] == [2, 2, 3]

    def test_is_shown_the_same_to_a_client_that_comes_back_with_its_journal(
        self, trial: Trial
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=4)
        socket = trial.socket().begin()
        socket.watch(0, "lines:page", topic="l", paginationOpts=options(2))
        (transition,) = (
            m for m in socket.take() if m["type"] == "Transition" and m["modifications"]
        )
        journal = transition["modifications"][0]["journal"]
        trial.mutate("lines:add", topic="l", rank=0)

        back = trial.socket("c2").connect("session of c1", number=1)
        arguments = [{"topic": "l", "paginationOpts": options(2)}]
        added = {"type": "Add", "queryId": 0, "udfPath": "lines:page", "args": arguments}
        back.modify({**added, "journal": journal})

        assert [line["rank"] for line in back.seen()[0]["page"]] == [0, 0, 1]
