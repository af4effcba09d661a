"""Members: with whom a workflow is shared, and who owns it."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import (
    Conflict,
    Id,
    MutationCtx,
    NotFound,
    QueryCtx,
    RateLimited,
    Struct,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_MEMBERS
from chalicelib.geoflow.queueing import drop_lost
from chalicelib.geoflow.schema import (
    Access,
    User,
    Workflow,
    WorkflowMember,
    caller,
    member_of,
)
from chalicelib.geoflow.workflows import as_member, checked_workflow


class Member(Struct):
    """One of those who see a workflow, as the others see them."""

    user_id: Id[User]
    name: str
    avatar: str | None
    access: Literal["view", "edit", "owner"]


@query
def list_(ctx: QueryCtx, workflow_id: Id[Workflow]) -> list[Member]:
    """Return who sees a workflow, in the order in which they came to it.

    Nobody, if there is no such workflow that the caller may see.
    """
    if ctx.db.get(workflow_id) is None:
        return []
    rows = ctx.db.unrestricted.query(WorkflowMember.by_workflow_user.eq(workflow_id))
    found = sorted(rows.take(MAX_MEMBERS + 1), key=lambda row: row.creation_time)
    return [_told(ctx.db.unrestricted.require(row.user_id), row) for row in found]


@mutation
def share(
    ctx: MutationCtx, workflow_id: Id[Workflow], access: Access, user_id: Id[User]
) -> Id[User]:
    """Let somebody see a workflow, or edit it; who is a member already gets that access.

    Who knows no more than an address sends an invitation (``invitations.py``).

    Raises:
        Conflict: that user is the owner.
        NotFound: there is no such user.
        RateLimited: the workflow has 500 members.
    """
    workflow = checked_workflow(ctx, "workflows.share", workflow_id)
    user = ctx.db.unrestricted.get(user_id)
    if user is None:
        raise NotFound("there is no such user", user=user_id)
    join(ctx, workflow, user, access)
    return user.id


@mutation
def remove(ctx: MutationCtx, workflow_id: Id[Workflow], user_id: Id[User]) -> None:
    """Take a workflow from somebody again: it vanishes from what they watch.

    Their runs of it that wait are cancelled; those that a worker has go on.

    Raises:
        Conflict: that user is the owner.
        NotFound: that user is no member.
    """
    checked_workflow(ctx, "workflows.share", workflow_id)
    ctx.db.delete(_removable(ctx, workflow_id, user_id).id)
    drop_lost(ctx, workflow_id, user_id)


@mutation
def leave(ctx: MutationCtx, workflow_id: Id[Workflow]) -> None:
    """Give up a workflow that somebody has shared with the caller.

    Raises:
        Conflict: the caller owns it: transfer or remove it.
        NotFound: the caller is no member.
    """
    checked_workflow(ctx, "workflows.read", workflow_id)
    me = caller(ctx)
    if me is None:
        raise NotFound("you are no member of this workflow")
    # Whoever may only look may go, too, though not change who else is there.
    ctx.db.unrestricted.delete(_removable(ctx, workflow_id, me.id).id)
    drop_lost(ctx, workflow_id, me.id)


@mutation
def transfer(ctx: MutationCtx, workflow_id: Id[Workflow], user_id: Id[User]) -> None:
    """Make a member the owner; who owned it until now may edit it from then on.

    Raises:
        Conflict: that user owns it already, or is one that may not own workflows.
        NotFound: that user is no member: share it first.
    """
    workflow = checked_workflow(ctx, "workflows.share", workflow_id)
    member = _removable(ctx, workflow_id, user_id)
    heir = ctx.db.unrestricted.require(user_id)
    if heir.role == "viewer":
        raise Conflict(f"{heir.name} has the role of a viewer, and could not change it")
    former = member_of(ctx, workflow_id, workflow.owner)
    if former is not None:
        ctx.db.patch(former.id, access="edit")
    ctx.db.patch(member.id, access="owner")
    # Last: from here on the caller is no longer its owner.
    ctx.db.unrestricted.patch(workflow_id, owner=user_id)


def join(ctx: MutationCtx, workflow: Workflow, user: User, access: Access) -> None:
    """Make somebody a member, or give a member that access; whoever calls may have it done.

    Raises:
        Conflict: that user is the owner.
        RateLimited: the workflow has 500 members.
    """
    if user.id == workflow.owner:
        raise Conflict("the owner of a workflow has every access to it")
    db, member = ctx.db.unrestricted, member_of(ctx, workflow.id, user.id)
    if member is not None:
        db.patch(member.id, access=access)
        drop_lost(ctx, workflow.id, user.id)
        return
    if db.query(WorkflowMember.by_workflow_user.eq(workflow.id)).count() > MAX_MEMBERS:
        raise RateLimited(
            f"a workflow is shared with at most {MAX_MEMBERS} people: remove some first",
            limit=MAX_MEMBERS,
        )
    db.insert(as_member(workflow, user.id, access))


def _removable(
    ctx: QueryCtx, workflow_id: Id[Workflow], user_id: Id[User]
) -> WorkflowMember:
    member = member_of(ctx, workflow_id, user_id)
    if member is None:
        raise NotFound("that user is no member of this workflow", user=user_id)
    if member.access == "owner":
        raise Conflict("that is the owner: transfer the workflow, or remove it")
    return member


def _told(user: User, row: WorkflowMember) -> Member:
    return Member(user_id=user.id, name=user.name, avatar=user.avatar, access=row.access)
