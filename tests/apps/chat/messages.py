"""Channels: what the scenario of the stock clients reads, sends and provokes."""

from __future__ import annotations

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Id,
    MutationCtx,
    QueryCtx,
    action,
    mutation,
    query,
)
from tests.apps.chat.schema import Message

MOST_MESSAGES = 1000


@query
def list_(ctx: QueryCtx, channel: str) -> list[Message]:
    """Return a channel's messages, oldest first."""
    return ctx.db.query(Message.by_channel.eq(channel)).take(MOST_MESSAGES)


@mutation
def send(ctx: MutationCtx, channel: str, body: str) -> Id[Message]:
    """Add a message in the name of the caller, or of nobody."""
    identity = ctx.auth.identity()
    author = identity.subject if identity is not None else None
    return ctx.db.insert(Message(channel=channel, author=author, body=body))


@query
def whoami(ctx: QueryCtx) -> str | None:
    """Return the subject of the caller's token, or null."""
    identity = ctx.auth.identity()
    return identity.subject if identity is not None else None


@query
def fail_query(ctx: QueryCtx, channel: str) -> None:
    """Fail with data once the channel holds a message; be null before."""
    if ctx.db.query(Message.by_channel.eq(channel)).first() is not None:
        raise Conflict("the channel is in use", channel=channel)


@mutation
def fail(ctx: MutationCtx, channel: str, reason: str) -> None:
    """Write a message, then fail with data: nothing may be left of it."""
    ctx.db.insert(Message(channel=channel, author=None, body=reason))
    raise Conflict(reason, channel=channel)


@action
def fail_action(ctx: ActionCtx, reason: str) -> None:
    """Fail with data outside any transaction."""
    raise Conflict(reason)


@action
def shout(ctx: ActionCtx, channel: str, body: str) -> int:
    """Send a message in capitals, and return how many the channel holds then."""
    ctx.run_mutation(send, channel=channel, body=body.upper())
    return len(ctx.run_query(list_, channel=channel))
