"""Which part of a file a request asks for (RFC 9110, section 14)."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_RANGES: Final = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.DOTALL)
_RANGE: Final = re.compile(r"\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII)
_MAX_DIGITS: Final = 19
"""Digits of a position; more than that is beyond every file."""


class NotSatisfiable(Exception):
    """None of the bytes that were asked for exist, or they are several ranges."""


class Part(msgspec.Struct, frozen=True):
    """Bytes from ``first`` up to before ``end``, of a file of ``size`` bytes."""

    first: int
    end: int | None
    size: int
    is_whole: bool

    @property
    def status(self) -> int:
        """The status that such an answer has."""
        return 200 if self.is_whole else 206

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return (self.size if self.end is None else self.end) - self.first

    @property
    def content_range(self) -> str:
        """The header that says which part it is."""
        return f"bytes {self.first}-{self.first + self.length - 1}/{self.size}"


def part_of(headers: Mapping[str, str], size: int, etag: str | None = None) -> Part:
    """Return the part of a file of ``size`` bytes that a request wants.

    A header that is no range of bytes is ignored, as one must be whose condition does not
    hold: what ``If-Range`` names is not ``etag``.

    Raises:
        NotSatisfiable: it asks for several ranges, or for bytes beyond the end.
    """
    whole = Part(0, None, size, is_whole=True)
    found = _RANGES.fullmatch(headers.get("range", ""))
    if found is None or headers.get("if-range", etag) != etag:
        return whole
    if "," in found[1]:
        raise NotSatisfiable("ask for one range at a time")
    bounds = _RANGE.fullmatch(found[1])
    if bounds is None or not (bounds[1] or bounds[2]):
        return whole
    first, end = _resolved(bounds[1], bounds[2], size)
    if bounds[1] and bounds[2] and _number(bounds[2]) < _number(bounds[1]):
        return whole  # not a range: it ends before it begins
    if first >= end:
        raise NotSatisfiable(
            f"the file has {size} bytes, none of them in {found[0].strip()}"
        )
    return Part(first, end, size, is_whole=False)


def _resolved(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - _number(last)), size
    return _number(first), min(size, _number(last) + 1) if last else size


def _number(text: str) -> int:
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
