"""``make dev``: what an app's files say is what is served, and declared, soon after."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import BadSetting
from local.dev import sources
from tests.local.desk import ANSWER, PATIENCE_S, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.write(ANSWER.format(hint="int", value=1))
    return desk


@pytest.fixture
def developing(desk: Desk) -> Iterator[subprocess.Popen[bytes]]:
    process = desk.start()
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE_S)


class TestDeveloping:
    def test_serves_what_the_files_say_and_keeps_what_it_has_while_they_are_wrong(
        self, desk: Desk, developing: subprocess.Popen[bytes]
    ) -> None:
        desk.until(lambda: desk.answer() == 1, "served")
        assert "Record<string, never>, number>" in desk.types.read_text()

        desk.write("def broken(:\n")
        desk.until(lambda: "cannot be served" in desk.said, "refused")
        assert 'things.py", line 1\n    def broken(:' in desk.said
        assert "importlib" not in desk.said
        assert desk.answer() == 1

        desk.write(ANSWER.format(hint="set[str]", value="set()"))
        desk.until(lambda: "write list[X]" in desk.said, "refused for its type")
        assert desk.answer() == 1

        desk.write(ANSWER.format(hint="str", value="'two'"))
        desk.until(lambda: desk.answer() == "two", "served anew")
        assert "Record<string, never>, string>" in desk.types.read_text()
        assert desk.said.count("A token, good for a day") == 1

    def test_ends_with_its_server(
        self, desk: Desk, developing: subprocess.Popen[bytes]
    ) -> None:
        desk.until(lambda: desk.answer() == 1, "served")

        developing.send_signal(signal.SIGINT)

        assert developing.wait(PATIENCE_S) == 0
        assert desk.answer() is None


def test_an_app_that_is_wrong_from_the_start_is_served_once_it_is_right(desk: Desk) -> None:
    desk.write("import a_module_that_is_nowhere\n")
    process = desk.start()
    try:
        desk.until(lambda: "Nothing is served" in desk.said, "refused")
        assert "No module named 'a_module_that_is_nowhere'" in desk.said

        desk.write(ANSWER.format(hint="int", value=2))

        desk.until(lambda: desk.answer() == 2, "served")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def test_a_server_that_cannot_start_is_tried_again_at_the_next_change(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", desk.port)):
        process = desk.start()
        desk.until(lambda: "The server has ended, with 1" in desk.said, "given up")
    try:
        assert "If a port is taken" in desk.said

        desk.write(ANSWER.format(hint="int", value=3))

        desk.until(lambda: desk.answer() == 3, "served")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


class TestSources:
    def test_are_the_directories_of_packages_and_the_files_of_modules(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "sources_package").mkdir()
        (tmp_path / "sources_package" / "__init__.py").touch()
        (tmp_path / "sources_module.py").touch()

        found = sources(("sources_package", "sources_module"))

        assert found == [tmp_path / "sources_package", tmp_path / "sources_module.py"]

    @pytest.mark.parametrize("name", ["nowhere_at_all", "nowhere.at.all"])
    def test_that_are_missing_are_named(self, name: str) -> None:
        with pytest.raises(BadSetting, match=name):
            sources((name,))
