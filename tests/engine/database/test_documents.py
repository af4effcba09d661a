"""``ctx.db`` gives typed documents, and only those that the caller may see."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.adapters.cursors import SivCursors
from chalicelib.engine.database.access import Access
from chalicelib.engine.database.catalogue import Catalogue, TableSpec, with_tables
from chalicelib.engine.database.documents import Writer
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import (
    EngineError,
    Forbidden,
    InvalidId,
    NotFound,
    TableUnknown,
)
from chalicelib.engine.functions.context import Auth, PolicyCtx
from chalicelib.engine.functions.determinism import Determinism
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.schema import Document, tables
from chalicelib.engine.values.ids import encode_id
from tests.apps.trial import schema
from tests.apps.trial.schema import Diary, Item
from tests.backend import BEGINNING_MS, VirtualClock
from tests.trial import user

TABLES = tables(schema)
NAMES = {name: TableSpec(dict(table.indexes)) for name, table in TABLES.items()}
CATALOGUE = with_tables(Catalogue(), NAMES, "v1")


class Stranger(Document, table="strangers"):
    """A document of an app that is not served."""

    name: str


class Desk:
    """One run, over an empty log, seen by several callers."""

    def __init__(self, storage: Persistence) -> None:
        tail = LogTail(storage, VirtualClock())
        self.transaction = Transaction(Snapshot(storage, tail, tail.refresh()), CATALOGUE)
        self.determinism = Determinism(BEGINNING_MS, b"seed")

    def db(self, name: str | None = None, *, unrestricted: bool = False) -> Writer:
        pages = Pages(SivCursors(b"a test"), None)
        access = Access(self.transaction, TABLES, self.determinism.new_internal, pages)
        writer = Writer(access)
        if unrestricted:
            return writer
        ctx = PolicyCtx(Auth(user(name) if name else None), writer, self.determinism)
        return Writer(msgspec.structs.replace(access, policy_ctx=ctx))


@pytest.fixture
def desk(every_log: Persistence) -> Desk:
    return Desk(every_log)


class TestReading:
    def test_gives_the_document_with_its_id_and_time(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))

        found = desk.db().require(made)

        assert (found.id, found.group, found.label) == (made, "a", "x")
        assert found.creation_time == BEGINNING_MS

    def test_of_what_is_not_there_gives_none_or_says_so(self, desk: Desk) -> None:
        missing: Any = encode_id(CATALOGUE.tables["items"].number, b"x" * 16)

        assert desk.db().get(missing) is None
        with pytest.raises(NotFound):
            desk.db().require(missing)

    @pytest.mark.parametrize("text", ["", "nonsense", encode_id(9_999, b"x" * 16)])
    def test_by_what_is_no_id_is_refused(self, desk: Desk, text: Any) -> None:
        with pytest.raises(InvalidId):
            desk.db().get(text)

    def test_of_a_table_that_is_not_served_is_refused(self, desk: Desk) -> None:
        with pytest.raises(TableUnknown, match="Stranger belongs to no table"):
            desk.db().query(Stranger)

    def test_normalizes_ids_of_its_own_table(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))

        assert desk.db().normalize_id(Item, made) == made
        assert desk.db().normalize_id(Diary, made) is None
        assert desk.db().normalize_id(Item, "nonsense") is None


class TestWriting:
    def test_changes_some_fields_and_keeps_the_others(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))

        desk.db().patch(made, label="y")

        found = desk.db().require(made)
        assert (found.group, found.label, found.creation_time) == ("a", "y", BEGINNING_MS)

    def test_of_a_field_that_there_is_not_is_refused(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))

        with pytest.raises(AttributeError, match="Item has no field 'colour'"):
            desk.db().patch(made, colour="red")  # type: ignore[call-arg]  # what is tested

    @pytest.mark.parametrize("field", ["_id", "_creation_time"])
    def test_of_what_the_engine_keeps_is_refused(self, desk: Desk, field: str) -> None:
        made = desk.db().insert(Item(group="a", label="x"))
        fields: Any = {field: "x"}

        with pytest.raises(AttributeError, match=f"Item has no field '{field}'"):
            desk.db().patch(made, **fields)

    def test_of_a_draft_is_left_out_when_the_block_fails(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))

        def fail() -> None:
            with desk.db().edit(made) as draft:
                draft.label = "never"
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        assert desk.db().require(made).label == "x"

    def test_may_put_another_document_in_its_place(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))

        desk.db().replace(made, Item(group="b", label="y"))

        assert desk.db().require(made).group == "b"

    def test_of_what_is_deleted_is_refused(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))
        desk.db().delete(made)

        with pytest.raises(NotFound):
            desk.db().delete(made)
        with pytest.raises(NotFound):
            desk.db().patch(made, label="y")
        with pytest.raises(NotFound):
            desk.db().replace(made, Item(group="b", label="y"))

    def test_of_a_wrong_type_is_refused(self, desk: Desk) -> None:
        wrong: Any = 5

        with pytest.raises(EngineError):
            desk.db().insert(Item(group="a", label=wrong))

    def test_of_the_same_again_writes_nothing(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))
        before = desk.transaction.writes()

        desk.db().patch(made, label="x")

        assert desk.transaction.writes() == before

    def test_of_what_is_made_and_deleted_again_leaves_nothing(self, desk: Desk) -> None:
        made = desk.db().insert(Item(group="a", label="x"))
        desk.db().delete(made)

        assert desk.transaction.writes() == ()


class TestRowPolicies:
    def test_make_documents_of_others_disappear(self, desk: Desk) -> None:
        made = desk.db("ann").insert(Diary(author="ann", text="dear diary"))

        assert desk.db("ann").get(made) is not None
        for other in (desk.db("bob"), desk.db()):
            assert other.get(made) is None
            assert other.query(Diary).collect() == []

    def test_make_writes_to_documents_of_others_fail_as_if_they_were_not_there(
        self, desk: Desk
    ) -> None:
        made = desk.db("ann").insert(Diary(author="ann", text="dear diary"))

        with pytest.raises(NotFound):
            desk.db("bob").patch(made, text="graffiti")
        with pytest.raises(NotFound):
            desk.db("bob").delete(made)

    def test_judge_a_new_document(self, desk: Desk) -> None:
        with pytest.raises(Forbidden):
            desk.db("bob").insert(Diary(author="ann", text="forged"))

        assert desk.transaction.writes() == ()

    def test_judge_a_document_as_it_was_and_as_it_will_be(self, desk: Desk) -> None:
        made = desk.db("ann").insert(Diary(author="ann", text="dear diary"))

        with pytest.raises(Forbidden):
            desk.db("ann").patch(made, author="bob")

        assert desk.db("ann").require(made).author == "ann"

    def test_do_not_bind_the_unrestricted_database(self, desk: Desk) -> None:
        made = desk.db("ann").insert(Diary(author="ann", text="dear diary"))

        assert desk.db("bob").unrestricted.require(made).text == "dear diary"
        assert desk.db(unrestricted=True).query(Diary).collect()

    def test_hide_documents_from_take_without_counting_them(self, desk: Desk) -> None:
        for name in ("ann", "bob", "ann", "bob"):
            desk.db(name).insert(Diary(author=name, text=name))

        assert [d.text for d in desk.db("bob").query(Diary).take(2)] == ["bob", "bob"]
