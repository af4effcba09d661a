"""Versions: kept when published or run, listed, drawn again."""

from __future__ import annotations

import pytest

from chalicelib.engine.errors import Conflict, NotFound
from chalicelib.engine.server import PaginationOptions
from chalicelib.geoflow import executions, versions, workflows
from testing import TestBackend
from tests.geoflow.drawings import nodes


class TestPublishing:
    def test_keeps_the_definition_and_makes_a_draft_active(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"))

        version = alice.mutation(versions.publish, workflow, "the first")
        alice.mutation(workflows.update, workflow, nodes=nodes("a b"))

        kept = alice.query(versions.get, workflow, version)
        assert kept is not None
        assert ([one.id for one in kept.nodes], kept.note) == (["a"], "the first")
        stored = alice.query(workflows.get, workflow)
        assert stored is not None
        assert (stored.status, stored.version) == ("active", 2)

    def test_again_changes_the_note_alone(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")

        for note in ("wrong", "right"):
            alice.mutation(versions.publish, workflow, note)

        assert [one.note for one in alice.query(versions.list_, workflow)] == ["right"]

    def test_of_what_is_archived_is_refused(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(workflows.archive, workflow)

        with pytest.raises(Conflict, match="archived"):
            alice.mutation(versions.publish, workflow)


class TestRestoring:
    def test_draws_the_old_definition_as_a_new_version(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
        alice.mutation(executions.start, workflow)
        alice.mutation(workflows.update, workflow, nodes=nodes("a b"))

        restored = alice.mutation(versions.restore, workflow, 1)

        stored = alice.query(workflows.get, workflow)
        assert stored is not None
        assert (restored, [one.id for one in stored.nodes]) == (3, ["a"])

    def test_of_what_was_not_kept_is_refused(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")

        with pytest.raises(NotFound, match="version 1 of 'LIDAR' was not kept"):
            alice.mutation(versions.restore, workflow, 1)


class TestLists:
    def test_are_newest_first_and_have_pages(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        for names in ("a", "a b", "a b c"):
            alice.mutation(workflows.update, workflow, nodes=nodes(names))
            alice.mutation(versions.publish, workflow)

        page = alice.query(
            versions.list_page, workflow, PaginationOptions(num_items=2, cursor=None)
        )

        assert [one.version for one in alice.query(versions.list_, workflow)] == [4, 3, 2]
        assert [one.version for one in page.page] == [4, 3]

    def test_show_strangers_nothing(self, backend: TestBackend) -> None:
        alice, eve = backend.as_user("alice"), backend.as_user("eve")
        workflow = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(versions.publish, workflow)

        assert eve.query(versions.list_, workflow) == []
        assert eve.query(versions.get, workflow, 1) is None
        with pytest.raises(NotFound):
            eve.query(
                versions.list_page, workflow, PaginationOptions(num_items=2, cursor=None)
            )
