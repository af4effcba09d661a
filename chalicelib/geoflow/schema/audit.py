"""The audit: who did what to which document, from where, before and after."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import Document, PolicyCtx, index, indexed
from chalicelib.geoflow.schema.users import is_permitted

AuditOperation = Literal[
    "insert",
    "update",
    "remove",
    "secret.use",
    "export",
    "download",
    "admin.read",
    "admin.open",
]
AuditVia = Literal["user", "nobody", "admin key", "system"]
"""Who called: somebody signed in or not, who runs the deployment, or a job of the backend."""


class AuditEvent(Document, table="auditEvents", undone=False):
    """One change of one document, or one reading of something sensitive.

    ``seq`` counts from 1. ``time`` is when it was committed, ms since the Unix epoch, and
    ``position`` where in the log. ``path`` is the function that was called, ``actor`` the token
    identifier of who called it, ``address`` and ``agent`` tell from where. ``before`` and
    ``after`` are JSON: the fields that changed. ``hash`` is that of the event and ``previous``
    (``model/audit_chain.py``).
    """

    seq: int = indexed()
    time: int = indexed()
    position: int
    transaction: str
    path: str
    actor: str | None = indexed(default=None)
    via: AuditVia
    address: str | None = None
    agent: str | None = None
    operation: AuditOperation
    table: str
    document: str = indexed()
    before: str | None = None
    after: str | None = None
    detail: str | None = None
    previous: str
    hash: str
    by_seq = index(seq)
    by_time = index(time)
    by_document = index(document, time)
    by_actor = index(actor, time)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "audit.read", "none")

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False


class AuditHead(Document, table="auditHeads", undone=False):
    """Where the chain ends, and where it begins: its only document.

    The last event is ``seq`` with ``hash``; the last of those that were removed for their age
    ``base_seq`` with ``base_hash``. Of the entry of the log after the position, ``within``
    events are in the chain already.
    """

    seq: int
    hash: str
    base_seq: int
    base_hash: str
    within: int = 0

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "audit.read", "none")

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False
