"""Rows that a mutation is going to ask for: read in one call with the name of its request.

Its arguments name documents, and most functions read those that they are given.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from chalicelib.engine.database.catalogue import Catalogue
from chalicelib.engine.database.tail import View
from chalicelib.engine.errors import InvalidId
from chalicelib.engine.log import IndexKey, Request, Row
from chalicelib.engine.persistence import Interval, Page, Persistence
from chalicelib.engine.values.ids import decode_id

MOST_FORESEEN: Final = 8
"""Documents read in advance; each costs a read unit, also if the function does without."""

MAX_ARGUMENT_BYTES: Final = 16 * 1024
"""Larger arguments are not looked into: that would cost more time than it saves."""


class Foreseen:
    """A store some of whose rows were read a moment ago."""

    def __init__(self, persistence: Persistence, rows: dict[IndexKey, Row | None]) -> None:
        self._persistence, self._rows = persistence, rows

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        if (index, key) in self._rows:
            return self._rows[index, key]
        return self._persistence.get(index, key)

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order."""
        return self._persistence.scan(interval, reverse=reverse, limit=limit)


def foresee(
    persistence: Persistence,
    view: View,
    catalogue: Catalogue,
    request: Request,
    arguments: bytes,
) -> Foreseen | None:
    """Read the name of a request and the documents of its arguments; None if one is few.

    They are read at some moment after the rows held everything that ``view`` does not: like
    any other row, they may be newer than it, which the commit finds out.
    """
    wanted = [request.key, *_documents(catalogue, arguments)]
    keys = [key for key in wanted if view.overlay.get(key) is None]
    if len(keys) <= 1:
        return None
    found: Sequence[Row | None] = persistence.get_all(keys)
    return Foreseen(persistence, dict(zip(keys, found, strict=True)))


def _documents(catalogue: Catalogue, arguments: bytes) -> list[IndexKey]:
    """Where the documents are whose ids are among the arguments."""
    if len(arguments) > MAX_ARGUMENT_BYTES:
        return []
    found: dict[IndexKey, None] = {}
    for text in _texts(arguments):
        try:
            number, internal = decode_id(text)
        except InvalidId:
            continue
        name = catalogue.names.get(number)
        if name is not None:
            found[catalogue.tables[name].by_id, internal] = None
    return list(found)[:MOST_FORESEEN]


def _texts(arguments: bytes) -> Iterator[str]:
    try:
        decoded: Any = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return  # the function's signature says what is wrong with it
    (given,) = decoded if isinstance(decoded, list) and len(decoded) == 1 else (decoded,)
    for value in given.values() if isinstance(given, dict) else ():
        several = value if isinstance(value, list) else [value]
        yield from (text for text in several if isinstance(text, str))
