"""docs/geoflow/executions.md shows tests: they are run here as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from testing import TestBackend

PAGE: Final = Path(__file__).parents[2] / "docs" / "geoflow" / "executions.md"
BLOCK: Final = re.compile(r"```python\n(?P<code>.*?)```", re.DOTALL)
NODES: Final = [
    {"id": node, "type": node, "position": {"x": 0, "y": 0}} for node in ("read", "write")
]


def examples() -> dict[str, Callable[[TestBackend], None]]:
    shown: dict[str, Any] = {"NODES": NODES}
    for block in BLOCK.finditer(PAGE.read_text()):
        exec(compile(block["code"], str(PAGE), "exec"), shown)
    return {name: found for name, found in shown.items() if name.startswith("test_")}


EXAMPLES: Final = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_shows_what_is_true(name: str, backend: TestBackend) -> None:
    EXAMPLES[name](backend)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 4
