"""Path templates of HTTP functions: ``/runs/{run_id}/cancel`` and ``/files/{rest:path}``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from chalicelib.engine.errors import InvalidFunction

RESERVED_PREFIX: Final = "/.files"
"""Where an app can have no paths. Source: Convex's router, which keeps it for storage."""

_LITERAL: Final = 0
_VARIABLE: Final = 1
_REST: Final = 2

_BRACES: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)(:path)?\}")


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """One path, or all that have a form. Smaller ``rank``: the more special one.

    ``{name}`` is one segment that is not empty; ``{name:path}``, at the end only, is all that
    follows, slashes and nothing at all included.
    """

    text: str
    segments: tuple[tuple[int, str], ...]

    @classmethod
    def parse(cls, text: str) -> "PathTemplate":
        """Read a template.

        Raises:
            InvalidFunction: it is not one; the message says why.
        """
        if not text.startswith("/") or text.startswith(RESERVED_PREFIX):
            raise InvalidFunction(
                f"path {text!r}: it starts with a slash, and not with {RESERVED_PREFIX}"
            )
        segments = tuple(_segment(text, part) for part in text.split("/"))
        if any(kind == _REST for kind, _ in segments[:-1]):
            raise InvalidFunction(f"path {text!r}: {{name:path}} stands at its end")
        template = cls(text, segments)
        if len(set(template.names)) < len(template.names):
            raise InvalidFunction(f"path {text!r}: a name comes twice")
        return template

    @property
    def names(self) -> list[str]:
        """The names of its parameters, in order."""
        return [name for kind, name in self.segments if kind != _LITERAL]

    @property
    def rank(self) -> tuple[int, ...]:
        """Literals win over variables and those over the rest, from left to right."""
        return tuple(kind for kind, _ in self.segments)

    @property
    def is_of_one_length(self) -> bool:
        """Tell whether all paths that match have the same number of segments."""
        return all(kind != _REST for kind, _ in self.segments)

    @property
    def shape(self) -> tuple[tuple[int, str], ...]:
        """What two templates share if they match the same paths."""
        return tuple((k, name if k == _LITERAL else "") for k, name in self.segments)

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """Return the parameters in the segments of a percent-encoded path; None: no match."""
        found: dict[str, str] = {}
        for place, (kind, name) in enumerate(self.segments):
            if place >= len(parts):
                return None
            if kind == _REST:
                return {**found, name: unquote("/".join(parts[place:]))}
            text = unquote(parts[place])
            if kind == _VARIABLE and text:
                found[name] = text
            elif kind == _VARIABLE or text != name:
                return None
        return found if len(parts) == len(self.segments) else None


def _segment(path: str, part: str) -> tuple[int, str]:
    braces = _BRACES.fullmatch(part)
    if braces is not None:
        return _REST if braces[2] else _VARIABLE, braces[1]
    if set(part) & set("{}?#%"):
        raise InvalidFunction(
            f"path {path!r}: a segment is {{name}}, or {{name:path}}, or plain text as"
            " people read it"
        )
    return _LITERAL, part
