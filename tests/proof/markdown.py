"""Tables as Markdown, on the terminal and between two marks of a page."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.proof.report import Table


def rendered(table: Table, *, all_columns: bool = False) -> str:
    """Write a table; the columns that differ from run to run only if ``all_columns``."""
    hidden = frozenset[str]() if all_columns else table.printed_only
    kept = [i for i, name in enumerate(table.columns) if name not in hidden]
    cells = [
        [_cell(row[i]) for i in kept]
        for row in (table.columns, ["---"] * len(table.columns), *table.rows)
    ]
    if all_columns:
        cells = _aligned(cells)
    lines = [f"| {' | '.join(row)} |" for row in cells]
    above = [f"### {table.title}", ""] + ([table.note, ""] if table.note else [])
    return "\n".join([*above, *lines])


def _cell(value: object) -> str:
    told = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(told.split()).replace("|", "\\|")


def _aligned(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    fills = ["-" if row is cells[1] else " " for row in cells]
    return [
        [cell.ljust(width, fill) for cell, width in zip(row, widths, strict=True)]
        for row, fill in zip(cells, fills, strict=True)
    ]


def write_section(page: Path, part: str, tables: Iterable[Table]) -> None:
    """Put tables between the marks of a part; what else is on the page stays.

    Raises:
        ValueError: the marks are not on the page.
    """
    text = page.read_text()
    page.write_text(replaced(text, part, "\n\n".join(map(rendered, tables))))


def replaced(text: str, part: str, section: str) -> str:
    """The text of a page with another section of a part.

    Raises:
        ValueError: the marks are not there.
    """
    begin, end = f"<!-- proof: {part} -->", f"<!-- end of proof: {part} -->"
    between = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if len(between.findall(text)) != 1:
        raise ValueError(f"the page has not one pair of marks {begin} … {end}")
    return between.sub(lambda _: f"{begin}\n\n{section}\n\n{end}", text)
