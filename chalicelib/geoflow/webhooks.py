"""Webhooks: addresses that are told of events, by requests that are signed.

What takes an address or makes a secret is an action: the address is looked up first, and the
secret is sealed before anything is committed. ``deliveries.py`` does the telling.
"""

from __future__ import annotations

import secrets as chance
from typing import Final

from msgspec.structs import replace

from chalicelib.engine.server import (
    UNSET,
    ActionCtx,
    AddressRefused,
    Conflict,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    RequestFailed,
    Struct,
    Unset,
    ValidationFailed,
    action,
    mutation,
    query,
)
from chalicelib.geoflow import webhook_changes
from chalicelib.geoflow.deliveries import new_event_id, queue, queue_again, remove_all
from chalicelib.geoflow.owned import is_sealed, listed, own, paged
from chalicelib.geoflow.schema import (
    Credential,
    DeliveryStatus,
    Events,
    Name,
    User,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    WebhookUrl,
)
from chalicelib.geoflow.secrets import seal
from chalicelib.geoflow.webhook_changes import (
    check_events,
    checked_webhook,
    may_see_event,
)

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES: Final = 32


class WebhookInfo(Struct):
    """What may be known of a webhook: all but its secret. Times are in ms."""

    webhook_id: Id[Webhook]
    owner: Id[User]
    name: str
    url: str
    events: list[WebhookEvent]
    enabled: bool
    credential_id: Id[Credential] | None
    created: float
    rotated: float | None
    failing_since: float | None
    disabled_reason: str | None


class Made(Struct):
    """A webhook, and the secret that bodies are signed with, which is shown only now."""

    webhook_id: Id[Webhook]
    secret: str


@query
def list_(ctx: QueryCtx) -> list[WebhookInfo]:
    """Return the caller's webhooks, newest first."""
    return listed(own(ctx, "webhooks.read", Webhook.by_owner, is_sealed), _info)


@query
def list_page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[WebhookInfo]:
    """Return the caller's webhooks, newest first, a page at a time."""
    mine = own(ctx, "webhooks.read", Webhook.by_owner, is_sealed)
    return paged(mine, pagination_opts, _info)


@query
def get(ctx: QueryCtx, webhook_id: Id[Webhook]) -> WebhookInfo | None:
    """Return what is known of a webhook; null if there is none that the caller may see."""
    found = ctx.db.get(webhook_id)
    return None if found is None or not is_sealed(found) else _info(found)


@action
def create(
    ctx: ActionCtx,
    name: Name,
    url: WebhookUrl,
    events: Events,
    credential_id: Id[Credential] | None = None,
) -> Made:
    """Have an address told of events; return the secret, which is shown only now.

    A credential goes along as ``Authorization: Bearer``.

    Raises:
        RateLimited: the caller has 20 webhooks.
        ValidationFailed: requests are not sent to such an address; the message says why.
    """
    _check_address(ctx, url)
    reserved = ctx.run_mutation(webhook_changes.reserve, name, url, events, credential_id)
    secret = _new_secret()
    sealed = seal(ctx, "webhook", reserved.owner, reserved.webhook_id, secret)
    ctx.run_mutation(webhook_changes.keep, reserved.webhook_id, sealed)
    return Made(webhook_id=reserved.webhook_id, secret=secret)


@action
def update(
    ctx: ActionCtx,
    webhook_id: Id[Webhook],
    name: Name | Unset = UNSET,
    url: WebhookUrl | Unset = UNSET,
    events: Events | Unset = UNSET,
    credential_id: Id[Credential] | Unset | None = UNSET,
) -> None:
    """Change what is given; a credential of null removes it.

    Raises:
        NotFound, Forbidden: as :func:`rotate_secret`.
        ValidationFailed: requests are not sent to such an address; the message says why.
    """
    if url is not UNSET:
        _check_address(ctx, url)
    ctx.run_mutation(webhook_changes.change, webhook_id, name, url, events, credential_id)


@action
def rotate_secret(ctx: ActionCtx, webhook_id: Id[Webhook]) -> Made:
    """Sign with another secret from now on; return it, which is shown only now.

    Raises:
        NotFound: there is no webhook that the caller may see.
        Forbidden: the caller may see it, and no more.
    """
    owner = ctx.run_mutation(webhook_changes.check_change, webhook_id)
    secret = _new_secret()
    ctx.run_mutation(
        webhook_changes.keep, webhook_id, seal(ctx, "webhook", owner, webhook_id, secret)
    )
    return Made(webhook_id=webhook_id, secret=secret)


