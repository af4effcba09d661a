"""The chain of the audit: each event is hashed together with the hash of the one before.

Whoever changes, removes, adds or reorders events breaks it, unless they compute every hash from
there on anew. Then the chain no longer ends as an anchor says that was written down elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from typing_extensions import override

GENESIS: Final = "0" * 64
"""What stands for the hash before the first event."""

FACTS: Final = (
    *("seq", "time", "position", "transaction", "path"),
    *("actor", "via", "address", "agent"),
    *("operation", "table", "document", "before", "after", "detail"),
)
"""The fields that are hashed, in this order, by their names on the wire."""


class Anchor(NamedTuple):
    """The hash of one event, by its number."""

    seq: int
    hash: str

    @override
    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class Verdict(msgspec.Struct, frozen=True):
    """What came of a walk along the chain: how far it holds, and what is wrong there."""

    end: Anchor
    broken: str | None = None


def link(previous: str, facts: Mapping[str, Any]) -> str:
    """Return the hash of an event, as hexadecimal digits.

    ``facts`` has :data:`FACTS`, each text, a whole number or None.
    """
    values = [_plain(facts[name]) for name in FACTS]
    return sha256(msgspec.json.encode([previous, *values])).hexdigest()


def walk(
    events: Iterable[Mapping[str, Any]],
    *,
    base: Anchor,
    head: Anchor,
    anchors: Sequence[Anchor] = (),
) -> Verdict:
    """Walk along events, oldest first, from what comes before them to the head.

    Events have :data:`FACTS`, ``previous`` and ``hash``. ``anchors`` are what was written down
    earlier: those that are older than ``base`` cannot be looked at any more.
    """
    wanted = {anchor.seq: anchor.hash for anchor in anchors}
    at = base
    if wanted.get(at.seq, at.hash) != at.hash:
        return Verdict(at, f"the chain does not begin as anchor {at.seq} says")
    for event in events:
        broken = _fault(at, event) or _unanchored(event, wanted)
        if broken is not None:
            return Verdict(at, broken)
        at = Anchor(int(event["seq"]), event["hash"])
    missing = max((seq for seq in wanted if seq > at.seq), default=None)
    if missing is not None:
        return Verdict(at, f"events after {at.seq} are missing: there was {missing}")
    if at != head:
        return Verdict(at, f"events after {at.seq} are missing: the head is {head.seq}")
    return Verdict(at)


def _fault(at: Anchor, event: Mapping[str, Any]) -> str | None:
    seq = int(event["seq"])
    if seq != at.seq + 1:
        return f"event {at.seq + 1} is missing: {seq} comes after {at.seq}"
    if event["previous"] != at.hash:
        return f"event {seq} does not follow from event {at.seq}"
    if event["hash"] != link(at.hash, event):
        return f"event {seq} was changed"
    return None


def _unanchored(event: Mapping[str, Any], wanted: Mapping[int, str]) -> str | None:
    seq = int(event["seq"])
    if wanted.get(seq, event["hash"]) == event["hash"]:
        return None
    return f"event {seq} is not the one of the anchor: the chain was computed anew"


def _plain(value: Any) -> Any:
    """Numbers come back from JSON as floats: they are whole."""
    return int(value) if isinstance(value, float) else value
