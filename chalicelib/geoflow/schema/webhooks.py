"""Webhooks: who is told of which event at which address, and how each telling went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from chalicelib.engine.server import Document, Id, Meta, PolicyCtx, Struct, index, indexed
from chalicelib.geoflow.limits import MAX_URL_CHARS
from chalicelib.geoflow.schema.credentials import Credential
from chalicelib.geoflow.schema.fields import Message, Name
from chalicelib.geoflow.schema.users import User, is_permitted, relation_to_owner

WebhookEvent = Literal[
    "workflow.started",
    "workflow.completed",
    "workflow.failed",
    "file.processed",
    "user.created",
]
SentEvent = Literal[
    "workflow.started",
    "workflow.completed",
    "workflow.failed",
    "file.processed",
    "user.created",
    "test",
]
"""What is sent: an event, or a test that its owner asked for."""

WebhookUrl = Annotated[str, Meta(min_length=1, max_length=MAX_URL_CHARS)]
Events = Annotated[list[WebhookEvent], Meta(min_length=1, max_length=5)]
DeliveryStatus = Literal["pending", "succeeded", "failed", "cancelled"]


class Webhook(Document, table="webhooks"):
    """An address that is told of events.

    ``sealed`` is the secret that bodies are signed with; absent while it is being sealed.
    ``credential_id`` is what goes along as a bearer token, if anything. ``failing_since`` is
    when the first of the attempts failed since the last that did not. ``disabled_reason`` says
    why nobody is told any more, where it was not the owner who said so.
    """

    owner: Id[User] = indexed()
    name: Name
    url: WebhookUrl
    events: Events
    enabled: bool = indexed(default=True)
    credential_id: Id[Credential] | None = None
    sealed: bytes | None = None
    key_id: str | None = None
    rotated: float | None = None
    failing_since: float | None = None
    disabled_reason: Message | None = None
    by_owner = index(owner)
    by_owner_enabled = index(owner, enabled)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "webhooks.read", relation_to_owner(ctx, self.owner))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let those change it who may change or remove it; functions ask exactly."""
        relation = relation_to_owner(ctx, self.owner)
        return is_permitted(ctx, "webhooks.change", relation) or is_permitted(
            ctx, "webhooks.remove", relation
        )


class DeliveryAttempt(Struct):
    """One try: when it began, how long it took, and what was answered, or why nothing was."""

    at: float
    duration_ms: float
    status: int | None
    error: Message | None


class WebhookDelivery(Document, table="webhookDeliveries", undone=False):
    """One event on its way to one webhook.

    ``event_id`` is the same for all who are told of an event, and for replays. Until
    ``next_attempt`` nothing is tried. ``replay_of`` is the delivery that this one repeats.
    """

    webhook_id: Id[Webhook] = indexed()
    owner: Id[User]
    event: SentEvent
    event_id: str
    payload: dict[str, Any]
    status: DeliveryStatus = indexed(default="pending")
    attempts: list[DeliveryAttempt]
    next_attempt: float | None = indexed(default=None)
    replay_of: Id[WebhookDelivery] | None = None
    by_webhook = index(webhook_id)
    by_webhook_status = index(webhook_id, status)
    by_status_next = index(status, next_attempt)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "webhooks.read", relation_to_owner(ctx, self.owner))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "webhooks.change", relation_to_owner(ctx, self.owner))
