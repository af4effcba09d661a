"""What import-linter cannot say about the shape of the code."""

import ast
import pkgutil
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import chalicelib
from chalicelib.engine import server
from chalicelib.engine.errors import AppError, EngineError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "chalicelib").rglob("*.py"))
APP = ast.parse((ROOT / "app.py").read_text())
HANDLERS = [node for node in APP.body if isinstance(node, ast.FunctionDef)]

TEST_CODE = {
    "conftest",
    "demo",
    "hypothesis",
    "local",
    "moto",
    "pytest",
    "testing",
    "tests",
    "unittest",
}
VAGUE = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def every_module() -> list[ModuleType]:
    found = pkgutil.walk_packages(chalicelib.__path__, "chalicelib.")
    return [import_module(module.name) for module in found]


def errors_under(base: type[Exception]) -> Iterator[type[Exception]]:
    for error in base.__subclasses__():
        if error.__module__.startswith("chalicelib."):
            yield error
        yield from errors_under(error)


def every_error() -> set[type[Exception]]:
    every_module()
    return {*errors_under(EngineError), *errors_under(AppError)}


class TestAppIsATableOfTriggers:
    def test_it_holds_imports_the_app_and_handlers_and_nothing_else(self) -> None:
        shapes = {type(node) for node in APP.body}

        assert shapes <= {ast.Import, ast.ImportFrom, ast.Assign, ast.Expr, ast.FunctionDef}

    @pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.name)
    def test_a_handler_is_one_decorator_and_one_delegating_line(
        self, handler: ast.FunctionDef
    ) -> None:
        (decorator,) = handler.decorator_list
        (line,) = handler.body

        assert ast.unparse(decorator).startswith("app.")
        assert isinstance(line, ast.Return)
        assert isinstance(line.value, ast.Call)
        assert line.lineno == line.end_lineno

    def test_it_knows_the_entry_points_and_the_composition_root_only(self) -> None:
        ours = {name for name in imports(APP) if name.startswith("chalicelib")}

        assert {name for name in ours if not name.startswith("chalicelib.entrypoints")} == {
            "chalicelib"
        }


class TestErrors:
    def test_every_error_states_a_code_of_its_own(self) -> None:
        silent = [error for error in every_error() if "code" not in vars(error)]

        assert silent == []

    def test_one_code_is_one_class(self) -> None:
        codes = Counter(vars(error).get("code") for error in every_error())

        assert [code for code, count in codes.items() if count > 1] == []

    def test_every_error_says_what_it_means(self) -> None:
        silent = [error for error in every_error() if not error.__doc__]

        assert silent == []

    def test_the_table_of_statuses_names_codes_that_exist(self) -> None:
        faults = import_module("chalicelib.entrypoints.faults")

        assert set(faults.STATUS) <= {vars(error).get("code") for error in every_error()}


class TestTheFrontDoor:
    def test_its_names_are_these(self) -> None:
        """Apps depend on every one of them: a change here is a change of the product."""
        assert set(server.__all__) == {
            *("query", "mutation", "action"),
            *("internal_query", "internal_mutation", "internal_action"),
            *("QueryCtx", "MutationCtx", "ActionCtx", "PolicyCtx"),
            *("Document", "Struct", "Id", "Int64", "Unset", "UNSET", "Meta"),
            *("index", "indexed"),
            *("AppError", "Conflict", "Forbidden", "NotFound", "RateLimited"),
            *("Unauthenticated", "ValidationFailed", "ArgumentValidationError"),
            *("Http", "Request", "Response", "Rate", "Rates", "Endpoint"),
            *("Identity", "CustomJwtProvider", "OidcProvider"),
            *("Page", "PaginationOptions", "ScheduledFunction", "StoredFile"),
            *("Crons", "Retry", "Change", "Committed"),
            *(
                "Secret",
                "Letter",
                "Reply",
                "AddressRefused",
                "RequestFailed",
                "SecretRefused",
                "UploadRefused",
            ),
        }

    def test_it_imports_nothing_that_it_does_not_export(self) -> None:
        tree = ast.parse(Path(str(server.__file__)).read_text())
        imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

        assert imported == set(server.__all__)


class TestWhatShipsToLambda:
    @pytest.mark.parametrize("path", SOURCES, ids=named)
    def test_is_no_test_code(self, path: Path) -> None:
        roots = {name.partition(".")[0] for name in imports(ast.parse(path.read_text()))}

        assert not path.name.startswith("test_")
        assert not roots & TEST_CODE

    @pytest.mark.parametrize("path", SOURCES, ids=named)
    def test_is_named_for_what_it_holds(self, path: Path) -> None:
        assert not {*path.relative_to(ROOT).parent.parts, path.stem} & VAGUE

    def test_reads_the_environment_in_one_place(self) -> None:
        readers = {
            named(path)
            for path in SOURCES
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        }

        # config.py says what a variable means; bootstrap.py hands it the environment.
        assert readers <= {"chalicelib/config.py", "chalicelib/bootstrap.py"}
