"""Bytes that people keep are counted and bounded; bytes that became no file go after a day."""

from __future__ import annotations

import json

import pytest

from chalicelib.engine.errors import NotFound, RateLimited
from chalicelib.engine.schema import Id, StoredFile
from chalicelib.geoflow import files, storage_uses, users
from chalicelib.geoflow.limits import (
    DAY_MS,
    MAX_BYTES_PER_USER,
    REMOVED_AT_ONCE,
    UNREGISTERED_KEPT_MS,
)
from chalicelib.geoflow.schema import File, StorageUse, UploadSweep
from testing import Client, TestBackend

TEXT = b"name,height\nPilatus,2128\n"


def stored(backend: TestBackend, who: Client) -> Id[StoredFile]:
    return backend.upload(who.mutation(files.generate_upload_url), TEXT)


def kept(backend: TestBackend, who: Client) -> Id[File]:
    return who.mutation(files.upload, stored(backend, who), "peaks.csv", "text/csv")


def used(who: Client) -> int:
    return who.query(files.usage).bytes


def fill(backend: TestBackend, who: Client, left: int) -> None:
    """Let somebody keep so much that ``left`` bytes are all they may add."""
    me = who.mutation(users.ensure)
    with backend.db() as db:
        db.insert(StorageUse(owner=me, bytes=MAX_BYTES_PER_USER - left))


class TestUsage:
    def test_is_the_bytes_of_the_callers_files(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        before = used(alice)

        first = kept(backend, alice)
        kept(backend, alice)
        kept(backend, bob)
        both = used(alice)
        alice.mutation(files.remove, first)

        assert (before, both, used(alice)) == (0, 2 * len(TEXT), len(TEXT))
        told = json.loads(alice.http("GET", "/api/files/usage").body)["data"]
        assert told == {"bytes": len(TEXT), "limit": MAX_BYTES_PER_USER}

    def test_counts_a_file_once_however_often_it_is_registered(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        storage_id = stored(backend, alice)

        for _ in range(3):
            alice.mutation(files.upload, storage_id, "peaks.csv", "text/csv")

        assert used(alice) == len(TEXT)

    def test_knows_files_that_were_there_before_it(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        first = kept(backend, alice)
        kept(backend, alice)
        with backend.db() as db:
            (use,) = db.query(StorageUse).take(2)
            db.delete(use.id)

        before = used(alice)
        alice.mutation(files.remove, first)

        assert (before, used(alice)) == (2 * len(TEXT), len(TEXT))


class TestQuota:
    def test_refuses_a_file_that_has_no_room(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        fill(backend, alice, left=len(TEXT) + 1)
        kept(backend, alice)
        second = stored(backend, alice)

        with pytest.raises(RateLimited) as refused:
            alice.mutation(files.upload, second, "peaks.csv", "text/csv")

        assert refused.value.details == {
            "bytes": MAX_BYTES_PER_USER - 1,
            "limit": MAX_BYTES_PER_USER,
        }

    def test_refuses_uploads_of_who_is_full_before_their_bytes_go(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        fill(backend, alice, left=0)

        with pytest.raises(RateLimited):
            alice.mutation(files.generate_upload_url)
        answer = alice.http("POST", "/api/files/upload?name=a.csv", TEXT)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (
            429,
            "RATE_LIMITED",
        )
        assert backend.blobs.held == {}

    def test_leaves_nothing_of_an_upload_over_http_that_has_no_room(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        fill(backend, alice, left=len(TEXT) - 1)

        answer = alice.http(
            "POST",
            "/api/files/upload?name=a.csv",
            TEXT,
            headers={"Content-Type": "text/csv"},
        )

        backend.engine.files.sweep()
        assert (answer.status, len(backend.blobs.held)) == (429, 0)


class TestSweep:
    def test_deletes_what_became_no_file_within_a_day(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        lost, file = stored(backend, alice), kept(backend, alice)

        backend.clock.wait_ms(UNREGISTERED_KEPT_MS - 60_000)
        early = backend.system.mutation(storage_uses.sweep)
        backend.clock.wait_ms(120_000)
        late = backend.system.mutation(storage_uses.sweep)

        assert (early, late) == (0, 1)
        with pytest.raises(NotFound):
            alice.mutation(files.upload, lost, "peaks.csv", "text/csv")
        url = alice.mutation(files.generate_download_url, file)
        assert url
        backend.engine.files.sweep()
        assert len(backend.blobs.held) == 1

    def test_comes_by_itself(self, backend: TestBackend) -> None:
        lost = stored(backend, backend.as_user("alice"))
        backend.run_jobs()

        backend.clock.wait_ms(UNREGISTERED_KEPT_MS + 3_600_000)
        backend.engine.send_sweep()
        backend.run_jobs()

        with backend.db() as db:
            assert db.system.get(lost) is None

    def test_looks_at_each_once_and_at_all_of_many(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        for _ in range(REMOVED_AT_ONCE + 5):
            stored(backend, alice)
        backend.clock.wait_ms(DAY_MS + 1)

        first = backend.system.mutation(storage_uses.sweep)
        backend.run_jobs()
        again = backend.system.mutation(storage_uses.sweep)

        with backend.db() as db:
            assert db.system.query(StoredFile).first() is None
            assert len(db.query(UploadSweep).take(2)) == 1
        assert (first, again) == (REMOVED_AT_ONCE, 0)
