"""The SQLite adapter beyond the contract: durability, groups, faults, and the directory."""

import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from typing_extensions import override

from chalicelib.adapters.sqlite.files import DATABASE_NAME
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.adapters.sqlite.row_cache import RowCache
from chalicelib.engine.errors import (
    OutcomeUnknown,
    StorageCorrupt,
    StorageFull,
    StorageLocked,
    StorageUnavailable,
)
from chalicelib.engine.log import ORIGIN, Row
from chalicelib.engine.persistence import Interval
from tests.conformance.entries import INDEX, drop, entry, put, ts


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlitePersistence]:
    with SqlitePersistence(tmp_path) as opened:
        yield opened


@contextmanager
def held_file(directory: Path) -> Iterator[None]:
    """Keep the writer from writing, as a forgotten ``sqlite3`` shell would."""
    other = sqlite3.connect(directory / DATABASE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


class FailingCommit(sqlite3.Connection):
    """A connection whose disk fails at the next commits."""

    failures = 0

    @override
    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.failures:
            self.failures -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, parameters)  # type: ignore[arg-type]


class TestDurability:
    def test_a_killed_process_loses_nothing_that_it_answered(self, tmp_path: Path) -> None:
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path)],
            stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert child.stdout is not None
        answered = [int(child.stdout.readline()) for _ in range(200)]

        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()

        answered += [int(line) for line in rest.split(b"\n")[:-1]]
        with SqlitePersistence(tmp_path) as log:
            head = log.marks().applied
            assert head >= max(answered)
            entries = log.tail(ORIGIN, 1_000_000).entries
            assert [item.ts for item in entries] == list(range(ORIGIN + 1, head + 1))
            assert all(
                log.get(*write.added[0]) for item in entries for write in item.writes
            )

    def test_close_writes_what_was_submitted(self, tmp_path: Path) -> None:
        log = SqlitePersistence(tmp_path)
        answers = [log.submit(entry(n)) for n in range(1, 101)]

        log.close()

        assert [answer() for answer in answers] == [None] * 100
        with SqlitePersistence(tmp_path) as later:
            assert len(later.tail(ORIGIN).entries) == 100


APPENDER = """
import sys, threading
from pathlib import Path
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.adapters.sqlite.row_cache import RowCache
from tests.conformance.entries import entry, put

log, lock, count = SqlitePersistence(Path(sys.argv[1])), threading.Lock(), iter(range(1, 10**9))

def run():
    while True:
        with lock:
            n = next(count)
            mine = entry(n, put(n.to_bytes(4, "big"), b"{}"))
            answer = log.submit(mine)
        if answer() is None:
            sys.stdout.write(f"{mine.ts}\\n"), sys.stdout.flush()

for _ in range(8):
    threading.Thread(target=run).start()
"""


