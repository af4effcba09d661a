"""How names are searched."""

from __future__ import annotations

import unicodedata


def has_text(text: str, *names: str) -> bool:
    """Tell whether ``text`` is within one of the names, whatever their case or accents' form."""
    wanted = _folded(text)
    return any(wanted in _folded(name) for name in names)


def _folded(text: str) -> str:
    """Source: Unicode 3.13, default caseless matching of canonically equivalent texts."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
