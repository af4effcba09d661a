"""Each row of the protocol's tables has a test, and docs/protocol-tests.md says which."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path("docs")
WANTED = ("1", "3", "5", "7", "8")
OVER_EVERY_ADAPTER = (
    "every_log",
    "each_log",
    "log_of",
    "store: Store",
    "SqlitePersistence",
)
"""What stands in the file of a test that runs over every adapter, or drives one beside another."""


class Line(NamedTuple):
    """One line of the page: a fragment of a row, the tests, and where they run."""

    section: str
    fragment: str
    tests: tuple[str, ...]
    over: str


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """Each line of a page with the number of the section that it is in."""
    number = ""
    for line in path.read_text().splitlines():
        if heading := re.match(r"#+ ([\d.]*\d)", line):
            number = heading[1]
        elif not line.startswith(("#", "-")):
            yield number, line


def rows() -> list[tuple[str, str]]:
    """The rows of the protocol that are to be tested, by section."""
    return [
        (number, text.removeprefix("* ").removeprefix("| "))
        for number, text in sections(DOCS / "protocol.md")
        if number.partition(".")[0] in WANTED
        and text
        and not text.startswith(("|---", "| Convex type"))
    ]


def lines() -> list[Line]:
    """What the page says."""
    found = []
    for number, text in sections(DOCS / "protocol-tests.md"):
        if not text.startswith("| ") or text.startswith("| Row"):
            continue
        fragment, tests, over = re.split(r" \|(?: |$)", text.removeprefix("| "))[:3]
        named = tuple(re.findall(r"`(tests/[^`]+)`", tests))
        found.append(Line(number, fragment.strip(), named, over))
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests, and the classes of tests, in a file."""
    names = set()
    for node in ast.parse(Path(path).read_text()).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names.update(
                f"{node.name}::{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
            )
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return frozenset(names)


def test_every_row_of_the_protocol_is_on_the_page() -> None:
    named = [(line.section, line.fragment) for line in lines()]

    forgotten = [
        f"{section}: {row[:60]}"
        for section, row in rows()
        if not any(section == where and fragment in row for where, fragment in named)
    ]

    assert rows()
    assert forgotten == []


@pytest.mark.parametrize(
    "line", lines(), ids=lambda line: f"{line.section} {line.fragment}"
)
def test_a_line_of_the_page_is_of_a_row_and_names_tests_that_exist(line: Line) -> None:
    assert any(
        line.section == section and line.fragment in row for section, row in rows()
    ), "no such row"
    assert line.tests or line.over.startswith("not offered: ")
    for test in line.tests:
        path, _, name = test.partition("::")
        assert Path(path).is_file(), path
        assert not name or name in names_in(path), test


@pytest.mark.parametrize(
    "line",
    [line for line in lines() if "every adapter" in line.over],
    ids=lambda line: f"{line.section} {line.fragment}",
)
def test_what_runs_over_every_adapter_is_given_each(line: Line) -> None:
    texts = [Path(test.partition("::")[0]).read_text() for test in line.tests]

    assert any(mark in text for mark in OVER_EVERY_ADAPTER for text in texts)
