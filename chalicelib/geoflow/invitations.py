"""Invitations: a workflow is shared with an address, and with whoever shows that it is theirs.

Nothing that is said to who invites depends on whether somebody with that address has been
here: an invitation waits in any case, until its addressee takes it.
"""

from __future__ import annotations

from chalicelib.engine.server import (
    Id,
    MutationCtx,
    NotFound,
    QueryCtx,
    RateLimited,
    Struct,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_LISTED, MAX_MEMBERS
from chalicelib.geoflow.members import join
from chalicelib.geoflow.model.permissions import is_allowed
from chalicelib.geoflow.schema import (
    Access,
    Email,
    User,
    Workflow,
    WorkflowInvitation,
    caller,
    may,
    relation_of,
    require_permission,
)
from chalicelib.geoflow.users import current_user
from chalicelib.geoflow.workflows import checked_workflow


class Invited(Struct):
    """An address with which a workflow will be shared, as its owner sees it; ms."""

    invitation_id: Id[WorkflowInvitation]
    email: str
    access: Access
    created: float


class Invitation(Struct):
    """A workflow that somebody wants to share with the caller; ms."""

    invitation_id: Id[WorkflowInvitation]
    workflow_name: str
    access: Access
    invited_by: str
    created: float


@query
def list_by_workflow(ctx: QueryCtx, workflow_id: Id[Workflow]) -> list[Invited]:
    """Return who is invited to a workflow and has not come yet, by address.

    Nobody, if there is no such workflow that the caller may share.
    """
    ctx.auth.require()
    if not may(ctx, "workflows.share", workflow_id):
        return []
    waiting = WorkflowInvitation.by_workflow_email.eq(workflow_id)
    return [
        Invited(
            invitation_id=each.id,
            email=each.email,
            access=each.access,
            created=each.creation_time,
        )
        for each in ctx.db.unrestricted.query(waiting).take(MAX_MEMBERS)
    ]


@query
def list_(ctx: QueryCtx) -> list[Invitation]:
    """Return what the caller is invited to, newest first, at most 100.

    Those that went to the address for which the account's provider vouches.
    """
    require_permission(ctx, "workflows.read", "owner")
    me = caller(ctx)
    if me is None or me.verified_email is None:
        return []
    mine = WorkflowInvitation.by_email.eq(me.verified_email)
    found = ctx.db.unrestricted.query(mine).order("desc").take(MAX_LISTED)
    return [told for each in found if (told := _told(ctx, each)) is not None]


@mutation
def create(
    ctx: MutationCtx, workflow_id: Id[Workflow], email: Email, access: Access
) -> Id[WorkflowInvitation]:
    """Invite whoever has an address to see a workflow, or edit it.

    Who is invited already is invited to that. The answer tells nothing of the address.

    Raises:
        RateLimited: the workflow has 500 invitations that wait.
    """
    checked_workflow(ctx, "workflows.share", workflow_id)
    db, me = ctx.db.unrestricted, current_user(ctx)
    waiting = WorkflowInvitation.by_workflow_email.eq(workflow_id)
    before = db.query(waiting.eq(email.lower())).unique()
    if before is not None:
        db.patch(before.id, access=access, invited_by=me.id)
        return before.id
    if db.query(waiting).count() >= MAX_MEMBERS:
        raise RateLimited(
            f"{MAX_MEMBERS} invitations to this workflow wait: take some back first",
            limit=MAX_MEMBERS,
        )
    invitation = WorkflowInvitation(
        workflow_id=workflow_id, email=email.lower(), access=access, invited_by=me.id
    )
    return db.insert(invitation)


@mutation
def accept(ctx: MutationCtx, invitation_id: Id[WorkflowInvitation]) -> Id[Workflow]:
    """Become a member of the workflow that an invitation is to; return its id.

    Raises:
        Conflict: the caller owns the workflow.
        NotFound: there is no such invitation to the caller, or it no longer holds.
        RateLimited: the workflow has 500 members.
    """
    require_permission(ctx, "workflows.read", "owner")
    me, found = current_user(ctx), ctx.db.unrestricted.get(invitation_id)
    workflow = None
    if found is not None and _is_to(found, me):
        workflow = _open(ctx, found)
    if found is None or workflow is None:
        raise NotFound("there is no such invitation to you", invitation=invitation_id)
    join(ctx, workflow, me, found.access)
    ctx.db.unrestricted.delete(invitation_id)
    return workflow.id


@mutation
def remove(ctx: MutationCtx, invitation_id: Id[WorkflowInvitation]) -> None:
    """Take an invitation back, as who may share the workflow; or decline it.

    Raises:
        NotFound: there is none that the caller may see.
    """
    require_permission(ctx, "workflows.read", "owner")
    me, found = caller(ctx), ctx.db.unrestricted.get(invitation_id)
    if found is None or not (
        _is_to(found, me) or may(ctx, "workflows.share", found.workflow_id)
    ):
        raise NotFound("there is no such invitation", invitation=invitation_id)
    ctx.db.unrestricted.delete(invitation_id)


def _is_to(invitation: WorkflowInvitation, user: User | None) -> bool:
    return user is not None and user.verified_email == invitation.email


def _open(ctx: QueryCtx, invitation: WorkflowInvitation) -> Workflow | None:
    """The workflow of an invitation, if who gave it may still share it."""
    workflow = ctx.db.unrestricted.get(invitation.workflow_id)
    host = ctx.db.unrestricted.get(invitation.invited_by)
    if workflow is None or host is None:
        return None
    relation = relation_of(ctx, workflow, host)
    return workflow if is_allowed("workflows.share", host.role, relation) else None


def _told(ctx: QueryCtx, invitation: WorkflowInvitation) -> Invitation | None:
    workflow = _open(ctx, invitation)
    if workflow is None:
        return None
    return Invitation(
        invitation_id=invitation.id,
        workflow_name=workflow.name,
        access=invitation.access,
        invited_by=ctx.db.unrestricted.require(invitation.invited_by).name,
        created=invitation.creation_time,
    )
