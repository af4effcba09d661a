"""docs/geoflow/http.md: what it shows is run as it stands, and its table is the code's."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any, Final

import pytest

import app
from chalicelib import bootstrap
from chalicelib.geoflow.answers import ENGINE, STATUS, UNAVAILABLE
from chalicelib.geoflow.rest import OPERATIONS
from local.server import Handlers, LocalServer, Settings
from tests.entrypoints.deployment import Place, token

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "geoflow" / "http.md"
BLOCK: Final = re.compile(
    r"```sh\n(?P<code>.*?)```\n(?:```(?P<kind>json|text)\n(?P<told>.*?)```)?", re.DOTALL
)
END: Final = "=== end of an example ==="
ANYTHING: Final = "…"


@pytest.fixture
def site() -> Iterator[str]:
    Place(apps=("chalicelib.geoflow",))
    running = LocalServer(Settings(port=0, site_port=0))
    running.start(Handlers(http=app.app, websocket_message=app.websocket_message))
    yield f"http://127.0.0.1:{running.ports.site}"
    running.stop()
    bootstrap._in_use.clear()


def matches(told: Any, came: Any) -> bool:
    """Tell whether ``came`` is what the page shows, where … stands for anything."""
    match told:
        case str() if ANYTHING in told:
            pattern = re.escape(told).replace(re.escape(ANYTHING), ".*")
            return (
                told == ANYTHING or re.fullmatch(pattern, str(came), re.DOTALL) is not None
            )
        case dict():
            return told.keys() == came.keys() and all(
                matches(told[name], came[name]) for name in told
            )
        case list():
            return len(told) == len(came) and all(map(matches, told, came))
        case _:
            return bool(told == came)


@pytest.mark.skipif(not (which("curl") and which("jq")), reason="the page uses curl and jq")
def test_its_examples_answer_what_it_says(site: str, tmp_path: Path) -> None:
    _, *examples = BLOCK.finditer(PAGE.read_text())
    given = f"SITE={site}\nTOKEN={token('alice')}\n"
    script = given + "".join(f"{each['code']}echo; echo '{END}'\n" for each in examples)

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    answers = [text.strip() for text in ran.stdout.split(END)]
    for example, answer in zip(examples, answers, strict=False):
        if example["kind"] == "json":
            told, came = json.loads(example["told"]), json.loads(answer)
        else:
            told, came = (example["told"] or "").strip(), answer.lower().replace("\r", "")
            told = told.lower()
        assert matches(told, came), f"{example['code']}\n{came}"
    assert len(answers) == len(examples) + 1


def table() -> str:
    rows = [
        f"| `{operation.name}` | `{path(operation)}` | `{operation.scope}` |"
        f" {operation.status if operation.status != 200 else ''} |"
        for operation in OPERATIONS
    ]
    head = ["| endpoint | function | scope | status |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]).replace("  |", " |")


def path(operation: Any) -> str:
    function = operation.endpoint.function
    module = function.__module__.rpartition(".")[2]
    first, *more = module.split("_")
    return f"{first}{''.join(map(str.title, more))}:{function.wire_name}"


def test_its_table_is_that_of_the_code() -> None:
    _, shown = PAGE.read_text().split("<!-- operations -->")

    assert shown.split("<!-- end of operations -->")[0].strip() == table()


def test_it_tells_every_status_and_code() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    told = {(int(status), code) for many, code in rows for status in many.split(",")}

    known = {(status, code) for code, status in STATUS.items()} | set(ENGINE.values())
    assert told == known | {(405, "VALIDATION_ERROR"), (UNAVAILABLE, "INTERNAL_ERROR")}
