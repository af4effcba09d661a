"""What conversations use, and what comes out of them."""

from collections.abc import Callable

import msgspec

from chalicelib.engine.auth import Caller
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.log import Origin, Request
from chalicelib.engine.ports import Clock, Gateway, SubscriptionIndex
from chalicelib.engine.sync.messages import Authenticate
from chalicelib.engine.sync.outbox import Offer
from chalicelib.engine.sync.overload import Turnstile
from chalicelib.engine.sync.reruns import Reruns
from chalicelib.engine.sync.transition import Mover

Committed = dict[int, Request]
"""Mutations that have not failed, by the timestamps of their answers."""


class Ended(Exception):
    """The connection is to be closed, with this code and reason."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code, self.reason = close_code, reason


class ActionJob(msgspec.Struct, frozen=True, tag="action"):
    """An action for a later invocation to run."""

    connection: str
    session: str
    request_id: int
    path: str
    arguments: msgspec.Raw
    caller: Caller
    origin: Origin | None = None


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What every conversation of a backend uses.

    ``settle_ms`` is 0 where the gateway delivers the frames of a connection in order and one
    at a time. ``verify`` says who an ``Authenticate`` names.
    """

    runner: Runner
    mover: Mover
    index: SubscriptionIndex
    gateway: Gateway
    clock: Clock
    verify: Callable[[Authenticate], Caller]
    enlist: Callable[[str, str, int], list[str]]
    start: Callable[[ActionJob], None]
    send_wake: Callable[[str, float], None]
    unsent: Callable[[str], int]
    offer: Offer | None = None
    report: Callable[[Exception, str, str], None]
    reruns: Reruns
    turnstile: Turnstile
    max_message_bytes: int
    settle_ms: float
    tick_ms: float
    redacted: bool
