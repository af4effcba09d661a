"""``ctx.storage``, and that bytes and documents come and go together, whatever is interrupted."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.engine.blobs import BlobFacts
from chalicelib.engine.builtin.storage import LATE_WRITE_MS, UPLOAD_PATIENCE_MS
from chalicelib.engine.errors import (
    Conflict,
    FilesNotConfigured,
    InvalidContentType,
    NotFound,
    OutcomeUnknown,
    StorageUnavailable,
    UploadAbandoned,
)
from chalicelib.engine.functions.files import SWEPT_AT_ONCE, Files
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.schema import Id, StoredFile
from tests.apps.files import files
from tests.backend import TestBackend

TEXT = b"some bytes"


@pytest.fixture
def backend(each_log: Persistence) -> TestBackend:
    return TestBackend("tests.apps.files", persistence=each_log)


def stored(backend: TestBackend, content: bytes = TEXT) -> Id[StoredFile]:
    return backend.nobody.action(files.store, content, "text/plain")


def unclaimed(backend: TestBackend) -> list[str]:
    """What the log knows of bytes that are no file's."""
    return backend.system.query(files.unclaimed)


def claimed(backend: TestBackend) -> list[str]:
    """What the log knows of bytes that are a file's."""
    return backend.system.query(files.keys)


def held(backend: TestBackend) -> list[str]:
    """What the store has."""
    return list(backend.blobs.held)


def later(backend: TestBackend, ms: float) -> None:
    """Let time pass at once, and the next heartbeat come."""
    backend.clock.wait_ms(ms)
    backend.advance(minutes=1)


def fail() -> None:
    raise StorageUnavailable("the store is away")


