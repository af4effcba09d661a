"""Imports the engine with some of its text changed; nothing is written anywhere."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from typing_extensions import override

from tests.simulation.guards.guard import Edit

ROOT = Path(__file__).parents[3]


def import_edited(edits: Sequence[Edit]) -> None:
    """Let modules that are imported from now on have the edits.

    Raises:
        RuntimeError: the engine was imported before, so that the edits would do nothing.
        ValueError: the text of an edit is not there exactly once.
    """
    if "chalicelib" in sys.modules:
        raise RuntimeError("the engine has been imported without the edits")
    by_file: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        by_file[str(ROOT / edit.file)].append(edit)
    texts = {file: _edited(Path(file).read_text(), own) for file, own in by_file.items()}
    sys.meta_path.insert(0, _Finder(texts))


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for edit in edits:
        text = edit.applied(text)
    return text


class _Finder(MetaPathFinder):
    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin not in self._texts:
            return None
        spec.loader = _Loader(fullname, spec.origin, self._texts[spec.origin])
        return spec


class _Loader(SourceFileLoader):
    """Compiles another text than the file's; what was compiled before is not used."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text

    @override
    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)
