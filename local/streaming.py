"""Serves routes whose bodies are too large to be held: they flow as fast as the client does."""

import asyncio
import contextlib
from collections.abc import (
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from local.http import HttpRequest, Receive, Send, refusal, respond
from local.lambda_host import (
    Event,
    LambdaContext,
    LambdaFunction,
    Outcome,
    Stopped,
    Throttled,
)

Message = MutableMapping[str, Any]

T = TypeVar("T")

STALL_S: Final = 120.0
"""How long a client may neither send nor take a byte before its transfer is broken off."""

_BUSY: Final = refusal(503, "Service Unavailable", "ServiceUnavailableException")
_FAILED: Final = refusal(502, "Internal server error", "InternalServerErrorException")


class ClientGone(ConnectionError):
    """The client has left, or stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedResponse:
    """A response whose body comes in pieces; its headers say how long it is."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterable[bytes]
    repeated: Sequence[tuple[str, str]] = ()


StreamedRoute = Callable[[HttpRequest, Iterator[bytes]], StreamedResponse]
"""Answers a request whose body it reads piece by piece.

Reading raises :class:`ClientGone` when the rest of the body will not come.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedMount:
    """A route for all requests that ``takes`` says yes to."""

    takes: Callable[[HttpRequest], bool]
    route: StreamedRoute


class StreamedCalls:
    """Mounts, and the function whose threads serve them by :func:`handle_streamed`."""

    def __init__(self, mounts: Iterable[StreamedMount], function: LambdaFunction) -> None:
        self._mounts, self._function = tuple(mounts), function

    def mount_of(self, request: HttpRequest) -> StreamedMount | None:
        """Return the first mount that takes a request, if one does."""
        return next((mount for mount in self._mounts if mount.takes(request)), None)

    async def serve(
        self, mount: StreamedMount, request: HttpRequest, receive: Receive, send: Send
    ) -> None:
        """Answer a request."""
        loop = asyncio.get_running_loop()
        transfer = Transfer(loop, receive, send)
        ended: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not ended.done():
                ended.set_result(outcome)

        def done(outcome: Outcome) -> None:
            with contextlib.suppress(RuntimeError):  # the server has stopped, and its loop
                loop.call_soon_threadsafe(settle, outcome)

        event = {"mount": mount, "request": request, "transfer": transfer}
        what = f"{request.method} {request.path}"
        try:
            self._function.submit(event, what=what, done=done)
        except (Throttled, Stopped):
            await respond(receive, send, _BUSY)
            return
        outcome = await ended
        if outcome.error is not None and not transfer.has_begun:
            await respond(receive, send, _FAILED)


def handle_streamed(event: Event, context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    """Run the route of a mount: the handler of the gateway's own function."""
    mount: StreamedMount = event["mount"]
    transfer: Transfer = event["transfer"]
    try:
        response = mount.route(event["request"], transfer.body())
        transfer.answer(response)
    except ClientGone:
        return {"statusCode": 499}
    return {"statusCode": response.status}


class Transfer:
    """One request and its response, as a thread reads and writes them.

    Each piece waits until the client has taken the one before, so that one is in memory.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Receive, send: Send
    ) -> None:
        self._loop, self._receive, self._send = loop, receive, send
        self._gone = False
        self.has_begun = False

    def body(self) -> Iterator[bytes]:
        """Yield the pieces of the request's body, until the answer begins.

        From then on what the client sends is looked at only to see whether it has left.
        """
        while True:
            if self.has_begun:
                raise RuntimeError("the body of a request is read before it is answered")
            message = self._wait(self._received())
            if message["type"] != "http.request":
                raise ClientGone("the client left before its request had come")
            if piece := message.get("body", b""):
                yield piece
            if not message.get("more_body", False):
                return

    def answer(self, response: StreamedResponse) -> None:
        """Send a response; a body that breaks off cuts the connection."""
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (*response.headers.items(), *response.repeated)
        ]
        start = {"type": "http.response.start", "status": response.status}
        self.has_begun = True
        self._wait(self._sent(start | {"headers": headers}))
        # The server takes whatever is sent to a client that has left, so somebody must look.
        watch = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        for piece in response.pieces:
            if self._gone:
                raise ClientGone("the client left before it had its answer")
            body = {"type": "http.response.body", "body": piece, "more_body": True}
            self._wait(self._sent(body))
        self._wait(self._sent({"type": "http.response.body", "body": b""}))
        watch.cancel()

    async def _received(self) -> Message:
        return await self._receive()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # what is left of a request that was answered before it had come
        self._gone = True

    async def _sent(self, message: Message) -> None:
        try:
            await self._send(message)
        except RuntimeError as error:
            if "closed" not in str(error):
                raise
            raise ClientGone("the client left before it had its answer") from error

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait in this thread for what the loop does."""
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:
            coroutine.close()
            raise ClientGone("the server has stopped") from error
        try:
            return future.result(STALL_S)
        except TimeoutError as error:
            future.cancel()
            raise ClientGone("the client stands still") from error
