"""The pages of credentials, webhooks and the audit show tests: they are run as they stand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib import geoflow
from testing import TestBackend
from tests.apps import vault
from tests.receiver import Receiver, receiving

PAGES: Final = Path(__file__).parents[2] / "docs" / "geoflow"
BLOCK: Final = re.compile(r"```python\n(?P<code>.*?)```", re.DOTALL)


def examples() -> dict[str, Callable[..., None]]:
    shown: dict[str, Any] = {"pytest": pytest}
    for page in ("credentials.md", "webhooks.md", "audit.md"):
        for block in BLOCK.finditer((PAGES / page).read_text()):
            exec(compile(block["code"], page, "exec"), shown)
    return {name: found for name, found in shown.items() if name.startswith("test_")}


EXAMPLES: Final = examples()


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend(geoflow, vault)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_pages_show_what_is_true(
    name: str, backend: TestBackend, receiver: Receiver
) -> None:
    given = {"backend": backend, "receiver": receiver}

    EXAMPLES[name](**{n: given[n] for n in inspect.signature(EXAMPLES[name]).parameters})


def test_the_pages_have_their_examples() -> None:
    assert len(EXAMPLES) == 6
