"""A name for the code that a process serves."""

from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path


def fingerprint(packages: tuple[str, ...]) -> str:
    """A name for the code of the app packages: it changes when a file of theirs does."""
    digest = sha256()
    for package in packages:
        for path in _files(package):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _files(package: str) -> Iterator[Path]:
    """The files of a package, or the one of a module."""
    spec = find_spec(package)
    if spec is None:
        return
    if spec.submodule_search_locations is None and spec.has_location and spec.origin:
        yield Path(spec.origin)
    for location in spec.submodule_search_locations or ():
        yield from sorted(Path(location).rglob("*.py"))
