"""What the composition root finds out by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.code_version import fingerprint


class TestFingerprint:
    @pytest.fixture(autouse=True)
    def apps(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A place in which apps are found."""
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    def test_changes_with_any_file_of_a_package(self, apps: Path) -> None:
        (apps / "printed" / "inside").mkdir(parents=True)
        for name in ("printed/__init__.py", "printed/inside/notes.py"):
            (apps / name).write_text("")
        before = fingerprint(("printed",))

        (apps / "printed" / "inside" / "notes.py").write_text("x = 1")

        assert fingerprint(("printed",)) != before

    def test_changes_with_the_file_of_an_app_that_is_one_module(self, apps: Path) -> None:
        module = apps / "printed_alone.py"
        module.write_text("")
        before = fingerprint(("printed_alone",))

        module.write_text("x = 1")

        assert fingerprint(("printed_alone",)) != before

    def test_is_that_of_nothing_where_there_is_no_code(self) -> None:
        assert fingerprint(("printed_nowhere", "sys")) == fingerprint(())
