"""Notes for the audit of what was read: queries leave no trace, so that these mutations do.

Whoever hands out something sensitive calls :func:`note` in a mutation, or :func:`record` from an
action or an HTTP function, before handing it out.
"""

from __future__ import annotations

from chalicelib.engine.server import MutationCtx, internal_mutation
from chalicelib.geoflow.schema import AccessKind, Message, SensitiveAccess


def note(
    ctx: MutationCtx, kind: AccessKind, table: str, document: str, detail: str | None = None
) -> None:
    """Have the audit say that the caller read ``document`` of ``table``."""
    ctx.db.unrestricted.insert(
        SensitiveAccess(kind=kind, table=table, document=document, detail=detail)
    )


@internal_mutation
def record(
    ctx: MutationCtx,
    kind: AccessKind,
    table: str,
    document: str,
    detail: Message | None = None,
) -> None:
    """Do the same for an action: ``ctx.run_mutation(accesses.record, "export", …)``."""
    note(ctx, kind, table, document, detail)
