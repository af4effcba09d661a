"""Files: kept by their owners, seen by whom the workflow lets, gone with their bytes."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    Forbidden,
    NotFound,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.schema import Id, StoredFile
from chalicelib.engine.server import PaginationOptions
from chalicelib.geoflow import file_facts, files, members, users, workflows
from chalicelib.geoflow.limits import FILE_STALE_MS, MAX_INSPECTED_BYTES
from chalicelib.geoflow.schema import File, Geodata
from testing import Client, TestBackend

TEXT = b"name,height\nPilatus,2128\n"


def stored(backend: TestBackend, who: Client, content: bytes = TEXT) -> Id[StoredFile]:
    return backend.upload(who.mutation(files.generate_upload_url), content)


def kept(
    backend: TestBackend, who: Client, name: str = "peaks.csv", **rest: Any
) -> Id[File]:
    content = rest.pop("content", TEXT)
    return who.mutation(files.upload, stored(backend, who, content), name, **rest)


def seen(who: Client, file_id: Id[File]) -> File:
    found = who.query(files.get, file_id)
    assert found is not None
    return found


def held(backend: TestBackend) -> int:
    """Blobs in the store, once it was swept."""
    backend.engine.files.sweep()
    return len(backend.blobs.held)


class TestUpload:
    def test_takes_size_and_digest_from_the_stored_bytes(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        url = alice.call("files:generateUploadUrl", "mutation")
        storage_id = backend.upload(url, TEXT, content_type="text/csv")

        made = alice.call(
            "files:upload", "mutation", storageId=storage_id, name="peaks.csv"
        )

        me = alice.query(users.me)
        assert me is not None
        (found,) = alice.call("files:listByUser", "query", userId=me.id)
        assert found["_id"] == made
        assert found["size"] == len(TEXT)
        assert found["sha256"] == base64.b64encode(sha256(TEXT).digest()).decode()
        assert (found["name"], found["contentType"]) == ("peaks.csv", "text/csv")
        assert (found["storageId"], found["workflowId"]) == (storage_id, None)
        assert (found["state"], found["geodata"], found["reason"]) == (
            "pending",
            None,
            None,
        )

    def test_repeated_returns_the_same_file(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        storage_id = stored(backend, alice)

        made = [alice.mutation(files.upload, storage_id, "a.csv") for _ in range(2)]

        assert made[0] == made[1]

    def test_takes_nobody_elses_bytes(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        file = seen(alice, kept(backend, alice))

        with pytest.raises(Conflict):
            bob.mutation(files.upload, file.storage_id, "mine.csv")

    def test_takes_no_thumbnail_for_a_file(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        file_id, picture = kept(backend, alice), stored(backend, alice)
        geodata = Geodata(format="GeoJSON")
        backend.system.mutation(file_facts.record, file_id, geodata, None, picture)

        with pytest.raises(Conflict):
            bob.mutation(files.upload, picture, "mine.svg")
        with pytest.raises(Conflict):
            alice.mutation(files.upload, picture, "mine.svg")

    def test_needs_stored_bytes(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        storage_id = stored(backend, alice)
        file_id = alice.mutation(files.upload, storage_id, "a.csv")
        alice.mutation(files.remove, file_id)

        with pytest.raises(NotFound, match="upload it first"):
            alice.mutation(files.upload, storage_id, "a.csv")

    def test_needs_somebody(self, backend: TestBackend) -> None:
        storage_id = stored(backend, backend.as_user("alice"))

        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(files.upload, storage_id, "a.csv")
        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(files.generate_upload_url)

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            ({"name": ""}, ArgumentValidationError),
            ({"name": "n" * 256}, ArgumentValidationError),
            ({"content_type": "text/html"}, ValidationFailed),
            ({"content_type": "image/svg+xml; charset=utf-8"}, ValidationFailed),
            ({"content_type": "application/javascript"}, ValidationFailed),
        ],
    )
    def test_refuses_names_and_types_out_of_bounds(
        self, backend: TestBackend, given: dict[str, Any], refused: type[Exception]
    ) -> None:
        alice = backend.as_user("alice")

        with pytest.raises(refused):
            kept(backend, alice, **given)

    def test_refuses_what_is_too_large(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "MAX_FILE_BYTES", len(TEXT) - 1)

        with pytest.raises(ValidationFailed, match=f"may have {len(TEXT) - 1} bytes"):
            kept(backend, backend.as_user("alice"))

    def test_into_a_workflow_is_for_those_who_may_edit_it(
        self, backend: TestBackend
    ) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        workflow = alice.mutation(workflows.create, "LIDAR")
        storage_id = stored(backend, bob)

        with pytest.raises(NotFound):
            bob.mutation(files.upload, storage_id, "a.csv", workflow_id=workflow)
        alice.mutation(members.share, workflow, "view", bob_id)
        with pytest.raises(Forbidden):
            bob.mutation(files.upload, storage_id, "a.csv", workflow_id=workflow)
        alice.mutation(members.share, workflow, "edit", bob_id)
        made = bob.mutation(files.upload, storage_id, "a.csv", workflow_id=workflow)

        assert [file.id for file in alice.query(files.list_by_workflow, workflow)] == [made]


class TestLists:
    def test_are_newest_first_and_in_pages(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = [kept(backend, alice, name) for name in ("a.csv", "b.csv", "c.csv")]
        owner = seen(alice, made[0]).owner

        listed = alice.query(files.list_by_user, owner)
        first = alice.query(
            files.list_by_user_page, owner, PaginationOptions(num_items=2, cursor=None)
        )
        cursor = first.continue_cursor
        second = alice.query(
            files.list_by_user_page, owner, PaginationOptions(num_items=2, cursor=cursor)
        )

        newest = list(reversed(made))
        assert [file.id for file in listed] == newest
        assert [file.id for file in (*first.page, *second.page)] == newest

    def test_show_another_only_what_is_shared(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        workflow = alice.mutation(workflows.create, "LIDAR")
        kept(backend, alice)
        shared = kept(backend, alice, workflow_id=workflow)
        owner = seen(alice, shared).owner
        watched = bob.watch(files.list_by_user, owner)

        assert watched.latest == []
        alice.mutation(members.share, workflow, "view", bob_id)
        assert [file.id for file in watched.latest] == [shared]
        alice.mutation(members.remove, workflow, bob_id)
        assert watched.latest == []

    def test_are_searched_by_name(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        for name in ("Zürich.geojson", "bern.geojson", "ZÜRICH.las"):
            kept(backend, alice, name)
        page = PaginationOptions(num_items=10, cursor=None)

        found = alice.query(files.search, "zürich", page)
        nothing = backend.as_user("bob").query(files.search, "zürich", page)

        assert [file.name for file in found.page] == ["ZÜRICH.las", "Zürich.geojson"]
        assert (nothing.page, nothing.is_done) == ([], True)

    def test_need_somebody(self, backend: TestBackend) -> None:
        owner = backend.as_user("alice").mutation(users.ensure)

        with pytest.raises(Unauthenticated):
            backend.nobody.query(files.list_by_user, owner)


class TestUpdate:
    def test_renames(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = kept(backend, alice)

        alice.mutation(files.update, file_id, name="b.txt", content_type="text/plain")

        found = seen(alice, file_id)
        assert (found.name, found.content_type) == ("b.txt", "text/plain")

    def test_moves_a_file_only_where_its_owner_may_edit(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        shared = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(members.share, shared, "edit", bob_id)
        theirs = bob.mutation(workflows.create, "Mine")
        file_id = kept(backend, alice, workflow_id=shared)

        bob.mutation(files.update, file_id, name="renamed.csv")
        with pytest.raises(Forbidden):
            bob.mutation(files.update, file_id, workflow_id=theirs)
        with pytest.raises(NotFound):
            alice.mutation(files.update, file_id, workflow_id=theirs)
        alice.mutation(files.update, file_id, workflow_id=None)

        assert bob.query(files.get, file_id) is None


class TestRemove:
    def test_takes_the_bytes_and_the_thumbnail_with_it(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id, picture = kept(backend, alice), stored(backend, alice)
        geodata = Geodata(format="GeoJSON")
        backend.system.mutation(file_facts.record, file_id, geodata, None, picture)
        url = alice.mutation(files.generate_download_url, file_id)
        assert held(backend) == 2

        alice.mutation(files.remove, file_id)

        assert held(backend) == 0
        assert alice.query(files.get, file_id) is None
        assert backend.engine.files.located(ticket(backend, url).file) is None

    def test_of_a_workflow_leaves_its_files_to_their_owners(
        self, backend: TestBackend
    ) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        workflow = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(members.share, workflow, "edit", bob_id)
        file_id = kept(backend, bob, workflow_id=workflow)

        alice.mutation(workflows.remove, workflow)

        assert alice.query(files.get, file_id) is None
        assert seen(bob, file_id).workflow_id == workflow
        with backend.db() as db:
            db.patch(file_id, state="ready")  # nobody is to look into it here
        backend.run_jobs()
        assert seen(bob, file_id).workflow_id is None


class TestDownloadUrl:
    def test_names_the_file(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = kept(backend, alice)

        url = alice.mutation(files.generate_download_url, file_id)

        found = ticket(backend, url)
        assert (found.file, found.name) == (seen(alice, file_id).storage_id, "peaks.csv")

    def test_is_for_those_who_see_the_file(self, backend: TestBackend) -> None:
        file_id = kept(backend, backend.as_user("alice"))

        with pytest.raises(NotFound):
            backend.as_user("bob").mutation(files.generate_download_url, file_id)

    def test_of_a_thumbnail_is_null_without_one(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = kept(backend, alice)
        picture = stored(backend, alice)

        before = alice.mutation(files.generate_thumbnail_url, file_id)
        geodata = Geodata(format="GeoJSON")
        backend.system.mutation(file_facts.record, file_id, geodata, None, picture)
        after = alice.mutation(files.generate_thumbnail_url, file_id)

        assert before is None
        assert after is not None
        assert ticket(backend, after).inline


class TestFacts:
    def test_are_kept_once(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = kept(backend, alice)
        geodata = Geodata(format="GeoJSON", feature_count=3)

        kept_at_all = [
            backend.system.mutation(file_facts.record, file_id, geodata, None, None),
            backend.system.mutation(file_facts.record, file_id, None, "broken", None),
        ]

        assert kept_at_all == [True, False]
        found = seen(alice, file_id)
        assert (found.state, found.geodata) == ("ready", geodata)

    def test_are_asked_for_anew(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id, first, second = (
            kept(backend, alice),
            *(stored(backend, alice) for _ in range(2)),
        )
        geodata = Geodata(format="GeoJSON")
        backend.system.mutation(file_facts.record, file_id, geodata, None, first)

        alice.mutation(files.reprocess, file_id)
        waiting = seen(alice, file_id).state
        backend.system.mutation(file_facts.record, file_id, geodata, None, second)

        assert (waiting, seen(alice, file_id).thumbnail_id) == ("pending", second)
        assert held(backend) == 2

    def test_of_a_file_that_is_too_large_are_not_read(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = kept(backend, alice)
        with backend.db() as db:
            db.patch(file_id, size=MAX_INSPECTED_BYTES + 1)

        backend.run_jobs()

        found = seen(alice, file_id)
        assert (found.state, found.reason) == (
            "unreadable",
            "files over 200000000 bytes are not looked into",
        )

    def test_that_never_come_are_given_up_after_an_hour(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = kept(backend, alice)

        backend.clock.wait_ms(FILE_STALE_MS - 1000)
        backend.system.mutation(file_facts.give_up)
        early = seen(alice, file_id).state
        backend.clock.wait_ms(2000)
        backend.system.mutation(file_facts.give_up)

        assert (early, seen(alice, file_id).state) == ("pending", "unreadable")


def ticket(backend: TestBackend, url: str) -> Any:
    return backend.engine.files.ticket_of(url.partition("?token=")[2])
