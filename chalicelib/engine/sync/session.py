"""A session: what one connection has said so far, as a value.

``receive`` is a pure function from a session and a message to the next session and the effects
that the actor performs, in order.
"""

from typing import Final

import msgspec

from chalicelib.engine.auth import Caller
from chalicelib.engine.errors import BadMessage, BaseVersionMismatch, Overloaded
from chalicelib.engine.persistence import Interval
from chalicelib.engine.sync.messages import (
    Action,
    ActionDone,
    Add,
    Authenticate,
    Connect,
    Event,
    InboxMessage,
    ModifyQuerySet,
    Mutation,
)

JS_PATIENCE_MS: Final = 60_000.0
"""How long the stock npm client waits for a message before it reconnects."""

RUST_PATIENCE_MS: Final = 30_000.0
"""How long the stock PyPI client waits for a frame before it reconnects."""

MAX_ACTIONS: Final = 1000
"""Actions of one connection that may be under way. Source: the wire's limits."""


class LiveQuery(msgspec.Struct, frozen=True, array_like=True):
    """A subscription. ``ran`` tells that ``reads`` and ``journal`` are those of a run."""

    path: str
    arguments: bytes
    journal: str | None
    reads: tuple[Interval, ...] = ()
    ran: bool = False


class Session(msgspec.Struct, frozen=True):
    """What is known of a connection.

    ``query_set`` and ``identity`` are the versions last received; ``next_request`` is above
    every request id received; ``actions`` maps those under way to when they are given up, in
    milliseconds since the Unix epoch; ``dropped`` holds what queries read that were removed since
    the last transition. ``is_js`` tells the npm client from the others.
    """

    id: str = ""
    number: int = 0
    is_js: bool = True
    clock_skew_ms: int | None = None
    query_set: int = 0
    identity: int = 0
    caller: Caller = None
    next_request: int = 0
    queries: dict[int, LiveQuery] = {}
    dropped: dict[int, tuple[Interval, ...]] = {}
    actions: dict[int, float] = {}
    authenticated_ms: float = 0
    refused: int = 0
    behind_until_ms: float = 0
    """How often in a row, and until when, the gateway has had no room for a transition."""

    @property
    def patience_ms(self) -> float:
        """How long the client goes without a message."""
        return JS_PATIENCE_MS if self.is_js else RUST_PATIENCE_MS


class Enlist(msgspec.Struct, frozen=True):
    """Effect: record the connection, and bury older ones of its session."""


class Verify(msgspec.Struct, frozen=True):
    """Effect: find out who the message says is calling."""

    message: Authenticate


class Run(msgspec.Struct, frozen=True):
    """Effect: run a mutation and answer it."""

    message: Mutation


class Start(msgspec.Struct, frozen=True):
    """Effect: hand an action to a job."""

    message: Action


class Answer(msgspec.Struct, frozen=True):
    """Effect: send the response of an action."""

    message: ActionDone


Effect = Enlist | Verify | Run | Start | Answer


class Step(msgspec.Struct, frozen=True):
    """A session after a message, and what is to be done.

    ``due``: the client waits for a transition.
    """

    session: Session
    effects: tuple[Effect, ...] = ()
    due: bool = False


def receive(
    session: Session, message: InboxMessage, *, received_ms: float, give_up_ms: float
) -> Step:
    """Return the session after ``message`` and the effects to perform, in order.

    ``received_ms`` is when the gateway got the message, ``give_up_ms`` when an action that it
    starts is given up.

    Raises:
        BaseVersionMismatch: the message builds on a version that is not the current one.
        BadMessage: the message makes no sense after those before it.
        Overloaded: too many actions are under way.
    """
    match message:
        case Connect():
            return Step(_connected(session, message, received_ms), (Enlist(),))
        case ModifyQuerySet():
            return Step(_modified(session, message), due=True)
        case Authenticate():
            _require_base(held=session.identity, base=message.base_version)
            after = _with(
                session, identity=session.identity + 1, authenticated_ms=received_ms
            )
            # Before the first query set there is nothing to show: a transition would have the
            # client take what it shows of an earlier connection back.
            return Step(after, (Verify(message),), due=session.query_set > 0)
        case Mutation():
            _refuse_component(message.component_path)
            return Step(_requested(session, message.request_id), (Run(message),), due=True)
        case Action():
            _refuse_component(message.component_path)
            if len(session.actions) >= MAX_ACTIONS:
                raise Overloaded("too many actions are under way on this connection")
            after = _requested(session, message.request_id)
            actions = {**session.actions, message.request_id: give_up_ms}
            return Step(_with(after, actions=actions), (Start(message),))
        case ActionDone():
            if message.request_id not in session.actions:
                return Step(session)
            actions = {
                i: at for i, at in session.actions.items() if i != message.request_id
            }
            return Step(_with(session, actions=actions), (Answer(message),), due=True)
        case Event():
            return Step(session)


def signed_in(session: Session, caller: Caller) -> Session:
    """The session once the token of its newest ``Authenticate`` is verified."""
    return _with(session, caller=caller)


def _connected(session: Session, message: Connect, received_ms: float) -> Session:
    if session.id:
        raise BadMessage("Connect was sent twice on one connection")
    if not message.session_id:
        raise BadMessage("Connect needs a session id")
    # The PyPI client sends 0: it has no use for the skew. It is told apart by that, since
    # neither its header nor the path of the socket reaches a message handler on AWS.
    is_js = message.client_ts != 0
    return _with(
        session,
        id=message.session_id,
        number=message.connection_count,
        is_js=is_js,
        clock_skew_ms=int(message.client_ts - received_ms) if is_js else None,
    )


def _modified(session: Session, message: ModifyQuerySet) -> Session:
    _require_base(held=session.query_set, base=message.base_version)
    if message.new_version <= message.base_version:
        raise BadMessage("newVersion of ModifyQuerySet must be above its baseVersion")
    queries, dropped = dict(session.queries), dict(session.dropped)
    for change in message.modifications:
        if isinstance(change, Add):
            _refuse_component(change.component_path)
            if change.query_id in queries:
                raise BadMessage(f"query {change.query_id} was added twice")
            queries[change.query_id] = LiveQuery(
                change.udf_path, bytes(change.args), change.journal
            )
        elif change.query_id not in queries:
            raise BadMessage(f"query {change.query_id} was removed and is not in the set")
        else:
            # An id may be dropped, given again and dropped within one transition.
            earlier = dropped.get(change.query_id, ())
            dropped[change.query_id] = earlier + queries.pop(change.query_id).reads
    return _with(session, query_set=message.new_version, queries=queries, dropped=dropped)


def _requested(session: Session, request_id: int) -> Session:
    return _with(session, next_request=max(session.next_request, request_id + 1))


def _require_base(*, held: int, base: int) -> None:
    if held != base:
        raise BaseVersionMismatch(expected=held, received=base)


def _refuse_component(path: str | None) -> None:
    if path:
        raise BadMessage(f"there are no components here, and so none at {path!r}")


_with = msgspec.structs.replace
