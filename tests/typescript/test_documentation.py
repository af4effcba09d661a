"""The worked example of docs/typescript.md is what it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chalicelib.engine.functions.registry import Registry
from local.declarations import write_declarations
from tests.typescript.compiler import HERE, compile_project

pytestmark = pytest.mark.clients

PAGE = (HERE.parents[1] / "docs" / "typescript.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
WRONG = """
declare const note: Doc<"notes">;
const add = useMutation(api.notes.add);
add({ board: "", text: "", colour: "red" }); // 1
note.title; // 2
useMutation(api.notes.onBoard); // 3
declare const data: AppErrorData;
if (data.code === "BORED_FULL") throw data; // 4
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The app of the page."""
    (tmp_path / "notes").mkdir()
    for _, text in [block for block in BLOCKS if block[0] == "python"]:
        path = tmp_path / text.splitlines()[0].removeprefix("# ")
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry(("notes",))
    for module in [name for name in sys.modules if name.partition(".")[0] == "notes"]:
        del sys.modules[module]


def test_the_app_is_declared_and_its_component_compiles(
    notes: Registry, tmp_path: Path
) -> None:
    (shown,) = [text for language, text in BLOCKS if language == "ts"]
    (component,) = [text for language, text in BLOCKS if language == "tsx"]
    config = {
        "extends": str(HERE / "tsconfig.json"),
        "compilerOptions": {"types": []},
        "files": ["board.tsx"],
    }
    write_declarations(notes, tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "package.json").write_text('{ "type": "module" }')
    (tmp_path / "tsconfig.json").write_bytes(msgspec.json.encode(config))
    (tmp_path / "board.tsx").write_text(component + WRONG)

    refused = compile_project(tmp_path / "tsconfig.json")

    assert shown in (tmp_path / "_generated" / "api.d.ts").read_text()
    first = len(component.splitlines()) + WRONG.splitlines().index("note.title; // 2")
    lines = [
        int(line) for line in re.findall(r"^board\.tsx\((\d+),", refused, re.MULTILINE)
    ]
    assert lines == [first, first + 1, first + 2, first + 4], refused
