"""What a package serves: paths, tables and providers, and the mistakes that are told early."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.engine.errors import InvalidFunction, InvalidSchema
from chalicelib.engine.functions.registry import Registry, canonical_path

IMPORTS = """
from __future__ import annotations
from chalicelib.engine.functions.context import QueryCtx
from chalicelib.engine.functions.registration import internal_query, query
from chalicelib.engine.schema import Document, Id, index, indexed
"""

PING = """
@query
def ping(ctx: QueryCtx) -> str:
    return "pong"
"""

Write = Callable[[dict[str, str]], str]
"""Writes a package of modules by path, and returns its name."""

_numbers = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(modules: dict[str, str]) -> str:
        name = f"served_app_{next(_numbers)}"
        for path, text in {"__init__.py": "", **modules}.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text((IMPORTS if text else "") + textwrap.dedent(text))
        written.append(name)
        return name

    yield write
    for module in list(sys.modules):
        if module.partition(".")[0] in written:
            del sys.modules[module]


def own(registry: Registry) -> list[str]:
    """Paths of the functions that are not the engine's."""
    engine = "chalicelib.engine.builtin."
    return [
        path
        for path, registered in registry.functions.items()
        if not registered.function.__module__.startswith(engine)
    ]


class TestPaths:
    def test_follow_the_package(self, package: Write) -> None:
        name = package(
            {
                "executions.py": """
                @query
                def list_by_workflow(ctx: QueryCtx) -> None: ...
                @internal_query
                def list_(ctx: QueryCtx) -> None: ...
                @query(name="everything")
                def all_of_it(ctx: QueryCtx) -> None: ...
                def helper(ctx: QueryCtx) -> None: ...
                """,
                "admin/user_roles.py": PING,
            }
        )

        registry = Registry([name])

        assert own(registry) == [
            "admin/userRoles:ping",
            "executions:everything",
            "executions:list",
            "executions:listByWorkflow",
        ]
        assert registry.functions["executions:list"].function.visibility == "internal"

    def test_leave_out_models_private_modules_and_imports(self, package: Write) -> None:
        name = package({"model/rules.py": PING, "_hidden.py": PING, "a.py": PING})
        importer = package({"b.py": f"from {name}.a import ping"})

        assert own(Registry([name])) == ["a:ping"]
        assert own(Registry([importer])) == []

    def test_start_with_the_prefix_of_the_package(self, package: Write) -> None:
        name = package({"__init__.py": 'WIRE_PREFIX = "_system/"', "cli/tables.py": PING})

        assert own(Registry([name])) == ["_system/cli/tables:ping"]

    def test_of_several_packages_stand_side_by_side(self, package: Write) -> None:
        names = [package({"a.py": PING}), package({"b.py": PING})]

        assert own(Registry(names)) == ["a:ping", "b:ping"]

    def test_that_clash_are_refused_by_both_names(self, package: Write) -> None:
        first, second = package({"a.py": PING}), package({"a.py": PING})

        with pytest.raises(InvalidFunction) as refused:
            Registry([first, second])

        assert f"a:ping is both {first}.a.ping and {second}.a.ping" in str(refused.value)

    def test_are_known_of_each_function(self, package: Write) -> None:
        registry = Registry([package({"a.py": PING})])
        stranger = Registry([package({"a.py": PING})]).functions["a:ping"].function

        assert registry.path_of(registry.functions["a:ping"].function) == "a:ping"
        with pytest.raises(InvalidFunction, match="in none of the packages"):
            registry.path_of(stranger)


class TestLookup:
    @pytest.mark.parametrize(
        ("spelling", "canonical"),
        [
            ("mod:fn", "mod:fn"),
            ("mod.js:fn", "mod:fn"),
            ("a/b.js:fn", "a/b:fn"),
            ("mod", "mod:default"),
            ("mod.js", "mod:default"),
        ],
    )
    def test_knows_every_spelling(self, spelling: str, canonical: str) -> None:
        assert canonical_path(spelling) == canonical

    def test_finds_a_function_or_nothing(self, package: Write) -> None:
        registry = Registry([package({"a.py": PING})])

        found = registry.lookup("a.js:ping")

        assert found is registry.functions["a:ping"]
        assert registry.lookup("a:pong") is None
        assert registry.lookup("a") is None


class TestTables:
    def test_come_from_the_schema(self, package: Write) -> None:
        name = package(
            {
                "schema.py": """
                class Note(Document, table="notes"):
                    text: str = indexed()
                    by_text = index(text)
                """,
                "notes.py": "from .schema import Note",
            }
        )

        # The module that imports the class does not declare the table a second time.
        assert Registry([name]).tables["notes"].indexes == {"by_text": ("text",)}

    def test_of_one_name_in_two_packages_are_refused(self, package: Write) -> None:
        schema = {"schema.py": 'class Note(Document, table="notes"):\n    text: str'}
        first, second = package(schema), package(schema)

        with pytest.raises(InvalidSchema) as refused:
            Registry([first, second])

        assert f"{first}.schema.Note and {second}.schema.Note" in str(refused.value)


class TestProviders:
    def test_come_from_the_auth_configs(self, package: Write) -> None:
        names = [package({"auth_config.py": "providers = ('a',)"}), package({"a.py": PING})]

        assert Registry(names).auth_providers == ("a",)


class TestMistakes:
    WRONG = """
    @query
    def wrong(ctx: QueryCtx, tags: set[str]) -> None: ...
    """

    def test_are_told_at_the_start_with_their_place(self, package: Write) -> None:
        name = package({"a.py": self.WRONG})

        with pytest.raises(InvalidFunction) as refused:
            Registry([name])

        assert str(refused.value) == (
            f"{name}.a.wrong: tags: set[str] is no type of the wire: write list[X]"
        )

    def test_wait_for_the_first_call_where_starting_must_be_quick(
        self, package: Write
    ) -> None:
        registry = Registry([package({"a.py": self.WRONG})], lazy=True)

        with pytest.raises(InvalidFunction):
            registry.check()

    def test_a_function_has_no_place_in_a_module_of_declarations(
        self, package: Write
    ) -> None:
        with pytest.raises(
            InvalidFunction, match="move the function to a module of its own"
        ):
            Registry([package({"schema.py": PING})])

    def test_a_package_that_is_not_there_is_a_plain_import_error(self) -> None:
        with pytest.raises(ModuleNotFoundError, match="no_such_app"):
            Registry(["no_such_app"])
