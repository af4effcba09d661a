"""A follower of the log, which tells what it was told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.engine.server import MutationCtx, internal_mutation


@internal_mutation
def follow(ctx: MutationCtx, limit: int) -> str:
    """Go on by ``limit`` entries at most, and return them as JSON."""
    entries = ctx.history.after(ctx.history.position("ledger"), limit)
    if entries:
        ctx.history.move("ledger", entries[-1].ts)
    return json.dumps(
        [
            [
                entry.ts,
                entry.path,
                entry.subject,
                [
                    [change.table, change.document, _tag(change.before), _tag(change.after)]
                    for change in entry.changes
                ],
            ]
            for entry in entries
        ]
    )


def _tag(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else str(document.get("tag", "another document"))
