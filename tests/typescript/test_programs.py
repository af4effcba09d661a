"""What the TypeScript compiler says of programs that use the declarations."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from chalicelib.engine.functions.declarations import declarations
from chalicelib.engine.functions.registry import Registry, canonical_path
from tests.typescript.compiler import HERE, compile_project, run_node

pytestmark = pytest.mark.clients

SAID = re.compile(r"^(?P<file>[^(\s]+)\((?P<line>\d+),\d+\): error (?P<code>TS\d+)")
MARKED = re.compile(r"// ✗ (?P<code>TS\d+): ")


@pytest.fixture(scope="module")
def errors() -> dict[str, Counter[tuple[int, str]]]:
    """What is refused, by file: the numbers of lines, and the codes."""
    # The declarations that the programs import are those of today's functions.
    written = {path.name: path.read_text() for path in (HERE / "_generated").iterdir()}
    assert written == declarations(Registry(("tests.apps.atlas",)))
    found: dict[str, Counter[tuple[int, str]]] = {}
    for line in compile_project(HERE / "tsconfig.json").splitlines():
        if said := SAID.match(line):
            place = int(said["line"]), said["code"]
            found.setdefault(said["file"], Counter())[place] += 1
        else:
            assert line.startswith(" "), line
    return found


def test_a_correct_program_compiles(errors: dict[str, Counter[tuple[int, str]]]) -> None:
    assert set(errors) == {"wrong.tsx"}


def test_each_wrong_line_is_refused_for_its_reason_and_no_other_line_is(
    errors: dict[str, Counter[tuple[int, str]]],
) -> None:
    lines = (HERE / "wrong.tsx").read_text().splitlines()
    marked = Counter(
        (number, mark["code"])
        for number, line in enumerate(lines, 1)
        if (mark := MARKED.search(line))
    )

    assert len(marked) >= 20
    assert errors["wrong.tsx"] == marked


def test_references_have_the_names_that_are_served() -> None:
    paths = list(Registry(("tests.apps.atlas",)).functions)
    app = [path for path in paths if not path.startswith("_system/")]
    references = [["api", *path.replace("/", ":").split(":")] for path in app]
    program = (
        'import { getFunctionName } from "convex/server";'
        'import * as roots from "./_generated/api.js";'
        f"const references = {json.dumps(references)};"
        "const names = references.map((path) => getFunctionName("
        "path.reduce((level, name) => level[name], roots)));"
        "console.log(JSON.stringify(names));"
    )

    ran = run_node(["--input-type=module", "--eval", program])

    names = [canonical_path(name) for name in json.loads(ran)]
    assert names == app
