"""The declarations and the function spec of whole apps."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.engine.errors import InvalidCursor
from chalicelib.engine.functions.declarations import declarations, error_codes
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.spec import function_spec
from chalicelib.engine.values.value import check

APPS = ("chalicelib.geoflow", "tests.apps.atlas", "tests.apps.chat", "tests.apps.trial")
GOLDEN = Path(__file__).parents[2] / "typescript" / "_generated"


@pytest.fixture(scope="module")
def atlas() -> Registry:
    return Registry(("tests.apps.atlas",))


class TestDeclarations:
    def test_of_the_atlas_are_these(self, atlas: Registry) -> None:
        """Written anew by: make types APPS=tests.apps.atlas OUT=tests/typescript."""
        golden = {path.name: path.read_text() for path in GOLDEN.iterdir()}

        assert declarations(atlas) == golden

    @pytest.mark.parametrize("package", APPS)
    def test_do_not_depend_on_which_function_was_called_first(self, package: str) -> None:
        registry = Registry((package,), lazy=True)
        functions = [registered.function for registered in registry.functions.values()]
        random.Random(1).shuffle(functions)
        for function in functions:
            function.signature.build()

        assert declarations(registry) == declarations(Registry((package,)))

    def test_are_the_same_in_another_process(self, atlas: Registry, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "local.declarations", "--out", str(tmp_path)]
        settings = {"GEOFLOW_APPS": "tests.apps.atlas", "PYTHONHASHSEED": "7"}

        subprocess.run(command, check=True, env=settings, capture_output=True)

        written = {p.name: p.read_text() for p in (tmp_path / "_generated").iterdir()}
        assert written == declarations(atlas)

    def test_of_several_apps_are_in_one_tree(self) -> None:
        both = declarations(Registry(("tests.apps.atlas", "tests.apps.chat")))

        assert "  messages: {" in both["api.d.ts"]
        assert "  places: {" in both["api.d.ts"]

    def test_hold_a_function_and_a_module_of_one_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "admin.py").write_text(
            "from chalicelib.engine.server import QueryCtx, query\n"
            "@query\n"
            "def visitors(ctx: QueryCtx) -> int: return 0\n"
        )
        monkeypatch.syspath_prepend(tmp_path)

        both = declarations(Registry(("tests.apps.atlas", "admin")))["api.d.ts"]

        assert (
            "    visitors: "
            'FunctionReference<"query", "public", Record<string, never>, number> & {\n'
            "      invite: FunctionReference<"
        ) in both

    def test_know_nothing_of_the_engines_own_functions(self) -> None:
        served = Registry(("tests.apps.atlas", "chalicelib.system"))

        assert [path for path in served.functions if path.startswith("_system/")]
        assert declarations(served) == declarations(Registry(("tests.apps.atlas",)))
        assert function_spec(served) == function_spec(Registry(("tests.apps.atlas",)))

    def test_of_an_app_without_anything_are_empty(self) -> None:
        empty = declarations(Registry(("chalicelib.system",)))

        assert "export declare const api: {};" in empty["api.d.ts"]
        assert "export type Documents = {\n};" in empty["dataModel.d.ts"]
        assert "import" not in empty["api.d.ts"]


class TestErrorCodes:
    def test_leave_out_errors_that_carry_other_data(self) -> None:
        assert InvalidCursor.code not in error_codes(())

    def test_are_the_engines_and_the_apps_own(self, atlas: Registry) -> None:
        assert "OFF_THE_MAP" in error_codes(atlas.packages)
        assert "NOT_FOUND" in error_codes(())

    @pytest.mark.usefixtures("atlas")
    def test_are_not_those_of_other_packages(self) -> None:
        assert "OFF_THE_MAP" not in error_codes(("tests.apps.chat", "tests.apps.atl"))


def described(spec: list[dict[str, Any]], identifier: str) -> dict[str, Any]:
    (found,) = [entry for entry in spec if entry.get("identifier") == identifier]
    return found


class TestFunctionSpec:
    def test_has_what_the_command_line_of_convex_reads(self, atlas: Registry) -> None:
        assert described(function_spec(atlas), "places.js:rename") == {
            "identifier": "places.js:rename",
            "functionType": "Mutation",
            "visibility": {"kind": "public"},
            "args": {
                "type": "object",
                "value": {
                    "placeId": {
                        "fieldType": {"type": "id", "tableName": "places"},
                        "optional": False,
                    },
                    "name": {"fieldType": {"type": "string"}, "optional": False},
                },
            },
            "returns": {"type": "null"},
        }

    def test_names_internal_functions_and_modules_further_down(
        self, atlas: Registry
    ) -> None:
        found = described(function_spec(atlas), "admin/visitors.js:default")

        assert found["visibility"] == {"kind": "internal"}

    @pytest.mark.parametrize("package", APPS)
    def test_is_a_value_that_a_query_may_return(self, package: str) -> None:
        check(function_spec(Registry((package,))))

    def test_tells_the_kinds_apart(self, atlas: Registry) -> None:
        kinds = {entry["functionType"] for entry in function_spec(atlas)}

        assert kinds == {"Query", "Mutation", "Action", "HttpAction"}

    def test_ends_with_what_answers_http(self, atlas: Registry) -> None:
        assert function_spec(atlas)[-3:] == [
            {"functionType": "HttpAction", "method": "GET", "path": "/map"},
            {"functionType": "HttpAction", "method": "GET", "path": "/tiles/*"},
            {
                "functionType": "HttpAction",
                "method": "POST",
                "path": "/places/{place_id}/redraw",
            },
        ]