class TestGroups:
    def test_entries_that_wait_are_committed_together_in_order(
        self, tmp_path: Path
    ) -> None:
        heads: list[int] = []
        with SqlitePersistence(tmp_path, on_commit=heads.append) as log:
            with held_file(tmp_path):
                answers = [log.submit(entry(n)) for n in range(1, 101)]

            assert [answer() for answer in answers] == [None] * 100

        assert heads[-1] == ts(100)
        assert heads == sorted(heads)
        assert len(heads) <= 3

    def test_an_entry_that_is_not_durable_is_not_visible(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        with held_file(tmp_path):
            answer = log.submit(entry(1, put(b"a", b"{}")))

            assert log.tail(ORIGIN).entries == ()
            assert log.marks().applied == ORIGIN
            assert log.get(INDEX, b"a") is None

        assert answer() is None
        assert len(log.tail(ORIGIN).entries) == 1

    def test_a_rival_of_a_waiting_entry_is_answered_when_that_is_durable(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        winner = entry(1, transaction="winner")
        with ThreadPoolExecutor(1) as threads:
            with held_file(tmp_path):
                mine = log.submit(winner)
                rival = threads.submit(log.append, entry(1, transaction="rival"))

                with pytest.raises(TimeoutError):
                    rival.result(timeout=0.1)

            assert rival.result() == winner
            assert mine() is None

    def test_a_hook_that_fails_does_not_stop_the_log(
        self, log: SqlitePersistence, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_head: int) -> None:
            raise RuntimeError("hook")

        log.on_commit = fail
        with caplog.at_level(logging.CRITICAL):
            log.append(entry(1))
            refusal = log.append(entry(2))

        assert refusal is None

    def test_old_entries_are_read_from_the_file(
        self, log: SqlitePersistence, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.adapters.sqlite.recent.KEPT_ENTRIES", 3)
        entries = [entry(n, put(b"k", b"%d" % n)) for n in range(1, 11)]
        for item in entries:
            log.append(item)

        assert log.tail(ORIGIN).entries == tuple(entries)
        assert log.tail(ts(8)).entries == tuple(entries[8:])


class TestFaults:
    def test_a_full_disk_is_named_and_costs_nothing(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        log.append(entry(1, put(b"a", b"1")))
        writer = log._connection
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages + 1}")

        with pytest.raises(StorageFull):
            log.append(entry(2, put(b"b", b"2" * 100_000)))
        writer.execute("PRAGMA max_page_count = 1000000")

        assert [item.ts for item in log.tail(ORIGIN).entries] == [ts(1)]
        assert log.append(entry(2, put(b"b", b"again"))) is None
        log.close()
        with SqlitePersistence(tmp_path) as later:
            assert len(later.tail(ORIGIN).entries) == 2
            assert later.get(INDEX, b"a") is not None

    def test_entries_behind_one_that_failed_are_refused_too(
        self, log: SqlitePersistence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.adapters.sqlite.writer.GROUP_ENTRIES", 1)
        writer = log._connection
        writer.execute("PRAGMA max_page_count = 10")
        with held_file(tmp_path):
            full = log.submit(entry(1, put(b"a", b"1" * 100_000)))
            behind = log.submit(entry(2))

        with pytest.raises(StorageFull):
            full()
        with pytest.raises(StorageUnavailable):
            behind()

        assert log.append(entry(1, transaction="other")) is None
        assert len(log.tail(ORIGIN).entries) == 1

    def test_a_failed_commit_has_an_unknown_outcome_that_repeating_settles(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite3, "connect", connect_failing)
        with SqlitePersistence(tmp_path) as log:
            monkeypatch.undo()
            connection = log._connection
            assert isinstance(connection, FailingCommit)
            connection.failures = 1
            mine = entry(1, put(b"a", b"1"))

            with pytest.raises(OutcomeUnknown):
                log.append(mine)

            assert log.tail(ORIGIN).entries == ()
            assert log.append(mine) is None
            assert log.tail(ORIGIN).entries == (mine,)

    def test_a_refusal_in_doubt_is_unknown_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite3, "connect", connect_failing)
        with SqlitePersistence(tmp_path) as log:
            monkeypatch.undo()
            connection = log._connection
            assert isinstance(connection, FailingCommit)
            connection.failures = 1
            mine = entry(1, put(b"a", b"1" * 100_000))
            with pytest.raises(OutcomeUnknown):
                log.append(mine)
            connection.execute("PRAGMA max_page_count = 10")

            with pytest.raises(OutcomeUnknown):
                log.append(mine)

    def test_a_locked_file_is_reported_in_time(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        log._connection.execute("PRAGMA busy_timeout = 50")
        with held_file(tmp_path), pytest.raises(StorageUnavailable):
            log.append(entry(1))

        assert log.append(entry(1)) is None

    def test_a_closed_store_says_so(self, tmp_path: Path) -> None:
        log = SqlitePersistence(tmp_path)
        log.close()

        with pytest.raises(StorageUnavailable):
            log.append(entry(1))
        with pytest.raises(StorageUnavailable):
            log.get(INDEX, b"a")


def connect_failing(*args: object, **options: object) -> sqlite3.Connection:
    return FailingCommit(*args, **options)  # type: ignore[arg-type]


class TestDirectory:
    def test_is_made_when_missing(self, tmp_path: Path) -> None:
        with SqlitePersistence(tmp_path / "a" / "b") as log:
            assert log.append(entry(1)) is None

    def test_belongs_to_one_store_at_a_time(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        with pytest.raises(StorageLocked, match=str(tmp_path)):
            SqlitePersistence(tmp_path)

        log.close()
        SqlitePersistence(tmp_path).close()

    def test_that_cannot_be_made_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(StorageUnavailable):
            SqlitePersistence(tmp_path / "file" / "data")

    def test_with_a_file_that_is_no_database_is_refused_and_let_go(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / DATABASE_NAME).write_bytes(b"not a database" * 1000)

        for _ in range(2):
            with pytest.raises(StorageCorrupt):
                SqlitePersistence(tmp_path)

    def test_with_the_file_of_another_program_is_refused(self, tmp_path: Path) -> None:
        other = sqlite3.connect(tmp_path / DATABASE_NAME)
        other.execute("CREATE TABLE something (x)")
        other.close()

        with pytest.raises(StorageCorrupt):
            SqlitePersistence(tmp_path)

    def test_with_a_log_that_lost_its_end_is_refused(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        log.append(entry(1))
        log.append(entry(2))
        log.close()
        other = sqlite3.connect(tmp_path / DATABASE_NAME)
        other.execute("DELETE FROM log WHERE ts = ?", (ts(2),))
        other.commit()
        other.close()

        with pytest.raises(StorageCorrupt):
            SqlitePersistence(tmp_path)

    def test_with_a_damaged_entry_says_which(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        log.append(entry(1))
        log.append(entry(2))
        log.close()
        other = sqlite3.connect(tmp_path / DATABASE_NAME)
        other.execute("UPDATE log SET entry = x'0100' WHERE ts = ?", (ts(1),))
        other.commit()
        other.close()

        with SqlitePersistence(tmp_path) as later:
            with pytest.raises(StorageCorrupt, match=str(ts(1))):
                later.tail(ORIGIN)
            assert [item.ts for item in later.tail(ts(1)).entries] == [ts(2)]


def keys_on_disk(log: SqlitePersistence) -> list[bytes]:
    found = log._connection.execute("SELECT key FROM rows ORDER BY key").fetchall()
    return [key for (key,) in found]


class TestTombstones:
    def test_are_dropped_by_the_next_process(
        self, log: SqlitePersistence, tmp_path: Path
    ) -> None:
        log.append(entry(1, put(b"a", b"1"), put(b"b", b"1", number=2)))
        log.append(entry(2, drop(b"a")))
        log.close()

        with SqlitePersistence(tmp_path) as later:
            later.append(entry(3))

            assert keys_on_disk(later) == [b"b"]

    def test_are_kept_while_a_late_applier_may_need_them(
        self, log: SqlitePersistence
    ) -> None:
        log.append(entry(1, put(b"a", b"1")))
        log.append(entry(2, drop(b"a")))
        log.append(entry(3))

        log.apply([entry(1, put(b"a", b"1"))])

        assert log.get(INDEX, b"a") is None
        assert keys_on_disk(log) == [b"a"]

    def test_are_dropped_in_time_a_few_at_once(
        self, log: SqlitePersistence, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.adapters.sqlite.tombstones.KEPT_S", 0.0)
        monkeypatch.setattr("chalicelib.adapters.sqlite.tombstones.REAPED_AT_ONCE", 2)
        log.append(entry(1, *[drop(b"%d" % n, number=n) for n in range(5)]))

        left = []
        for position in range(2, 8):
            log.append(entry(position))
            left.append(len(keys_on_disk(log)))

        assert left[0] == 5
        assert left[-1] == 0
        assert left == sorted(left, reverse=True)


class TestRowsAndTheLog:
    """Who saw a row of an entry finds that entry in the log: a query relies on it."""

    READINGS: tuple[Callable[[SqlitePersistence], object], ...] = (
        lambda log: log.get(INDEX, b"a"),
        lambda log: log.scan(Interval(INDEX, b"a", b"b"), reverse=False, limit=9),
    )

    @pytest.mark.parametrize("is_in_memory", [False, True])
    @pytest.mark.parametrize("read", READINGS, ids=["get", "scan"])
    def test_no_row_is_shown_before_its_entry(
        self,
        log: SqlitePersistence,
        monkeypatch: pytest.MonkeyPatch,
        read: Callable[[SqlitePersistence], object],
        *,
        is_in_memory: bool,
    ) -> None:
        log.append(entry(1, put(b"a", b"1")))
        if is_in_memory:
            read(log)
        written, may_go_on = Event(), Event()
        unhindered = RowCache.written

        def written_slowly(cache: RowCache, rows: Iterable[Row]) -> None:
            unhindered(cache, rows)
            written.set()
            assert may_go_on.wait(10)

        monkeypatch.setattr(RowCache, "written", written_slowly)

        with ThreadPoolExecutor() as pool:
            pool.submit(log.append, entry(2, put(b"a", b"2")))
            assert written.wait(10)
            seen: Future[object] = pool.submit(read, log)
            came_early = bool(wait([seen], 0.1).done)
            may_go_on.set()

            assert not came_early
            assert "b'2'" in str(seen.result(10))
            assert [found.ts for found in log.tail(ts(1)).entries] == [ts(2)]
