"""Values in the format that a client asked for (docs/protocol.md 1.2), or is known to want."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from chalicelib.engine.values.encoding import clean, decode, export_text
from chalicelib.entrypoints.faults import BadFormat, InvalidClientVersion

Format = Literal["encoded", "fractions", "clean", "export"]

FORMATS: Final[Mapping[str, Format]] = {
    "convex_encoded_json": "encoded",
    "convex_json": "encoded",
    "convex_clean_json": "clean",
    "json": "clean",
    "export_json": "export",
}

_CLIENT: Final = re.compile(r"^(?P<name>[a-zA-Z][a-zA-Z-]*)-(?P<version>\d+\.\d+\.\d+\S*)$")
_OLD: Final = {"npm": (1, 4, 1), "npm-cli": (1, 4, 1), "python": (0, 5, 0)}


def check_client(client: str | None) -> None:
    """See that a ``Convex-Client`` header, if there is one, names a client and a version.

    Raises:
        InvalidClientVersion: It does not.
    """
    if client is not None and not _CLIENT.match(client):
        raise InvalidClientVersion(
            f"Convex-Client is {client!r}; write it like npm-1.48.0: a client and its version"
        )


def choose_format(name: str | None, client: str | None) -> Format:
    """The format of an answer; clients from before there was a choice get the encoded one.

    Raises:
        BadFormat: ``name`` is none.
    """
    known = _CLIENT.match(client or "")
    if name is not None:
        if name not in FORMATS:
            raise BadFormat(f"format {name!r} is none of {', '.join(sorted(FORMATS))}")
        found = FORMATS[name]
        is_python = known is not None and known["name"] == "python"
        return "fractions" if found == "encoded" and is_python else found
    if known is not None and (newest := _OLD.get(known["name"])) is not None:
        numbers = tuple(int(part) for part in re.findall(r"\d+", known["version"])[:3])
        return "encoded" if numbers <= newest else "clean"
    return "clean"


def formatted(value: bytes, chosen: Format) -> Any:
    """Return a value, which is given in encoded JSON, as a tree to write as JSON."""
    if chosen == "encoded":
        return msgspec.Raw(value)
    if chosen == "fractions":
        return _with_fractions(msgspec.json.decode(value))
    if chosen == "export":
        return msgspec.Raw(export_text(decode(value)))
    return clean(decode(value))


def _with_fractions(tree: Any) -> Any:
    """Write every number with a fraction: the PyPI client's HTTP half refuses ``30``."""
    if isinstance(tree, dict):
        return {name: _with_fractions(part) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_with_fractions(part) for part in tree]
    return float(tree) if isinstance(tree, int) and not isinstance(tree, bool) else tree
