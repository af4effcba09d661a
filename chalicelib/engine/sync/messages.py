"""The messages of the sync protocol: each is its own wire form (docs/protocol.md 4)."""

import base64
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from chalicelib.engine.errors import BadMessage

ZERO_TS: Final = 0
"""The timestamp of a connection before its first transition."""

_TS_BYTES: Final = 8

Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
"""Ids and versions that a client counts. Source: the wire, where they are 32 bits wide."""

Name = Annotated[str, msgspec.Meta(max_length=256)]
"""The name that a client gives itself; it becomes part of keys. Clients send 36 characters."""

Milliseconds = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]
"""A client's clock, milliseconds since the Unix epoch."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
    """What all messages share: camelCase fields and a ``type``."""


# -- client to server ---------------------------------------------------------------------


class Connect(_Message, frozen=True, kw_only=True, tag="Connect"):
    """First on every socket: which session, and its how manieth connection."""

    session_id: Name
    connection_count: Count = 0
    last_close_reason: str | None = None
    client_ts: Milliseconds = 0
    max_observed_timestamp: str | None = None


class Add(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="Add"):
    """Subscribe to a query."""

    query_id: Count
    udf_path: str
    args: msgspec.Raw
    journal: str | None = None
    component_path: str | None = None


class Remove(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="Remove"):
    """End a subscription."""

    query_id: Count


class ModifyQuerySet(_Message, frozen=True, kw_only=True, tag="ModifyQuerySet"):
    """Subscribe and unsubscribe, atomically."""

    base_version: Count
    new_version: Count
    modifications: tuple[Add | Remove, ...]


class Mutation(_Message, frozen=True, kw_only=True, tag="Mutation"):
    """Run a mutation."""

    request_id: Count
    udf_path: str
    args: msgspec.Raw
    component_path: str | None = None


class Action(_Message, frozen=True, kw_only=True, tag="Action"):
    """Run an action."""

    request_id: Count
    udf_path: str
    args: msgspec.Raw
    component_path: str | None = None


class Authenticate(_Message, frozen=True, kw_only=True, tag="Authenticate"):
    """Change who is calling. ``impersonating`` is an alias of ``acting_as``."""

    base_version: Count
    token_type: Literal["User", "Admin", "None"]
    value: str | None = None
    acting_as: dict[str, Any] | None = None
    impersonating: dict[str, Any] | None = None


class Event(_Message, frozen=True, kw_only=True, tag="Event"):
    """Telemetry of the client; nothing follows from it."""

    event_type: str = ""
    event: Any = None


class ActionDone(_Message, frozen=True, kw_only=True, tag="-ActionDone"):
    """Not a client's: an action left its response in the inbox.

    The tag cannot come from a client: messages from sockets are decoded without it.
    """

    request_id: int
    response: msgspec.Raw


ClientMessage = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event
InboxMessage = ClientMessage | ActionDone


# -- server to client ---------------------------------------------------------------------


class StateVersion(msgspec.Struct, frozen=True, rename="camel"):
    """A session's state: query set, identity, timestamp (base64)."""

    query_set: int
    identity: int
    ts: str


class QueryUpdated(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="QueryUpdated"
):
    """The value of a query at the transition's timestamp."""

    query_id: int
    value: msgspec.Raw
    log_lines: tuple[str, ...] = ()
    journal: str | None = None


class QueryFailed(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    tag="QueryFailed",
    omit_defaults=True,
):
    """The failure of a query at the transition's timestamp."""

    query_id: int
    error_message: str
    log_lines: tuple[str, ...]
    journal: str | None
    error_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class QueryRemoved(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="QueryRemoved"
):
    """A subscription that has ended."""

    query_id: int


Modification = QueryUpdated | QueryFailed | QueryRemoved


class Transition(_Message, frozen=True, kw_only=True, tag="Transition"):
    """Moves the client from one version to the next, all queries at one timestamp."""

    start_version: StateVersion
    end_version: StateVersion
    modifications: tuple[Modification, ...]
    client_clock_skew: int | None = None
    server_ts: int | None = None


class TransitionChunk(_Message, frozen=True, kw_only=True, tag="TransitionChunk"):
    """A piece of the text of a transition."""

    chunk: str
    part_number: int
    total_parts: int
    transition_id: str


class MutationResponse(_Message, frozen=True, kw_only=True, tag="MutationResponse"):
    """The answer to a mutation; the client resolves it with a transition at ``ts`` or later."""

    request_id: int
    success: bool
    result: msgspec.Raw
    ts: str | None
    log_lines: tuple[str, ...] = ()
    error_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ActionResponse(_Message, frozen=True, kw_only=True, tag="ActionResponse"):
    """The answer to an action."""

    request_id: int
    success: bool
    result: msgspec.Raw
    log_lines: tuple[str, ...] = ()
    error_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class AuthError(_Message, frozen=True, kw_only=True, tag="AuthError"):
    """A token was refused; the client fetches another one."""

    error: str
    base_version: int | None
    auth_update_attempted: bool


class FatalError(_Message, frozen=True, kw_only=True, tag="FatalError"):
    """The client broke the protocol; it does not come back."""

    error: str


class Ping(_Message, frozen=True, kw_only=True, tag="Ping"):
    """Keeps an idle client from giving the connection up."""


ServerMessage = (
    Transition
    | TransitionChunk
    | MutationResponse
    | ActionResponse
    | AuthError
    | FatalError
    | Ping
)

_client = msgspec.json.Decoder(ClientMessage)
_inbox = msgspec.json.Decoder(InboxMessage)
_encode = msgspec.json.Encoder().encode
M = TypeVar("M")


def decode_client(body: bytes) -> ClientMessage:
    """Read a message that came from a socket.

    Raises:
        BadMessage: it is not one of the protocol.
    """
    try:
        message: ClientMessage = _client.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(f"Received Invalid JSON on websocket: {error}") from error
    return message


def decode_inbox(body: bytes) -> InboxMessage:
    """Read a message out of the inbox, where answers of actions lie too."""
    message: InboxMessage = _inbox.decode(body)
    return message


def encode(message: ServerMessage | InboxMessage) -> bytes:
    """Write a message as UTF-8 JSON."""
    return _encode(message)


@lru_cache(maxsize=256)
def ts_text(ts: int) -> str:
    """A timestamp as the wire has it: base64 of 8 bytes, little endian."""
    return base64.b64encode(ts.to_bytes(_TS_BYTES, "little")).decode()


def ts_value(text: str) -> int:
    """The timestamp that :func:`ts_text` wrote.

    Raises:
        BadMessage: it is not one.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadMessage(f"not a timestamp: {text!r}") from error
    if len(data) != _TS_BYTES:
        raise BadMessage(f"not a timestamp: {text!r}")
    return int.from_bytes(data, "little")
