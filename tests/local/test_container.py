"""The container: its steps done one by one in a directory, since no engine is at hand.

What the image would hold is put together by the Dockerfile's own COPY lines, and the server is
run from there alone by the image's own ENV, ENTRYPOINT, HEALTHCHECK and STOPSIGNAL. Not done:
the packages are those of this environment, and the user is whoever runs the test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

from tests.clients.free_port import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = "/opt/geoflow/bin/python"
STARTS_WITHIN_S: Final = 60

Step = tuple[str, str]
"""An instruction of the Dockerfile and its text, of the last stage."""


def steps() -> list[Step]:
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found: list[Step] = []
    for line in lines:
        instruction, _, rest = line.partition(" ")
        found = [] if instruction == "FROM" else [*found, (instruction, rest)]
    return found


def told(instruction: str) -> str:
    (found,) = [text for each, text in steps() if each == instruction]
    return found


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in told("ENV").split())


def arguments(text: str) -> list[str]:
    """An exec form, with this environment's Python for the image's."""
    given: list[str] = json.loads(text[text.index("[") :])
    return [sys.executable if word == PYTHON else word for word in given]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has below its WORKDIR."""
    directory = tmp_path_factory.mktemp("image")
    for instruction, text in steps():
        if instruction == "COPY" and not text.startswith("--from"):
            *sources, target = text.split()
            for source in sources:
                _copy(ROOT / source, directory / target / ("" if target == "./" else "."))
    return directory


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(exist_ok=True)
        shutil.copy(source, target)


class Container:
    """The server of the image, on free ports, with a directory for its volume."""

    def __init__(self, image: Path, volume: Path) -> None:
        self._image, self.volume = image, volume
        self.port, self._site_port = free_port(), free_port()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        ours = {
            "GEOFLOW_DATA": str(self.volume),
            "GEOFLOW_PORT": str(self.port),
            "GEOFLOW_SITE_PORT": str(self._site_port),
        }
        self._process = subprocess.Popen(
            arguments(told("ENTRYPOINT")),
            cwd=self._image,
            env={"PATH": os.environ["PATH"], **environment(), **ours},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        give_up = time.monotonic() + STARTS_WITHIN_S
        while not self.is_healthy():
            assert self._process.poll() is None, self._process.communicate()[0]
            assert time.monotonic() < give_up, "not healthy in time"
            time.sleep(0.2)

    def is_healthy(self) -> bool:
        command = [
            word.replace(":3210/", f":{self.port}/")
            for word in arguments(told("HEALTHCHECK"))
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def stop(self) -> tuple[int, str]:
        assert self._process is not None
        self._process.send_signal(getattr(signal, told("STOPSIGNAL")))
        said, _ = self._process.communicate(timeout=30)
        return self._process.returncode, said

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def call(self, kind: str, path: str, **args: Any) -> Any:
        body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{kind}",
            body,
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture
def container(image: Path, tmp_path: Path) -> Iterator[Container]:
    running = Container(image, tmp_path)
    yield running
    running.kill()


def test_it_serves_stops_in_order_and_keeps_its_data(container: Container) -> None:
    container.start()
    answer = container.call("query", "users:me")
    code, said = container.stop()
    before = sorted(path.name for path in container.volume.iterdir())

    container.start()
    code_again, _ = container.stop()

    assert answer == {"status": "success", "value": None}
    assert (code, code_again) == (0, 0), said
    assert "eyJ" not in said, "a token in the logs"
    assert any(name.endswith((".sqlite", ".db", ".sqlite3")) for name in before), before
    assert sorted(path.name for path in container.volume.iterdir()) == before


def test_it_writes_below_its_volume_alone(image: Path, container: Container) -> None:
    before = sorted(image.rglob("*"))

    container.start()
    container.stop()

    assert sorted(image.rglob("*")) == before


def test_it_runs_as_nobody_in_particular() -> None:
    user = told("USER")

    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) >= 10_000  # above those that hosts give to people


def test_nothing_is_sent_to_the_engine_that_it_does_not_copy() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    text = (ROOT / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for source in line.split()
    }

    assert ignored[1] == "*"
    assert sent == copied


def test_its_packages_are_named_by_files_that_it_copies() -> None:
    text = (ROOT / "Dockerfile").read_text()
    named = {"requirements-local.txt"}
    while True:
        lines = [line for name in named for line in (ROOT / name).read_text().splitlines()]
        more = {line.split()[1] for line in lines if line.startswith(("-r ", "-c "))}
        if more <= named:
            break
        named |= more

    (copied,) = re.findall(r"^COPY (requirements.*) \./$", text, re.MULTILINE)
    assert set(copied.split()) == named


def test_compose_serves_the_image_with_nothing_that_it_does_not_need() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["geoflow"]

    assert [each.split(":")[0] for each in service["ports"]] == told("EXPOSE").split()
    assert [each.split(":")[1] for each in service["volumes"]] == [told("VOLUME")]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert int(service["stop_grace_period"].removesuffix("s")) >= 30
    assert set(service["environment"]) <= {
        f"GEOFLOW_{name}"
        for name in ("CLOUD_URL", "SITE_URL", "AUTH_PROVIDERS", "LOG_LEVEL")
    }


def test_hadolint_has_nothing_against_it() -> None:
    lint = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (lint.returncode, lint.stdout) == (0, "")
