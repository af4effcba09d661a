"""docs/geoflow/files.md shows tests: they are run here as they stand there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from testing import TestBackend

PAGE: Final = Path(__file__).parents[2] / "docs" / "geoflow" / "files.md"
BLOCK: Final = re.compile(r"```python\n(?P<code>.*?)```", re.DOTALL)
BERN: Final = json.dumps(
    {
        "type": "Polygon",
        "coordinates": [
            [[7.4, 46.9], [7.5, 46.9], [7.5, 47.0], [7.4, 47.0], [7.4, 46.9]],
        ],
    }
).encode()


def examples() -> dict[str, Callable[[TestBackend], None]]:
    shown: dict[str, Any] = {"BERN": BERN, "base64": base64, "json": json, "sha256": sha256}
    for block in BLOCK.finditer(PAGE.read_text()):
        exec(compile(block["code"], str(PAGE), "exec"), shown)
    return {name: found for name, found in shown.items() if name.startswith("test_")}


EXAMPLES: Final = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_shows_what_is_true(name: str, backend: TestBackend) -> None:
    EXAMPLES[name](backend)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 4
