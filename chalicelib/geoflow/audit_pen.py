"""Writes the events of the audit's chain: ``audit.py`` reads the log, and calls this."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.engine.server import Change, Committed, MutationCtx
from chalicelib.geoflow.limits import AUDITED_AT_ONCE
from chalicelib.geoflow.model.audit_chain import FACTS, link
from chalicelib.geoflow.model.audit_facts import difference, is_audited
from chalicelib.geoflow.schema import AuditEvent, AuditHead, AuditVia, SensitiveAccess

_ACCESSES: Final = "sensitiveAccesses"


class Pen:
    """Writes the next events of the chain."""

    def __init__(self, ctx: MutationCtx, head: AuditHead) -> None:
        self._ctx, self._seq, self._hash = ctx, head.seq, head.hash
        self._base = head.base_seq, head.base_hash
        self._within, self.written = head.within, 0

    @property
    def is_full(self) -> bool:
        """Whether one transaction should hold no more."""
        return self.written >= AUDITED_AT_ONCE

    def take(self, entry: Committed) -> bool:
        """Write the events of an entry; False if there is no room for all of them."""
        changes = [change for change in entry.changes if is_audited(change.table)]
        while self._within < len(changes):
            if self.is_full:
                return False
            self._change(entry, changes[self._within])
            self._within += 1
        self._within = 0
        return True

    def save(self, before: AuditHead | None) -> None:
        """Keep where the chain ends now."""
        if before is None:
            seq, digest = self._base
            self._ctx.db.insert(
                AuditHead(
                    seq=self._seq,
                    hash=self._hash,
                    base_seq=seq,
                    base_hash=digest,
                    within=self._within,
                )
            )
        elif self.written or before.within != self._within:
            with self._ctx.db.edit(before.id) as head:
                head.seq, head.hash = self._seq, self._hash
                head.within = self._within
        if self.written:
            # Logs are kept elsewhere, by others: this is the anchor that nobody can take back.
            self._ctx.log.info(f"audit head {self._seq}:{self._hash}")  # noqa: G004 - no logger

    def _change(self, entry: Committed, change: Change) -> None:
        if change.table == _ACCESSES:
            self._access(entry, change)
            return
        told = difference(change.table, change.before, change.after)
        if told is None:
            return
        operation = "update"
        if told.before is None or told.after is None:
            operation = "insert" if told.before is None else "remove"
        self._write(
            entry,
            operation=operation,
            table=change.table,
            document=change.document,
            before=told.before,
            after=told.after,
            detail=None,
        )

    def _access(self, entry: Committed, change: Change) -> None:
        """What was read: the note of it has done its duty."""
        if change.after is None:
            return
        noted = self._ctx.db.normalize_id(SensitiveAccess, change.document)
        if noted is not None and self._ctx.db.get(noted) is not None:
            self._ctx.db.delete(noted)
        found = change.after
        self._write(
            entry,
            operation=found["kind"],
            table=found["table"],
            document=found["document"],
            before=None,
            after=None,
            detail=found.get("detail"),
        )

    def _write(self, entry: Committed, **what: Any) -> None:
        origin = entry.origin
        facts: dict[str, Any] = {
            "seq": self._seq + 1,
            "time": entry.time_ms,
            "position": entry.ts,
            "transaction": entry.transaction,
            "path": entry.path,
            "actor": entry.subject,
            "via": _via(entry),
            "address": (origin.address or None) if origin else None,
            "agent": (origin.agent or None) if origin else None,
            **what,
        }
        digest = link(self._hash, facts)
        made = {name: facts[name] for name in FACTS}
        self._ctx.db.insert(AuditEvent(**made, previous=self._hash, hash=digest))
        self._seq, self._hash = self._seq + 1, digest
        self.written += 1


def _via(entry: Committed) -> AuditVia:
    if entry.origin is not None and entry.origin.is_admin:
        return "admin key"
    if entry.subject is not None:
        return "user"
    return "system" if entry.origin is None else "nobody"
