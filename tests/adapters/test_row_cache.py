"""Rows in memory are those of the file, or are not there."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.adapters.sqlite.row_cache import (
    KEPT_ROW_BYTES,
    UNKNOWN,
    RowCache,
)
from chalicelib.engine.log import (
    ORIGIN,
    REQUESTS_INDEX,
    Request,
    Row,
    session_part,
)
from chalicelib.engine.persistence import Interval, Page
from tests.conformance.entries import INDEX, drop, entry, put

PREFIX = b"@a"
ALL = Interval(INDEX, PREFIX, PREFIX + b"\xff")


SESSION = session_part(Request("s", 0).key[1]) or b""


def answered_row(number: int) -> Row:
    """The row of an answer."""
    return Row(*Request("s", number).key, ts=1, id=b"", image=b"{}")


def row(key: bytes, image: bytes | None = b"{}", ts: int = 1) -> Row:
    """A row of the test's index."""
    return Row(INDEX, key, ts, key, image)


class TestRow:
    def test_is_unknown_until_it_was_read(self) -> None:
        assert RowCache().row(INDEX, b"a") is UNKNOWN

    def test_is_kept_also_if_there_is_none(self) -> None:
        cache = RowCache()

        cache.keep_row(INDEX, b"a", None, cache.writes)

        assert cache.row(INDEX, b"a") is None

    def test_is_not_kept_if_something_was_written_since_it_was_read(self) -> None:
        cache = RowCache()
        noted = cache.writes
        cache.written([row(b"b")])

        cache.keep_row(INDEX, b"a", row(b"a"), noted)

        assert cache.row(INDEX, b"a") is UNKNOWN

    def test_follows_what_is_written(self) -> None:
        cache = RowCache()
        cache.keep_row(INDEX, b"a", row(b"a"), cache.writes)

        cache.written([row(b"a", b"[]", 2)])
        changed = cache.row(INDEX, b"a")
        cache.written([row(b"a", None, 3)])

        assert changed == row(b"a", b"[]", 2)
        assert cache.row(INDEX, b"a") is None

    def test_is_not_kept_if_it_is_large_or_of_a_request(self) -> None:
        cache = RowCache()

        cache.keep_row(INDEX, b"a", row(b"a", bytes(KEPT_ROW_BYTES)), cache.writes)
        cache.keep_row(REQUESTS_INDEX, b"a", None, cache.writes)

        assert cache.row(INDEX, b"a") is UNKNOWN
        assert cache.row(REQUESTS_INDEX, b"a") is UNKNOWN

    def test_gives_way_to_newer_ones(self) -> None:
        cache = RowCache(kept_bytes=40_000)
        for n in range(200):
            cache.keep_row(INDEX, n.to_bytes(2, "big"), None, cache.writes)

        held = [cache.row(INDEX, n.to_bytes(2, "big")) is None for n in range(200)]

        assert held[-1]
        assert 10 < sum(held) < 100


class TestAnsweredRequests:
    def test_of_a_session_are_unknown_until_they_were_looked_for(self) -> None:
        assert RowCache().last_answered(SESSION) is None

    def test_are_followed_as_they_are_written(self) -> None:
        cache = RowCache()
        cache.keep_last_answered(SESSION, b"", cache.writes)

        for number in (3, 1):
            cache.written([answered_row(number)])

        assert cache.last_answered(SESSION) == Request("s", 3).key[1]

    def test_are_looked_for_again_once_they_may_have_been_written(self) -> None:
        cache = RowCache()
        noted = cache.writes
        cache.keep_last_answered(SESSION, b"", noted)

        cache.forget([answered_row(1)])
        cache.keep_last_answered(SESSION, b"", noted)

        assert cache.last_answered(SESSION) is None

    def test_are_found_in_the_file_by_who_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        directory = tmp_path_factory.mktemp("requests")
        with SqlitePersistence(directory) as before:
            for number in (1, 2, 4):
                before.append(
                    entry(before.marks().applied + 1 - ORIGIN, request=Request("s", number))
                )

        with SqlitePersistence(directory) as store:
            found = {n: store.get(*Request("s", n).key) is not None for n in range(6)}
            store.append(entry(store.marks().applied + 1 - ORIGIN, request=Request("s", 5)))

            assert found == {0: False, 1: True, 2: True, 3: False, 4: True, 5: False}
            assert store.get(*Request("s", 5).key) is not None
            assert store.get(*Request("another", 5).key) is None


class TestPage:
    def test_follows_a_row_that_stays_where_it_is(self) -> None:
        cache = RowCache()
        keep(cache, row(PREFIX + b"1"), row(PREFIX + b"2"))

        cache.written([row(PREFIX + b"2", b"[]", 2)])

        found = cache.page(ALL, reverse=False, limit=3)
        assert found == Page((row(PREFIX + b"1"), row(PREFIX + b"2", b"[]", 2)), None)

    @pytest.mark.parametrize("written", [row(PREFIX + b"3"), row(PREFIX + b"1", None)])
    def test_is_read_anew_when_a_row_comes_or_goes(self, written: Row) -> None:
        cache = RowCache()
        keep(cache, row(PREFIX + b"1"), row(PREFIX + b"2"))

        cache.written([written])

        assert cache.page(ALL, reverse=False, limit=3) is None

    def test_of_another_kind_of_interval_is_not_kept(self) -> None:
        cache, some = RowCache(), Interval(INDEX, PREFIX, PREFIX + b"5")

        cache.keep_page(some, Page((), None), reverse=False, limit=3, writes=cache.writes)

        assert cache.page(some, reverse=False, limit=3) is None


def keep(cache: RowCache, *rows: Row) -> None:
    """Remember the rows of the prefix."""
    page = Page(rows, None)
    cache.keep_page(ALL, page, reverse=False, limit=3, writes=cache.writes)


KEYS = st.sampled_from([PREFIX + b"1", PREFIX + b"2", b"@b1"])
WRITES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=12)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePersistence]:
    """One store: its log goes on from example to example."""
    with SqlitePersistence(tmp_path_factory.mktemp("rows")) as store:
        yield store


@given(writes=WRITES)
def test_reads_are_those_of_the_file_after_any_writes(
    log: SqlitePersistence, writes: list[tuple[bytes, bytes | None]]
) -> None:
    for key, image in writes:
        position = log.marks().applied + 1 - ORIGIN
        write = drop(key) if image is None else put(key, image)
        log.append(entry(position, write))

        assert log.get(INDEX, key) == log._rows._get_of_file(INDEX, key)
        for reverse in (False, True):
            known = log.scan(ALL, reverse=reverse, limit=2)
            assert known == log._rows._scan_file(ALL, reverse=reverse, limit=2)
