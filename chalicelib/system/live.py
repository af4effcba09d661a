"""Why live queries ran, and what a write would wake; see docs/live-queries.md."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.engine.functions.context import SystemCtx
from chalicelib.engine.functions.live import WouldBe
from chalicelib.engine.functions.registration import system_query

MOST: Final = 1000
"""Most re-runs, or watchers, in one answer: each watcher may be a reading of its session."""


@system_query
def statistics(ctx: SystemCtx) -> dict[str, float]:
    """Return what the process that answers has counted since it began."""
    return dict(ctx.live.statistics())


@system_query
def reruns(
    ctx: SystemCtx, path: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return the newest runs of live queries in the process that answers, with their causes."""
    return [dict(found) for found in ctx.live.reruns(path, _bounded(limit))]


@system_query
def watchers(
    ctx: SystemCtx,
    document_id: str | None = None,
    table: str | None = None,
    fields: dict[str, Any] | None = None,
    deleted: bool = False,  # noqa: FBT001, FBT002 - named on the wire
    limit: int = 100,
) -> dict[str, Any]:
    """Return which subscriptions would be woken by a write that nobody makes.

    With ``documentId`` it is a change of that document, of ``fields`` if they are given, or
    its deletion; with ``table`` it is a new document of ``fields``.
    """
    write = WouldBe(document=document_id, table=table, fields=fields, deleted=deleted)
    return dict(ctx.live.watchers(write, _bounded(limit)))


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST))
