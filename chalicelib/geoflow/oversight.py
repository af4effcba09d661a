"""How admins come to see what is others': they say why, for a while, and the audit has it.

Queries write nothing, so that what an admin reads leaves no trace. That they may read does: a
mutation opens it to them, before.
"""

from __future__ import annotations

from typing import Annotated, Final

from chalicelib.engine.server import (
    Id,
    Meta,
    MutationCtx,
    internal_mutation,
    mutation,
)
from chalicelib.geoflow.accesses import note
from chalicelib.geoflow.limits import MAX_MESSAGE_CHARS, MAX_OPENED_MINUTES
from chalicelib.geoflow.schema import User, require_permission
from chalicelib.geoflow.users import current_user

_MINUTE_MS: Final = 60_000

Reason = Annotated[str, Meta(min_length=1, max_length=MAX_MESSAGE_CHARS)]
Minutes = Annotated[int, Meta(ge=1, le=MAX_OPENED_MINUTES)]


@mutation
def open(ctx: MutationCtx, reason: Reason, minutes: Minutes = 15) -> float:  # noqa: A001 - a name on the wire
    """Let the caller, an admin who says why, see what is others'; return until when, in ms.

    That is an event of the audit. Again, it begins anew.

    Raises:
        Forbidden: the caller is no admin.
    """
    require_permission(ctx, "audit.read", "none")
    me, until = current_user(ctx), ctx.now + minutes * _MINUTE_MS
    note(ctx, "admin.open", "users", me.id, reason)
    ctx.db.unrestricted.patch(me.id, opened_until=until)
    ctx.scheduler.run_at(until, end, me.id, until)
    return until


@mutation
def close(ctx: MutationCtx) -> None:
    """Have it end now; nothing happens if it has ended."""
    ctx.auth.require()
    me = current_user(ctx)
    if me.opened_until is not None:
        ctx.db.unrestricted.patch(me.id, opened_until=None)


@internal_mutation
def end(ctx: MutationCtx, user_id: Id[User], until: float) -> None:
    """Have it end, unless it was opened anew; what the admin watches is made again without."""
    user = ctx.db.get(user_id)
    if user is not None and user.opened_until == until:
        ctx.db.patch(user_id, opened_until=None)
