"""What a session sends: responses, transitions in one piece or many."""

import json
from collections.abc import Callable
from typing import Final

import msgspec

from chalicelib.engine.errors import ResultTooLarge
from chalicelib.engine.functions.outcome import Outcome, failure_of
from chalicelib.engine.ports import Clock, Gateway
from chalicelib.engine.sync.messages import (
    ActionResponse,
    MutationResponse,
    ServerMessage,
    Transition,
    TransitionChunk,
    encode,
    ts_text,
)

_ENVELOPE_BYTES: Final = 512
"""Room for what stands around the text in a ``TransitionChunk``."""


RESPONSE_ENVELOPE_BYTES: Final = 1024
"""Room for what stands around the value, the error and the log lines of a response."""


Offer = Callable[[str, bytes], bool]


class Outbox:
    """Posts the messages of one connection, one at a time.

    Any error of the gateway ends the connection: what was not surely refused is never posted
    again, and the client starts anew.
    """

    def __init__(
        self,
        gateway: Gateway,
        clock: Clock,
        connection: str,
        max_message_bytes: int,
        offer: Offer | None = None,
    ) -> None:
        """``offer`` sends unless there is no room, where the gateway can tell."""
        self._gateway, self._clock, self._connection = gateway, clock, connection
        self._max_bytes, self._offer_to = max_message_bytes, offer
        self.sent_ms = 0.0

    def post(self, message: ServerMessage) -> None:
        """Send one message."""
        self._send(encode(message))

    def post_raw(self, data: bytes) -> None:
        """Send a message that is written already."""
        self._send(data)

    def post_transition(self, transition: Transition, *, chunked: bool) -> bool:
        """Send a transition, in pieces if it is too long and the client can join them.

        Returns:
            False if there was no room for it: nothing of it was sent.
        """
        data = encode(transition)
        if len(data) <= self._max_bytes or not chunked:
            return self._offer(data)
        pieces = _pieces(data.decode(), self._max_bytes - _ENVELOPE_BYTES)
        name = f"{transition.end_version.query_set}-{transition.end_version.ts}"
        for number, piece in enumerate(pieces):
            part = encode(
                TransitionChunk(
                    chunk=piece,
                    part_number=number,
                    total_parts=len(pieces),
                    transition_id=name,
                )
            )
            if number:
                self._send(part)
            elif not self._offer(part):
                return False
        return True

    def _offer(self, data: bytes) -> bool:
        if self._offer_to is None:
            self._send(data)
            return True
        if not self._offer_to(self._connection, data):
            return False
        self.sent_ms = self._clock.now_ms()
        return True

    def _send(self, data: bytes) -> None:
        self._gateway.post(self._connection, data)
        self.sent_ms = self._clock.now_ms()


def _fitting(outcome: Outcome, request_id: int, max_bytes: int) -> Outcome:
    """As much of ``outcome`` as one message of ``max_bytes`` carries.

    Log lines that do not fit are left out. A value or an error that does not fit is replaced
    by an error that says so: a response cannot be cut, and one that cannot be posted would
    have the client come back and repeat its request for ever.
    """
    room = max_bytes - RESPONSE_ENVELOPE_BYTES
    length = _length(outcome)
    if length > room:
        what = "value" if outcome.failure is None else "error"
        too_long = ResultTooLarge(f"the {what} has {length} bytes, {room} can be sent")
        name = outcome.failure.request_id if outcome.failure else f"{request_id:016x}"
        outcome = msgspec.structs.replace(outcome, failure=failure_of(too_long, name))
        length = _length(outcome)
    kept: list[str] = []
    for line in outcome.log_lines:
        length += len(msgspec.json.encode(line)) + 1
        if length > room:
            break
        kept.append(line)
    return msgspec.structs.replace(outcome, log_lines=tuple(kept))


def _length(outcome: Outcome) -> int:
    failure = outcome.failure
    if failure is None:
        return len(outcome.value or b"")
    text = msgspec.json.encode(failure.message(redacted=False))
    return len(text) + len(failure.data or b"")


def mutation_response(
    request_id: int, outcome: Outcome, *, redacted: bool, max_bytes: int
) -> MutationResponse:
    """Answer a mutation."""
    outcome = _fitting(outcome, request_id, max_bytes)
    lines = () if redacted else outcome.log_lines
    failure = outcome.failure
    if failure is None:
        value = msgspec.Raw(outcome.value or b"null")
        return MutationResponse(
            request_id=request_id,
            success=True,
            result=value,
            ts=ts_text(outcome.ts),
            log_lines=lines,
        )
    return MutationResponse(
        request_id=request_id,
        success=False,
        result=_text(failure.message(redacted=redacted)),
        ts=None,
        log_lines=lines,
        error_data=_raw(failure.data),
    )


def action_response(
    request_id: int, outcome: Outcome, *, redacted: bool, max_bytes: int
) -> ActionResponse:
    """Answer an action."""
    outcome = _fitting(outcome, request_id, max_bytes)
    failure = outcome.failure
    result = (
        msgspec.Raw(outcome.value or b"null")
        if failure is None
        else _text(failure.message(redacted=redacted))
    )
    return ActionResponse(
        request_id=request_id,
        success=failure is None,
        result=result,
        log_lines=() if redacted else outcome.log_lines,
        error_data=_raw(failure.data if failure is not None else None),
    )


def _text(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


def _raw(data: bytes | None) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.UNSET if data is None else msgspec.Raw(data)


def _pieces(text: str, max_bytes: int) -> list[str]:
    """Cut ``text`` so that each piece, written as a JSON string, is at most ``max_bytes``."""
    pieces, start = [], 0
    while start < len(text):
        size = min(len(text) - start, max_bytes)
        while (
            len(json.dumps(text[start : start + size], ensure_ascii=False).encode())
            > max_bytes
        ):
            size = size * 3 // 4
        pieces.append(text[start : start + size])
        start += size
    return pieces
