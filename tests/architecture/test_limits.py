"""Every number in ``limits`` bounds something: what nothing enforces is no limit."""

from __future__ import annotations

import ast
import re
from pathlib import Path

LIMITS = Path("chalicelib/engine/limits.py")


def names() -> list[str]:
    """The limits, by name."""
    return [
        node.target.id
        for node in ast.parse(LIMITS.read_text()).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def test_every_limit_is_enforced_somewhere() -> None:
    texts = "\n".join(
        path.read_text()
        for tree in ("chalicelib", "local")
        for path in Path(tree).rglob("*.py")
        if path != LIMITS
    )
    # A limit may only be what others are made of, such as a day.
    used = set(re.findall(r"\w+", texts)) | _parts()

    assert names()
    assert [name for name in names() if name not in used] == []


def _parts() -> set[str]:
    return {
        part.id
        for node in ast.parse(LIMITS.read_text()).body
        if isinstance(node, ast.AnnAssign) and node.value is not None
        for part in ast.walk(node.value)
        if isinstance(part, ast.Name)
    }