@mutation
def enable(ctx: MutationCtx, webhook_id: Id[Webhook]) -> None:
    """Tell a webhook of events again; it is as if it had never failed."""
    checked_webhook(ctx, "webhooks.change", webhook_id)
    ctx.db.patch(webhook_id, enabled=True, failing_since=None, disabled_reason=None)


@mutation
def disable(ctx: MutationCtx, webhook_id: Id[Webhook]) -> None:
    """Tell a webhook of nothing until it is enabled; what is under way is cancelled."""
    checked_webhook(ctx, "webhooks.change", webhook_id)
    ctx.db.patch(webhook_id, enabled=False)


@mutation
def remove(ctx: MutationCtx, webhook_id: Id[Webhook]) -> None:
    """Remove a webhook for good, with its deliveries."""
    checked_webhook(ctx, "webhooks.remove", webhook_id)
    ctx.db.delete(webhook_id)
    ctx.scheduler.run_after(0, remove_all, webhook_id)


@mutation
def send_test(ctx: MutationCtx, webhook_id: Id[Webhook]) -> Id[WebhookDelivery]:
    """Send an event of type ``test``; return its delivery, to watch.

    Raises:
        Conflict: the webhook is disabled.
    """
    webhook = _enabled(checked_webhook(ctx, "webhooks.change", webhook_id))
    return queue(ctx, webhook, "test", new_event_id(ctx), {"webhookId": webhook_id})


@query
def deliveries(
    ctx: QueryCtx,
    webhook_id: Id[Webhook],
    pagination_opts: PaginationOptions,
    status: DeliveryStatus | None = None,
) -> Page[WebhookDelivery]:
    """Return what a webhook was told, newest first; ``status`` leaves those that have it.

    Nothing, if there is no such webhook that the caller may see. An API key that could not
    look at what an event tells of gets its payload with ``data`` of null.
    """
    ctx.auth.require()
    if ctx.db.get(webhook_id) is None:
        return Page(page=[], is_done=True, continue_cursor="")
    # Who may see the webhook may see each of them: no policy is asked of each.
    db = ctx.db.unrestricted
    if status is None:
        found = db.query(WebhookDelivery.by_webhook.eq(webhook_id))
    else:
        found = db.query(WebhookDelivery.by_webhook_status.eq(webhook_id).eq(status))
    page = found.order("desc").paginate(pagination_opts)
    return page.map(lambda delivery: _told(ctx, delivery))


@query
def get_delivery(ctx: QueryCtx, delivery_id: Id[WebhookDelivery]) -> WebhookDelivery | None:
    """Return one delivery; null if there is none that the caller may see.

    Its payload is as :func:`deliveries` says.
    """
    found = ctx.db.get(delivery_id)
    return None if found is None else _told(ctx, found)


@mutation
def replay(ctx: MutationCtx, delivery_id: Id[WebhookDelivery]) -> Id[WebhookDelivery]:
    """Send once more what was sent, as a delivery of its own with the same event id.

    Raises:
        Conflict: it is still being tried, or the webhook is disabled.
        Forbidden: an API key has not the scope of what it tells of.
        NotFound: there is none that the caller may see.
    """
    ctx.auth.require()
    delivery = ctx.db.require(delivery_id)
    webhook = _enabled(checked_webhook(ctx, "webhooks.change", delivery.webhook_id))
    if delivery.status == "pending":
        raise Conflict("this delivery is still being tried", status=delivery.status)
    check_events(ctx, [delivery.event])
    return queue_again(ctx, webhook, delivery)


def _told(ctx: QueryCtx, delivery: WebhookDelivery) -> WebhookDelivery:
    """A delivery as the caller may see it: its data is of other tables than webhooks."""
    if may_see_event(ctx, delivery.event, delivery.owner):
        return delivery
    return replace(delivery, payload={**delivery.payload, "data": None})


def _check_address(ctx: ActionCtx, url: str) -> None:
    ctx.auth.require()
    try:
        ctx.outside.check(url)
    except (AddressRefused, RequestFailed) as error:
        raise ValidationFailed(str(error), field="url") from None


def _enabled(webhook: Webhook) -> Webhook:
    if not webhook.enabled:
        raise Conflict("the webhook is disabled: enable it first")
    return webhook


def _new_secret() -> str:
    return SECRET_PREFIX + chance.token_urlsafe(_SECRET_BYTES)


def _info(webhook: Webhook) -> WebhookInfo:
    return WebhookInfo(
        webhook_id=webhook.id,
        owner=webhook.owner,
        name=webhook.name,
        url=webhook.url,
        events=webhook.events,
        enabled=webhook.enabled,
        credential_id=webhook.credential_id,
        created=webhook.creation_time,
        rotated=webhook.rotated,
        failing_since=webhook.failing_since,
        disabled_reason=webhook.disabled_reason,
    )
