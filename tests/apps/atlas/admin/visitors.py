from __future__ import annotations

from chalicelib.engine.server import Id, MutationCtx, internal_mutation, mutation
from tests.apps.atlas.schema import Visitor


@mutation
def invite(ctx: MutationCtx, name: str) -> Id[Visitor]:
    return ctx.db.unrestricted.insert(Visitor(name=name))


@internal_mutation(name="default")
def ban(ctx: MutationCtx, visitor_id: Id[Visitor]) -> None:
    ctx.db.delete(visitor_id)
