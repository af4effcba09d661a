"""Writes what clients are checked against: ``make types``, and ``make spec``."""

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from chalicelib.config import BadSetting, Settings, from_environment
from chalicelib.engine.errors import EngineError
from chalicelib.engine.functions.declarations import declarations
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.spec import function_spec
from local.files import own_address

FOLDER: Final = "_generated"
"""Where the files are within the directory that is named, as Convex's own tools have it."""


def write_declarations(registry: Registry, directory: Path) -> list[Path]:
    """Write the declarations of what is served; return the files that were not so before.

    A file that is as it should be is not touched, so that what watches it stays quiet, and
    one that is not changes at once: nobody reads half of it.

    Raises:
        EngineError: Something cannot be served as it is written.
        OSError: The directory cannot be written to.
    """
    texts = declarations(registry)
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return [folder / n for n, text in texts.items() if _replaced(folder / n, text)]


def spec_text(registry: Registry, settings: Settings) -> str:
    """Return what ``npx convex function-spec`` prints of a server with these settings."""
    url = settings.cloud_url or own_address(settings.host, settings.port)
    spec = {"url": url, "functions": function_spec(registry)}
    return msgspec.json.format(msgspec.json.encode(spec), indent=2).decode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m local.declarations", description=__doc__
    )
    parser.add_argument("--out", type=Path, help=f"directory for {FOLDER}; else only check")
    parser.add_argument("--spec", action="store_true", help="print the function spec")
    asked = parser.parse_args(arguments)
    try:
        settings = from_environment(os.environ)
        registry = Registry(settings.apps)
        if asked.spec:
            print(spec_text(registry, settings))
        if asked.out is not None:
            written = write_declarations(registry, asked.out)
            for path in written:
                print(f"Wrote {path}", file=sys.stderr)
            if not written:
                print(f"{asked.out / FOLDER} is as it should be", file=sys.stderr)
    except (BadSetting, EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - an app may raise anything when imported
        print(fault_text(error), file=sys.stderr)
        return 1
    return 0


def fault_text(error: Exception) -> str:
    """Say what is wrong with an app that cannot be imported: its own frames, and the error."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and not _is_ours(frame.filename)
    ]
    told = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "".join(told).rstrip()


def _is_ours(filename: str) -> bool:
    return any(Path(filename).is_relative_to(folder) for folder in _OURS)


def _replaced(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as fresh:
        fresh.write(text)
    Path(fresh.name).chmod(_READABLE)
    Path(fresh.name).replace(path)
    return True


_HERE: Final = Path(__file__).resolve().parent
_OURS: Final = (
    _HERE,
    _HERE.parent / "chalicelib" / "engine",
    Path(importlib.__file__).parent,
)
"""Where the frames of an import are that tell nothing of the app."""

_READABLE: Final = 0o644  # a temporary file is its owner's alone

if __name__ == "__main__":
    sys.exit(main())
