"""What may become of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal[
    "clean",
    "dropped",
    "cut midway",
    "delayed",
    "stalled",
    "deserted",
    "muted",
    "refused",
    "silent",
]
"""How it goes wrong.

``dropped``: reset, both ways, between two chunks. ``cut midway``: reset when a part of a
frame was passed on (or of a request or an answer of HTTP). ``delayed``: every chunk, some milliseconds. ``stalled``: nothing passes for
a second or more, then all of it. ``deserted``: half open; the client is reset, the server is left
with a connection on which nothing comes. ``muted``: half open; the server is reset, the client is
left waiting, then reset. ``refused``: reset at once. ``silent``: nothing passes any more, either way,
until the client gives the connection up, which takes the npm client a minute; it is never drawn.

A chunk is never delivered twice: TCP has numbers against that. What comes twice is what a client
sends again on its next connection.
"""

WEIGHTS: Mapping[Kind, int] = {
    "clean": 2,
    "dropped": 4,
    "cut midway": 4,
    "delayed": 3,
    "stalled": 3,
    "deserted": 3,
    "muted": 2,
    "refused": 1,
}

CLOSING: frozenset[Kind] = frozenset(
    {"dropped", "cut midway", "deserted", "muted", "refused"}
)
"""Those that end a connection."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one connection, when ``after_bytes`` were passed in either direction."""

    kind: Kind
    after_bytes: int = 0
    seconds: float = 0
    seed: int = 0


CLEAN = Fate("clean")


def drawn(random: Random) -> Fate:
    """Draw what becomes of the next connection."""
    (kind,) = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
    seconds = random.uniform(0.002, 0.02) if kind == "delayed" else random.uniform(1, 2.5)
    # Some end in the handshake, most within some dozens of messages.
    after = random.choice([random.randrange(600), random.randrange(2000, 60_000)])
    return Fate(kind, after, seconds, random.getrandbits(32))
