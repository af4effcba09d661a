"""The commands that describe what is served: ``make types`` and ``make spec``."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from chalicelib.engine.functions.declarations import declarations
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.spec import function_spec
from local.declarations import main, write_declarations


@pytest.fixture(scope="module")
def atlas() -> Registry:
    return Registry(("tests.apps.atlas",))


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that is served, for a test to fill."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GEOFLOW_APPS", f"app_of_{tmp_path.name}")
    return tmp_path / f"app_of_{tmp_path.name}.py"


class TestWriting:
    def test_makes_the_directory_and_the_files(
        self, atlas: Registry, tmp_path: Path
    ) -> None:
        written = write_declarations(atlas, tmp_path / "web" / "src")

        folder = tmp_path / "web" / "src" / "_generated"
        assert sorted(written) == sorted(folder / name for name in declarations(atlas))
        assert sorted(folder.iterdir()) == sorted(written)
        assert (folder / "api.js").stat().st_mode & 0o777 == 0o644

    def test_leaves_alone_what_is_as_it_should_be(
        self, atlas: Registry, tmp_path: Path
    ) -> None:
        write_declarations(atlas, tmp_path)
        before = [path.stat() for path in sorted((tmp_path / "_generated").iterdir())]

        assert write_declarations(atlas, tmp_path) == []
        after = [path.stat() for path in sorted((tmp_path / "_generated").iterdir())]
        assert [s.st_mtime_ns for s in after] == [s.st_mtime_ns for s in before]

    def test_replaces_what_is_not(self, atlas: Registry, tmp_path: Path) -> None:
        write_declarations(atlas, tmp_path)
        changed = tmp_path / "_generated" / "api.js"
        changed.write_text("something else")

        assert write_declarations(atlas, tmp_path) == [changed]
        assert changed.read_text() == declarations(atlas)["api.js"]


class TestTheCommand:
    def test_prints_the_spec_and_nothing_else(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GEOFLOW_APPS", "tests.apps.atlas")
        monkeypatch.setenv("GEOFLOW_PORT", "4210")

        assert main(["--spec"]) == 0

        printed = json.loads(capsys.readouterr().out)
        assert printed["url"] == "http://127.0.0.1:4210"
        assert printed["functions"] == function_spec(Registry(("tests.apps.atlas",)))

    def test_says_where_an_app_is_wrong(
        self, app: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        app.write_text("a = 1\nb = a / 0\n")

        assert main([]) == 1

        said = capsys.readouterr().err
        assert f'{app.name}", line 2' in said
        assert said.endswith("ZeroDivisionError: division by zero\n")
        assert "registry.py" not in said

    def test_says_what_cannot_be_served(
        self, app: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        app.write_text(
            textwrap.dedent("""
            from chalicelib.engine.server import QueryCtx, query

            @query
            def when(ctx: QueryCtx) -> complex:
                return 1j
            """)
        )

        assert main([]) == 1

        assert "a Struct of two floats" in capsys.readouterr().err

    def test_writes_nothing_of_what_cannot_be_served(
        self, app: Path, tmp_path: Path
    ) -> None:
        app.write_text("raise LookupError")

        assert main(["--out", str(tmp_path / "web")]) == 1

        assert not (tmp_path / "web").exists()
