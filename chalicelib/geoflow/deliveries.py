"""Deliveries: each attempt is an action of its own, recorded before the next is scheduled.

An event may come to a receiver more than once, as when an answer was lost: the header
``X-Webhook-Id`` is the same each time.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from chalicelib.engine.server import (
    ActionCtx,
    AddressRefused,
    AppError,
    Id,
    Letter,
    MutationCtx,
    RequestFailed,
    Retry,
    SecretRefused,
    Struct,
    internal_action,
    internal_mutation,
)
from chalicelib.geoflow.limits import (
    DELIVERY_KEPT_MS,
    DELIVERY_PAUSES_MS,
    DELIVERY_S,
    FAILING_MS,
    MAX_LISTED,
    OVERDUE_MS,
    PAUSE_JITTER,
    REMOVED_AT_ONCE,
)
from chalicelib.geoflow.model.signatures import SIGNATURE_HEADER, signature
from chalicelib.geoflow.schema import (
    Credential,
    DeliveryAttempt,
    SentEvent,
    User,
    Webhook,
    WebhookDelivery,
)
from chalicelib.geoflow.secrets import SealedSecret, opened, secret_of

_MS_PER_S: Final = 1000
_GOOD: Final = range(200, 300)
_DAY_MS: Final = 24 * 3600 * 1000


class Task(Struct):
    """One attempt, as the action needs it."""

    webhook_id: Id[Webhook]
    url: str
    event: SentEvent
    event_id: str
    body: str
    secret: SealedSecret
    credential_id: Id[Credential] | None
    owner: Id[User]


def new_event_id(ctx: MutationCtx) -> str:
    """Return a name for an event."""
    return f"evt_{ctx.random.randbytes(16).hex()}"


def queue(
    ctx: MutationCtx,
    webhook: Webhook,
    event: SentEvent,
    event_id: str,
    data: dict[str, Any],
) -> Id[WebhookDelivery]:
    """Have a webhook told of an event, as soon as this mutation has committed."""
    payload = {"id": event_id, "type": event, "created": ctx.now, "data": data}
    return _queued(ctx, webhook, event, event_id, payload, replay_of=None)


def queue_again(
    ctx: MutationCtx, webhook: Webhook, delivery: WebhookDelivery
) -> Id[WebhookDelivery]:
    """Have a webhook told once more of what it was, or should have been, told."""
    known = delivery.event, delivery.event_id, delivery.payload
    return _queued(ctx, webhook, *known, replay_of=delivery.id)


def _queued(
    ctx: MutationCtx,
    webhook: Webhook,
    event: SentEvent,
    event_id: str,
    payload: dict[str, Any],
    *,
    replay_of: Id[WebhookDelivery] | None,
) -> Id[WebhookDelivery]:
    made = ctx.db.unrestricted.insert(
        WebhookDelivery(
            webhook_id=webhook.id,
            owner=webhook.owner,
            event=event,
            event_id=event_id,
            payload=payload,
            attempts=[],
            next_attempt=ctx.now,
            replay_of=replay_of,
        )
    )
    ctx.scheduler.run_after(0, deliver, made, 1)
    return made


# An action that dies is run again: without, nobody would make the attempts that are left.
@internal_action(retry=Retry(times=3, base_ms=60_000))
def deliver(ctx: ActionCtx, delivery_id: Id[WebhookDelivery], attempt: int) -> None:
    """Make one attempt, unless it was made, or nobody wants it any more."""
    task = ctx.run_mutation(begin, delivery_id, attempt)
    if task is None:
        return
    began = ctx.now
    status, error = _sent(ctx, task, attempt)
    outcome = DeliveryAttempt(
        at=began, duration_ms=ctx.now - began, status=status, error=error
    )
    ctx.run_mutation(record, delivery_id, attempt, outcome)


def _sent(ctx: ActionCtx, task: Task, attempt: int) -> tuple[int | None, str | None]:
    """Send, and return the status of the answer, or why there is none."""
    try:
        reply = ctx.outside.send(
            Letter(
                method="POST",
                url=task.url,
                headers=_headers(ctx, task, attempt),
                body=task.body.encode(),
                timeout_s=DELIVERY_S,
            )
        )
    except (AddressRefused, RequestFailed) as error:
        return None, str(error)
    except SecretRefused:
        return None, "the secret of this webhook does not open: rotate it"
    except AppError as error:
        return None, f"the credential of this webhook cannot be used: {error}"
    is_good = reply.status in _GOOD
    return reply.status, None if is_good else f"it answered with status {reply.status}"


def _headers(ctx: ActionCtx, task: Task, attempt: int) -> dict[str, str]:
    at_s = int(ctx.now / _MS_PER_S)
    secret = opened(ctx, "webhook", task.webhook_id, task.secret)
    bearer = {}
    if task.credential_id is not None:
        token = secret_of(ctx, task.credential_id, for_user=task.owner)
        bearer = {"Authorization": f"Bearer {token}"}
    return {
        **bearer,
        "Content-Type": "application/json",
        "User-Agent": "GeoFlow-Webhooks/1",
        "X-Webhook-Id": task.event_id,
        "X-Webhook-Event": task.event,
        "X-Webhook-Attempt": str(attempt),
        "X-Webhook-Timestamp": str(at_s),
        SIGNATURE_HEADER: signature(secret, task.body.encode(), at_s),
    }


@internal_mutation
def begin(ctx: MutationCtx, delivery_id: Id[WebhookDelivery], attempt: int) -> Task | None:
    """Return what is to be sent; null if this attempt is not to be made."""
    delivery = _due(ctx, delivery_id, attempt)
    if delivery is None:
        return None
    webhook = ctx.db.get(delivery.webhook_id)
    if webhook is None or not webhook.enabled or webhook.sealed is None:
        ctx.db.patch(delivery_id, status="cancelled", next_attempt=None)
        return None
    return Task(
        webhook_id=webhook.id,
        url=webhook.url,
        event=delivery.event,
        event_id=delivery.event_id,
        body=msgspec.json.encode(delivery.payload).decode(),
        secret=SealedSecret(
            owner=webhook.owner, sealed=webhook.sealed, key_id=webhook.key_id or ""
        ),
        credential_id=webhook.credential_id,
        owner=webhook.owner,
    )


@internal_mutation
def record(
    ctx: MutationCtx,
    delivery_id: Id[WebhookDelivery],
    attempt: int,
    outcome: DeliveryAttempt,
) -> None:
    """Record an attempt, and schedule the next if it failed and one is left."""
    delivery = _due(ctx, delivery_id, attempt)
    if delivery is None:
        return
    failed = outcome.error is not None
    pause_ms = _pause_ms(ctx, attempt) if failed else None
    with ctx.db.edit(delivery_id) as edited:
        edited.attempts.append(outcome)
        edited.next_attempt = None if pause_ms is None else ctx.now + pause_ms
        if pause_ms is None:
            edited.status = "failed" if failed else "succeeded"
    if pause_ms is not None:
        ctx.scheduler.run_after(pause_ms, deliver, delivery_id, attempt + 1)
    _judge(ctx, delivery.webhook_id, failed=failed)


def _due(
    ctx: MutationCtx, delivery_id: Id[WebhookDelivery], attempt: int
) -> WebhookDelivery | None:
    delivery = ctx.db.get(delivery_id)
    if delivery is None or delivery.status != "pending":
        return None
    return delivery if len(delivery.attempts) + 1 == attempt else None


def _pause_ms(ctx: MutationCtx, attempt: int) -> float | None:
    """How long to wait after an attempt that failed; None if it was the last."""
    if attempt > len(DELIVERY_PAUSES_MS):
        return None
    return DELIVERY_PAUSES_MS[attempt - 1] * (1 + PAUSE_JITTER * ctx.random.random())


def _judge(ctx: MutationCtx, webhook_id: Id[Webhook], *, failed: bool) -> None:
    """Note since when a webhook fails; disable one that has failed for days."""
    webhook = ctx.db.get(webhook_id)
    if webhook is None:
        return
    if not failed:
        if webhook.failing_since is not None:
            ctx.db.patch(webhook_id, failing_since=None)
    elif webhook.failing_since is None:
        ctx.db.patch(webhook_id, failing_since=ctx.now)
    elif webhook.enabled and ctx.now - webhook.failing_since >= FAILING_MS:
        days = int((ctx.now - webhook.failing_since) / _DAY_MS)
        reason = f"every attempt of {days} days failed: enable it when the receiver works"
        ctx.db.patch(webhook_id, enabled=False, disabled_reason=reason)


@internal_mutation
def revive(ctx: MutationCtx) -> int:
    """Schedule attempts whose jobs were lost; return how many there were."""
    overdue = WebhookDelivery.by_status_next.eq("pending").lt(ctx.now - OVERDUE_MS)
    found = ctx.db.query(overdue).take(MAX_LISTED)
    for delivery in found:
        ctx.db.patch(delivery.id, next_attempt=ctx.now)
        ctx.scheduler.run_after(0, deliver, delivery.id, len(delivery.attempts) + 1)
    return len(found)


@internal_mutation
def prune(ctx: MutationCtx) -> int:
    """Remove deliveries that were made long ago; return how many, and go on by jobs."""
    old = WebhookDelivery.by_creation_time.lt(ctx.now - DELIVERY_KEPT_MS)
    found = ctx.db.query(old).take(REMOVED_AT_ONCE)
    for delivery in found:
        ctx.db.delete(delivery.id)
    if len(found) == REMOVED_AT_ONCE:
        ctx.scheduler.run_after(0, prune)
    return len(found)


@internal_mutation
def remove_all(ctx: MutationCtx, webhook_id: Id[Webhook]) -> None:
    """Remove the deliveries of a webhook that is gone, in small steps."""
    found = ctx.db.query(WebhookDelivery.by_webhook.eq(webhook_id)).take(REMOVED_AT_ONCE)
    for delivery in found:
        ctx.db.delete(delivery.id)
    if len(found) == REMOVED_AT_ONCE:
        ctx.scheduler.run_after(0, remove_all, webhook_id)
