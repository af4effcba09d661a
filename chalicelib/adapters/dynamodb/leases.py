"""The lease of a session as an item of DynamoDB."""

from typing import Final

from chalicelib.adapters.dynamodb.session_items import Attributes
from chalicelib.adapters.dynamodb.usage import Attribute, Item
from chalicelib.engine.ports import Lease

DEAD: Final = Lease(dead=True)
"""What stands for the lease of a session that does not exist."""


def decode_lease(item: Item) -> Lease:
    """Return the lease in an item; an empty one is a session that does not exist."""
    if not item:
        return DEAD
    return Lease(
        owner=item["lease_owner"]["S"] if "lease_owner" in item else None,
        deadline_ms=_float(item, "deadline_ms"),
        left=_int(item, "frames_left"),
        drained=_int(item, "frames_drained"),
        wake_ts=_int(item, "wake_ts"),
        seen=_int(item, "seen_ts"),
        version=_version(item),
        digests=item["digests"]["B"] if "digests" in item else b"",
        revision=_int(item, "revision"),
        due="is_due" in item,
        dead="is_dead" in item,
        born_ms=_float(item, "born_ms"),
        sent_ms=_float(item, "sent_ms"),
        drop_ms=_float(item, "drop_ms"),
    )


def encode_saved(lease: Lease) -> tuple[Attributes, str]:
    """Return what a release saves of ``lease``, and the update expression that does."""
    saved: Attributes = {
        "frames_drained": number(lease.drained),
        "seen_ts": number(lease.seen),
        "sent_version": {"L": [number(part) for part in lease.version]},
        "digests": {"B": lease.digests},
        "revision": number(lease.revision),
        "sent_ms": number(lease.sent_ms),
        "drop_ms": number(lease.drop_ms),
    }
    removed = "lease_owner, deadline_ms"
    if lease.due:
        saved["is_due"] = {"BOOL": True}
    else:
        removed += ", is_due"
    changes = ", ".join(f"{name} = :{name}" for name in saved)
    return saved, f"SET {changes} REMOVE {removed}"


def number(value: float) -> Attribute:
    """Write a number; none is lost, since a float64 has 17 digits and DynamoDB keeps 38."""
    return {"N": repr(value)}


def _int(item: Item, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0


def _float(item: Item, name: str) -> float:
    return float(item[name]["N"]) if name in item else 0.0


def _version(item: Item) -> tuple[int, int, int]:
    if "sent_version" not in item:
        return 0, 0, 0
    query_set, identity, ts = (int(part["N"]) for part in item["sent_version"]["L"])
    return query_set, identity, ts
