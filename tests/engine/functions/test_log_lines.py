"""Log lines look as the clients' parsers want them, and are bounded."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.limits import MAX_LOG_LINE_BYTES, MAX_LOG_LINES


def test_every_level_is_named_as_clients_parse_it() -> None:
    said = Log()

    said.debug(1)
    said.info(2)
    said.warn(3)
    said.error(4)

    assert said.lines == ("[DEBUG] 1", "[INFO] 2", "[WARN] 3", "[ERROR] 4")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hi", "'hi'"),
        ("it's", r"'it\'s'"),
        ("back\\slash", r"'back\\slash'"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_value_is_inspected(value: Any, text: str) -> None:
    said = Log()

    said.info(value)

    assert said.lines == (f"[INFO] {text}",)


def test_several_values_stand_on_one_line() -> None:
    said = Log()

    said.info("count", 3, None)

    assert said.lines == ("[INFO] 'count' 3 null",)


def test_a_line_is_cut_and_still_begins_with_its_level() -> None:
    said = Log()

    said.info("x" * (MAX_LOG_LINE_BYTES + 10))

    assert len(said.lines[0]) == MAX_LOG_LINE_BYTES
    assert re.match(r"\[INFO\] 'x+$", said.lines[0])


def test_lines_beyond_the_limit_are_dropped() -> None:
    said = Log()

    for number in range(MAX_LOG_LINES + 5):
        said.info(number)

    assert said.lines[-1] == f"[INFO] {MAX_LOG_LINES - 1}"


def test_a_long_line_is_cut_between_characters_by_its_bytes() -> None:
    said = Log()

    said.info("😀" * MAX_LOG_LINE_BYTES)

    (line,) = said.lines
    assert MAX_LOG_LINE_BYTES - 4 < len(line.encode()) <= MAX_LOG_LINE_BYTES
    assert set(line.removeprefix("[INFO] '")) == {"😀"}
