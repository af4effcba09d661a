"""What the actions of webhooks commit: see ``webhooks.py``, whose functions call these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from chalicelib.engine.server import (
    UNSET,
    Id,
    MutationCtx,
    NotFound,
    QueryCtx,
    Struct,
    Unset,
    internal_mutation,
)
from chalicelib.geoflow.limits import MAX_WEBHOOKS_PER_USER, SEALING_MS
from chalicelib.geoflow.owned import checked, drop_unsealed, keep_secret, refuse_more
from chalicelib.geoflow.schema import (
    Credential,
    Events,
    Name,
    Permission,
    SentEvent,
    User,
    Webhook,
    WebhookUrl,
    is_permitted,
    relation_to_owner,
    require_permission,
)
from chalicelib.geoflow.secrets import SealedSecret
from chalicelib.geoflow.users import current_user


class Reserved(Struct):
    """A webhook that waits for its secret."""

    webhook_id: Id[Webhook]
    owner: Id[User]


@internal_mutation
def reserve(
    ctx: MutationCtx,
    name: Name,
    url: WebhookUrl,
    events: Events,
    credential_id: Id[Credential] | None,
) -> Reserved:
    """Make a webhook that has no secret yet: the secret is bound to its id."""
    me = current_user(ctx)
    require_permission(ctx, "webhooks.create", "none")
    _check_credential(ctx, me.id, credential_id)
    check_events(ctx, events)
    refuse_more(ctx, Webhook.by_owner, me.id, MAX_WEBHOOKS_PER_USER, "webhooks")
    webhook = Webhook(
        owner=me.id,
        name=name,
        url=url,
        events=list(dict.fromkeys(events)),
        credential_id=credential_id,
    )
    made = ctx.db.insert(webhook)
    ctx.scheduler.run_after(SEALING_MS, drop, made)
    return Reserved(webhook_id=made, owner=me.id)


@internal_mutation
def drop(ctx: MutationCtx, webhook_id: Id[Webhook]) -> None:
    """Remove a webhook whose secret never came: its action has died."""
    drop_unsealed(ctx, webhook_id)


@internal_mutation
def check_change(ctx: MutationCtx, webhook_id: Id[Webhook]) -> Id[User]:
    """Return the owner of a webhook that the caller may change."""
    return checked_webhook(ctx, "webhooks.change", webhook_id).owner


@internal_mutation
def keep(ctx: MutationCtx, webhook_id: Id[Webhook], secret: SealedSecret) -> None:
    """Keep a sealed secret."""
    keep_secret(ctx, checked_webhook(ctx, "webhooks.change", webhook_id), secret)


@internal_mutation
def change(
    ctx: MutationCtx,
    webhook_id: Id[Webhook],
    name: Name | Unset = UNSET,
    url: WebhookUrl | Unset = UNSET,
    events: Events | Unset = UNSET,
    credential_id: Id[Credential] | Unset | None = UNSET,
) -> None:
    """Change what is given; the address was checked."""
    found = checked_webhook(ctx, "webhooks.change", webhook_id)
    with ctx.db.edit(webhook_id) as webhook:
        if name is not UNSET:
            webhook.name = name
        if url is not UNSET:
            webhook.url, webhook.failing_since = url, None
        if events is not UNSET:
            webhook.events = list(dict.fromkeys(events))
        if credential_id is not UNSET:
            webhook.credential_id = credential_id
        if url is not UNSET or events is not UNSET:
            check_events(ctx, webhook.events)
        # Whoever says where it goes, too, decides what becomes of the secret.
        if url is not UNSET or credential_id is not UNSET:
            _check_credential(ctx, found.owner, webhook.credential_id)


def check_events(ctx: MutationCtx, events: Sequence[SentEvent]) -> None:
    """Refuse an API key that has events sent somewhere which it could not look at itself.

    Raises:
        Forbidden: it lacks the scope.
    """
    for event in events:
        needed = _told_of(event)
        if needed is not None:
            require_permission(ctx, needed, "owner")


def may_see_event(ctx: QueryCtx, event: SentEvent, owner: Id[User]) -> bool:
    """Tell whether the caller could look at what such an event tells a user of."""
    needed = _told_of(event)
    return needed is None or is_permitted(ctx, needed, relation_to_owner(ctx, owner))


def checked_webhook(
    ctx: MutationCtx, permission: Permission, webhook_id: Id[Webhook]
) -> Webhook:
    """Return a webhook with which the caller may do that.

    Raises:
        Unauthenticated, NotFound, Forbidden: as :func:`checked`.
    """
    found: Webhook = checked(ctx, permission, webhook_id, "webhook")
    return found


_TOLD_OF: Final[Mapping[str, Permission]] = MappingProxyType(
    {"workflow": "executions.read", "file": "files.read", "user": "users.read"}
)
"""What one must be allowed, to be told of what is one's own, by the beginning of an event."""


def _told_of(event: SentEvent) -> Permission | None:
    return _TOLD_OF.get(event.partition(".")[0])


def _check_credential(
    ctx: MutationCtx, owner: Id[User], credential_id: Id[Credential] | None
) -> None:
    """Refuse a credential that is not the webhook's owner's, or not the caller's to use.

    Not even an admin sends somebody else's secret somewhere, and an API key needs the scope.
    """
    if credential_id is None:
        return
    credential = ctx.db.unrestricted.get(credential_id)
    if credential is None or credential.owner != owner:
        raise NotFound("there is no such credential", credential=credential_id)
    relation = relation_to_owner(ctx, credential.owner)
    require_permission(ctx, "credentials.use", relation)
