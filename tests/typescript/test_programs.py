"""What the TypeScript compiler says of programs that use the declarations."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from chalicelib.engine.functions.declarations import declarations
from chalicelib.engine.functions.registry import Registry
from tests.typescript.compiler import HERE, compile_project

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
