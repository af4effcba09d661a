"""Finds the resource that a path belongs to, as API Gateway does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_EXACT: Final = 0
_VARIABLE: Final = 1
_GREEDY: Final = 2


@dataclass(frozen=True, slots=True)
class Match:
    """A resource such as ``/http/{proxy+}``, and what its variables stand for in a path."""

    resource: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Pattern:
    resource: str
    segments: tuple[tuple[int, str], ...]

    def match(self, parts: list[str]) -> Match | None:
        parameters: dict[str, str] = {}
        for position, (kind, name) in enumerate(self.segments):
            if position >= len(parts):
                return None
            if kind == _GREEDY:
                parameters[name] = "/".join(parts[position:])
                return Match(self.resource, parameters)
            if kind == _VARIABLE:
                parameters[name] = parts[position]
            elif name != parts[position]:
                return None
        return (
            Match(self.resource, parameters) if len(parts) == len(self.segments) else None
        )


def _segment(text: str) -> tuple[int, str]:
    if text.startswith("{") and text.endswith("+}"):
        return _GREEDY, text[1:-2]
    if text.startswith("{") and text.endswith("}"):
        return _VARIABLE, text[1:-1]
    return _EXACT, text


class RouteTable:
    """The resources of an API. Literals win over variables, those over ``{name+}``."""

    def __init__(self, resources: Iterable[str]) -> None:
        patterns = [
            _Pattern(resource, tuple(_segment(part) for part in resource.split("/")))
            for resource in resources
        ]
        patterns.sort(key=lambda pattern: [kind for kind, _ in pattern.segments])
        self._patterns = tuple(patterns)
        self._literal = {
            pattern.resource: Match(pattern.resource, {})
            for pattern in patterns
            if not any(kind for kind, _ in pattern.segments)
        }

    def match(self, path: str) -> Match | None:
        """Return the resource of ``path``, which is taken as sent: nothing is decoded.

        A slash at the end is dropped, as API Gateway does.
        """
        trimmed = path.rstrip("/") or "/"
        literal = self._literal.get(trimmed)
        if literal is not None:
            return literal
        parts = trimmed.split("/")
        found = (pattern.match(parts) for pattern in self._patterns)
        return next((match for match in found if match is not None), None)
