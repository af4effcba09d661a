"""Names: snake_case here, camelCase on the wire, of fields, arguments and functions."""

import functools
import re
from typing import Final

from chalicelib.engine.errors import InvalidSchema
from chalicelib.engine.limits import MAX_IDENTIFIER_CHARS


@functools.cache
def wire_name(name: str) -> str:
    """Return what a Python name is called on the wire: ``by_owner_`` is ``byOwner``.

    One trailing underscore is dropped, for names that Python has taken (``list_``); leading
    ones stay. Case changes only after an underscore, so ``x_2d`` is ``x2d``.
    """
    stripped = name.removesuffix("_") or name
    body = stripped.lstrip("_")
    lead = stripped[: len(stripped) - len(body)]
    first, *rest = body.split("_")
    return lead + first + "".join(part[:1].upper() + part[1:] for part in rest)


def check_identifier(name: str, what: str, rule: str) -> None:
    """Refuse a name that Convex's tools could not show.

    Raises:
        InvalidSchema: With ``rule``; ``what`` says whose name it is.
    """
    if not _IDENTIFIER.fullmatch(name) or len(name) > MAX_IDENTIFIER_CHARS:
        raise InvalidSchema(
            rule,
            f"{what} {name!r}: use letters, digits and underscores, at most"
            f" {MAX_IDENTIFIER_CHARS}, not starting with a digit, not underscores alone",
        )


_IDENTIFIER: Final = re.compile(r"(?=_*[A-Za-z0-9])[A-Za-z_][A-Za-z0-9_]*")