class Faulty(MemoryBlobs):
    """A store in which something happens right before, or right after, a call."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    @override
    def put(
        self, key: str, chunks: Iterable[bytes], *, content_type: str | None
    ) -> BlobFacts:
        self.before.get("put", int)()
        facts = super().put(key, chunks, content_type=content_type)
        self.after.get("put", int)()
        return facts

    @override
    def delete(self, key: str) -> None:
        self.before.get("delete", int)()
        super().delete(key)
        self.after.get("delete", int)()


@pytest.fixture
def faulty(backend: TestBackend) -> Faulty:
    blobs = Faulty()
    backend.engine.files._held = backend.blobs = blobs
    return blobs


class TestStore:
    @pytest.mark.emulated
    def test_makes_a_document_of_exactly_the_documented_fields(
        self, backend: TestBackend
    ) -> None:
        file = stored(backend)

        (document,) = backend.nobody.call("files:listed", "query")
        assert document.pop("_id") == file
        assert isinstance(document.pop("_creationTime"), float)
        assert document == {
            "sha256": base64.b64encode(sha256(TEXT).digest()).decode(),
            "size": len(TEXT),
            "contentType": "text/plain",
        }

    def test_keeps_no_type_where_none_was_given(self, backend: TestBackend) -> None:
        backend.nobody.action(files.store, TEXT, None)

        (document,) = backend.nobody.call("files:listed", "query")
        assert "contentType" not in document

    def test_takes_pieces(self, backend: TestBackend) -> None:
        file = backend.nobody.action(files.store_pieces, [b"a", b"", b"bc"])

        assert backend.nobody.action(files.load, file) == b"abc"

    def test_names_the_bytes_by_a_uuid_that_tells_nothing_of_the_id(
        self, backend: TestBackend
    ) -> None:
        first, second = stored(backend), stored(backend)

        urls = [backend.nobody.query(files.url, file) for file in (first, second)]
        keys = claimed(backend)
        assert urls == [f"https://files.example/api/storage/{key}" for key in keys]
        assert len(set(keys)) == 2
        assert all(str(uuid.UUID(key)) == key for key in keys)

    @pytest.mark.parametrize("kind", ["a/b\r\nSet-Cookie: x", "ä/b", "\x7f"])
    def test_refuses_a_type_that_is_no_header(
        self, backend: TestBackend, kind: str
    ) -> None:
        with pytest.raises(InvalidContentType):
            backend.nobody.action(files.store, TEXT, kind)

        assert (held(backend), unclaimed(backend)) == ([], [])


class TestGet:
    def test_of_a_file_gives_its_bytes(self, backend: TestBackend) -> None:
        assert backend.nobody.action(files.load, stored(backend)) == TEXT

    def test_of_what_is_gone_gives_none(self, backend: TestBackend) -> None:
        file = stored(backend)
        backend.nobody.mutation(files.remove, file)

        ann = backend.nobody
        assert ann.query(files.url, file) is None
        assert ann.query(files.metadata, file) is None
        assert ann.action(files.load, file) is None
        assert ann.action(files.describe, file) == [None, None]

    def test_in_an_action_tells_what_a_query_does(self, backend: TestBackend) -> None:
        file = stored(backend)

        told = backend.nobody.action(files.describe, file)

        assert told == [backend.nobody.query(files.url, file), len(TEXT)]

    def test_is_live(self, backend: TestBackend) -> None:
        file = stored(backend)
        backend.nobody.mutation(files.add, "trip", file)
        watch = backend.nobody.watch(files.show, "trip")

        backend.nobody.mutation(files.remove, file)

        urls = [[shown.url for shown in result] for result in watch.results]
        assert urls == [[f"https://files.example/api/storage/{held(backend)[0]}"], [None]]


class TestDelete:
    @pytest.mark.parametrize("by_action", [True, False])
    def test_removes_the_document_at_once_and_the_bytes_later(
        self, backend: TestBackend, *, by_action: bool
    ) -> None:
        file = stored(backend)
        (key,) = held(backend)

        if by_action:
            backend.nobody.action(files.remove_from_action, file)
        else:
            backend.nobody.mutation(files.remove, file)

        assert backend.nobody.query(files.listed) == []
        assert (held(backend), unclaimed(backend)) == ([key], [key])
        backend.advance(minutes=2)
        assert (held(backend), unclaimed(backend)) == ([], [])

    @pytest.mark.emulated
    def test_that_is_rolled_back_removes_nothing(self, backend: TestBackend) -> None:
        file = stored(backend)

        with pytest.raises(Conflict):
            backend.nobody.mutation(files.remove_and_fail, file)

        backend.advance(minutes=2)
        assert backend.nobody.action(files.load, file) == TEXT

    def test_of_what_is_gone_is_an_error(self, backend: TestBackend) -> None:
        file = stored(backend)
        backend.nobody.mutation(files.remove, file)

        with pytest.raises(NotFound):
            backend.nobody.mutation(files.remove, file)
        with pytest.raises(NotFound):
            backend.nobody.action(files.remove_from_action, file)

    def test_leaves_other_files_alone(self, backend: TestBackend) -> None:
        kept, gone = stored(backend), stored(backend)

        backend.nobody.mutation(files.remove, gone)
        backend.advance(minutes=2)

        assert backend.nobody.action(files.load, kept) == TEXT
        assert held(backend) == claimed(backend)

    def test_of_many_is_swept_in_steps(self, backend: TestBackend) -> None:
        gone = [stored(backend) for _ in range(SWEPT_AT_ONCE + 5)]
        for file in gone:
            backend.nobody.mutation(files.remove, file)

        assert backend.engine.files.sweep() == len(gone)
        assert (held(backend), unclaimed(backend)) == ([], [])
        assert backend.engine.files.sweep() == 0


class TestSweep:
    def test_commits_nothing_when_there_is_nothing(self, backend: TestBackend) -> None:
        stored(backend)
        before = backend.engine.head()

        backend.engine.files.sweep()

        assert backend.engine.head() == before

    def test_keeps_files_for_ever(self, backend: TestBackend) -> None:
        file = stored(backend)

        later(backend, 3 * UPLOAD_PATIENCE_MS)

        assert backend.nobody.action(files.load, file) == TEXT

    def test_tries_again_what_could_not_be_deleted(
        self, backend: TestBackend, faulty: Faulty
    ) -> None:
        backend.nobody.mutation(files.remove, stored(backend))
        faulty.before["delete"] = fail
        with pytest.raises(StorageUnavailable):
            backend.engine.files.sweep()
        assert len(unclaimed(backend)) == 1

        faulty.before.clear()
        backend.engine.files.sweep()

        assert (held(backend), unclaimed(backend)) == ([], [])

    def test_deletes_again_what_it_could_not_strike_out(
        self, backend: TestBackend, faulty: Faulty
    ) -> None:
        backend.nobody.mutation(files.remove, stored(backend))
        faulty.after["delete"] = fail
        with pytest.raises(StorageUnavailable):
            backend.engine.files.sweep()
        assert (held(backend), len(unclaimed(backend))) == ([], 1)

        faulty.after.clear()
        backend.engine.files.sweep()

        assert unclaimed(backend) == []

    def test_deletes_what_came_after_the_delete(self, backend: TestBackend) -> None:
        backend.nobody.mutation(files.remove, stored(backend))
        (key,) = held(backend)
        backend.engine.files.sweep()
        backend.blobs.put(key, [b"late"], content_type=None)

        later(backend, LATE_WRITE_MS)

        assert held(backend) == []
        assert backend.system.query(files.remembered) == []

    def test_remembers_what_is_deleted_for_as_long_as_writes_may_come(
        self, backend: TestBackend
    ) -> None:
        backend.nobody.mutation(files.remove, stored(backend))
        keys = held(backend)
        backend.engine.files.sweep()

        later(backend, LATE_WRITE_MS - 120_000)
        assert backend.system.query(files.remembered) == keys
        later(backend, 120_000)
        assert backend.system.query(files.remembered) == []


class TestUploadsThatAreInterrupted:
    @pytest.mark.parametrize("bytes_came", [True, False])
    def test_by_a_kill_are_reaped_after_a_day(
        self, backend: TestBackend, *, bytes_came: bool
    ) -> None:
        key = killed(backend, bytes_came=bytes_came)

        later(backend, UPLOAD_PATIENCE_MS - 180_000)
        assert unclaimed(backend) == [key]
        assert bool(held(backend)) == bytes_came
        backend.advance(minutes=4)

        assert (held(backend), unclaimed(backend), claimed(backend)) == ([], [], [])

    def test_by_the_store_leave_nothing(self, backend: TestBackend, faulty: Faulty) -> None:
        for fault in (faulty.before, faulty.after):
            fault["put"] = fail
            with pytest.raises(StorageUnavailable):
                stored(backend)
            fault.clear()

        assert (held(backend), unclaimed(backend), claimed(backend)) == ([], [], [])

    def test_by_the_store_for_longer_are_reaped_later(
        self, backend: TestBackend, faulty: Faulty
    ) -> None:
        faulty.after["put"] = faulty.before["delete"] = fail
        with pytest.raises(StorageUnavailable):
            stored(backend)
        assert len(held(backend)) == len(unclaimed(backend)) == 1

        faulty.before.clear()
        backend.advance(minutes=2)

        assert (held(backend), unclaimed(backend)) == ([], [])

    def test_and_may_be_a_file_are_left_alone(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = Files._finish

        def unanswered(*arguments: Any) -> Id[StoredFile]:
            finish(*arguments)
            raise OutcomeUnknown("the answer was lost")

        monkeypatch.setattr(Files, "_finish", unanswered)
        with pytest.raises(OutcomeUnknown):
            stored(backend)

        later(backend, 2 * UPLOAD_PATIENCE_MS)
        (file,) = backend.nobody.query(files.listed)
        assert backend.nobody.action(files.load, file.id) == TEXT

    def test_after_their_commit_keep_their_bytes(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = Files._finish

        def failing(*arguments: Any) -> Id[StoredFile]:
            finish(*arguments)
            raise StorageUnavailable("after the commit")

        monkeypatch.setattr(Files, "_finish", failing)
        with pytest.raises(StorageUnavailable):
            stored(backend)

        (file,) = backend.nobody.query(files.listed)
        assert backend.nobody.action(files.load, file.id) == TEXT

    def test_lose_to_a_sweep_that_came_first(
        self, backend: TestBackend, faulty: Faulty
    ) -> None:
        def a_day_later() -> None:
            backend.clock.wait_ms(UPLOAD_PATIENCE_MS)
            backend.engine.files.sweep()

        faulty.after["put"] = a_day_later

        with pytest.raises(UploadAbandoned):
            stored(backend)

        assert (held(backend), unclaimed(backend), claimed(backend)) == ([], [], [])

    def test_are_never_files_without_bytes(
        self, backend: TestBackend, faulty: Faulty
    ) -> None:
        # The sweep has decided, and not deleted yet, when the upload wants to be a file.
        def decide() -> None:
            backend.clock.wait_ms(UPLOAD_PATIENCE_MS)
            backend.engine.files._calls.mutation("doom", limit=10)

        faulty.after["put"] = decide

        with pytest.raises(UploadAbandoned):
            stored(backend)

        assert claimed(backend) == []


def killed(backend: TestBackend, *, bytes_came: bool) -> str:
    """Leave an upload as a process does that is killed in it."""
    uploads = backend.engine.files
    key = uploads._new_key()
    uploads._calls.mutation("begin", key=key)
    if bytes_came:
        backend.blobs.put(key, [TEXT], content_type=None)
    return key


class TestADeploymentWithoutAddress:
    def test_says_what_to_set(self) -> None:
        access = FileAccess(secret=b"secret")

        with pytest.raises(FilesNotConfigured, match="GEOFLOW_CLOUD_URL"):
            access.upload_url(0, b"")
