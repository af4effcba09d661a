"""What the audit says of a change: the fields that changed, nothing secret, nothing endless."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import msgspec

from chalicelib.geoflow.limits import MAX_AUDITED_CHARS

REDACTED: Final = "[redacted]"

NOT_AUDITED: Final = frozenset(
    {
        # The audit itself.
        "auditEvents",
        "auditHeads",
        # What workers say of runs, and sums of that: the runs themselves are audited.
        "executionLogs",
        "executionDays",
        # A sum of what is audited; and how far a job has come.
        "storageUses",
        "uploadSweeps",
        # A record already, of what the backend does by itself.
        "webhookDeliveries",
        # Answers to requests, for a day.
        "keptRequests",
    }
)
"""Tables of which the audit says nothing; of every other one it does. Nor of the engine's own."""

SECRET_FIELDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "credentials": frozenset({"sealed"}),
        "webhooks": frozenset({"sealed"}),
        "apiKeys": frozenset({"digest"}),
    }
)
"""Fields whose values the audit does not hold. Bytes it holds nowhere."""

UNREMARKABLE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "executions": frozenset({"progress", "nodeStates", "leaseExpires"}),
        "apiKeys": frozenset({"lastUsed"}),
        "credentials": frozenset({"lastUsed"}),
        "webhooks": frozenset({"failingSince"}),
    }
)
"""A change of these fields alone is no event: nobody did it, or there is a better one for it."""


class Difference(msgspec.Struct, frozen=True):
    """The fields that a change made different, as JSON; None if there was no document."""

    before: str | None
    after: str | None


def is_audited(table: str) -> bool:
    """Tell whether changes of a table are events."""
    return not table.startswith("_") and table not in NOT_AUDITED


def difference(
    table: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Difference | None:
    """Return what the audit says of a change; None if it is not worth an event."""
    changed = {
        name
        for name in {*(before or ()), *(after or ())}
        if before is None or after is None or before.get(name) != after.get(name)
    }
    is_update = before is not None and after is not None
    if is_update and changed <= UNREMARKABLE.get(table, frozenset()):
        return None
    return Difference(_told(table, before, changed), _told(table, after, changed))


def _told(table: str, document: Mapping[str, Any] | None, changed: set[str]) -> str | None:
    if document is None:
        return None
    secret = SECRET_FIELDS.get(table, frozenset())
    told = {
        name: REDACTED if name in secret and value is not None else _cut(_plain(value))
        for name, value in document.items()
        if name in changed
    }
    return msgspec.json.encode(told, order="deterministic").decode()


def _plain(value: Any) -> Any:
    """A value as JSON has it, bytes left out."""
    match value:
        case bytes():
            return REDACTED
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case int() if not isinstance(value, bool):
            return int(value)
        case _:
            return value


def _cut(value: Any) -> Any:
    """What is long is told by its digest, so that two versions of it can be told apart."""
    text = msgspec.json.encode(value, order="deterministic")
    if len(text) <= MAX_AUDITED_CHARS:
        return value
    return {"$cut": {"bytes": len(text), "sha256": sha256(text).hexdigest()}}
