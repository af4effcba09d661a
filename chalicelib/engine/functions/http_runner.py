"""Runs HTTP functions: a request in, a response out, whatever happens."""

from typing import Any, Final

import msgspec

from chalicelib.engine.auth import Caller
from chalicelib.engine.errors import (
    BodyTooLarge,
    EngineError,
    RateLimited,
    ValidationFailed,
)
from chalicelib.engine.functions.actions import ActionRunner
from chalicelib.engine.functions.context import ActionCtx
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_quota import HttpQuota
from chalicelib.engine.functions.http_route import Route
from chalicelib.engine.functions.http_router import Match
from chalicelib.engine.functions.log_lines import Log, Say
from chalicelib.engine.functions.outcome import Failure
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.limits import MAX_HTTP_ACTION_BODY_BYTES
from chalicelib.engine.log import Origin, origin_of

_STATUSES: Final = range(200, 600)
_NOT_FOUND: Final = 404
_TOO_LARGE: Final = 413
_TOO_OFTEN: Final = 429
_SERVER_ERROR: Final = 500


class HttpRunner:
    """Finds the function of a request and runs it as an action is run.

    ``redacted`` keeps the texts of errors from clients. ``say`` takes what a function has
    logged: an answer has no place for it.
    """

    def __init__(
        self,
        runner: Runner,
        actions: ActionRunner,
        quota: HttpQuota,
        *,
        redacted: bool,
        say: Say,
    ) -> None:
        self._runner, self._actions, self._redacted = runner, actions, redacted
        self._quota, self._say = quota, say

    def handle(self, request: Request, caller: Caller) -> Response:
        """Answer a request.

        Raises:
            EngineError: it is one that the transport answers, since asking again helps.
        """
        match = self._runner.registry.http.find(request.method, request.path)
        if match is None or not match.route.streamed:
            request = _whole(request)
        if match is None:
            return _too_large() if _is_too_large(request) else _not_routed(request)
        log = Log()
        try:
            response = self._serve(match, request, caller, log)
        finally:
            if log.lines:
                self._say(match.route.name, log.lines)
        return _without_body(response) if request.method == "HEAD" else response

    def _serve(self, match: Match, request: Request, caller: Caller, log: Log) -> Response:
        """Find out who asks and whether that is too often; then run the function."""
        route, refused = match.route, None
        try:
            caller = self._identified(route, request, caller, log)
        except Exception as error:  # noqa: BLE001 - answered below, once it was counted
            caller, refused = None, error
        ctx = self._actions.context(caller, log, origin=_origin(request))
        try:
            quota = self._quota.take(route.manners.rates, request, caller)
        except EngineError as error:
            return self._failed(route, ctx, error)
        if quota is not None and not quota.is_granted:
            refusal = self._quota.refusal(quota)
            response = self._own_answer(route, ctx, refusal, "") or _too_often(refusal)
        elif refused is not None:
            response = self._failed(route, ctx, refused)
        else:
            response = self._respond(match, request, ctx)
        return self._quota.told(response, quota)

    def _identified(
        self, route: Route, request: Request, caller: Caller, log: Log
    ) -> Caller:
        # Preflights are not counted: what they show must not be tried out with them.
        if route.manners.authenticate is None or request.method == "OPTIONS":
            return caller
        ctx = self._actions.context(caller, log, origin=_origin(request))
        return route.manners.authenticate(ctx, request) or caller

    def _respond(self, match: Match, request: Request, ctx: ActionCtx) -> Response:
        route = match.route
        if _is_too_large(request):
            error = BodyTooLarge(MAX_HTTP_ACTION_BODY_BYTES)
            return self._own_answer(route, ctx, error, "") or _too_large()
        try:
            given = route.convert(match.parameters, self._runner.table_of())
        except ValidationFailed as error:
            # What the path names cannot exist; the app may say so in its own words.
            return self._own_answer(route, ctx, error, "") or _not_routed(request)
        try:
            function: Any = route.function  # which takes what its route converts
            response = _checked(function(ctx, request, **given), route.name)
        except Exception as error:  # noqa: BLE001 - whatever it raises is answered
            return self._failed(route, ctx, error)
        return response

    def _failed(self, route: Route, ctx: ActionCtx, error: Exception) -> Response:
        """Answer an error as the app does, or as Convex.

        Raises:
            EngineError: asking again helps, and the app leaves it to the transport to say so.
        """
        if getattr(error, "retryable", False):
            request_id = self._runner.new_request_id()
            own = self._own_answer(route, ctx, error, request_id)
            if own is None:
                raise error
            return own
        failure = self._runner.failure(error, route.name)
        own = self._own_answer(route, ctx, error, failure.request_id)
        return own or self._server_error(failure)

    def _own_answer(
        self, route: Route, ctx: ActionCtx, error: Exception, request_id: str
    ) -> Response | None:
        """What the app says to an error; what is wrong with that is an error like any other."""
        on_error = route.manners.on_error
        if on_error is None:
            return None
        try:
            own = on_error(ctx, error, request_id)
            return own if own is None else _checked(own, f"on_error of {route.name}")
        except Exception as second:  # noqa: BLE001 - whatever it raises is answered
            return self._server_error(self._runner.failure(second, route.name))

    def _server_error(self, failure: Failure) -> Response:
        """Answer as Convex does for an error that nobody caught, without the stack."""
        named = f"[Request ID: {failure.request_id}] Server Error"
        body: dict[str, Any] = (
            {"code": named, "trace": ""}
            if self._redacted
            else {"code": f"{named}: {failure.reason}", "trace": failure.reason}
        )
        if failure.data is not None:
            body["data"] = msgspec.Raw(failure.data)
        return Response(
            status=_SERVER_ERROR,
            body=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
        )


def _is_too_large(request: Request) -> bool:
    return len(request.body) > MAX_HTTP_ACTION_BODY_BYTES


def _too_large() -> Response:
    return Response.text(str(BodyTooLarge(MAX_HTTP_ACTION_BODY_BYTES)), status=_TOO_LARGE)


def _too_often(refusal: RateLimited) -> Response:
    return Response.text(refusal.message, status=_TOO_OFTEN)


def _origin(request: Request) -> Origin:
    return origin_of(request.source, request.headers.get("user-agent"))


def _checked(response: Any, name: str) -> Response:
    """Return what a function answered if it can be sent: what cannot is a bug of its own."""
    if not isinstance(response, Response):
        raise TypeError(f"{name} returned {type(response).__name__}, not a Response")
    if response.status not in _STATUSES:
        raise ValueError(f"{name} answered {response.status}: a status is from 200 to 599")
    _check_names(response, name)
    for header, text in (*response.headers.items(), *response.repeated):
        # One that breaks the line would let its author write the rest of the answer.
        if not (header.isascii() and header.isprintable() and text.isprintable()):
            raise ValueError(f"{name}: header {header!r} is not one printable line")
    return response


def _check_names(response: Response, name: str) -> None:
    """Refuse a name that is in both places: gateways do not agree on what that means."""
    once = {header.lower() for header in response.headers}
    for header, _ in response.repeated:
        if header.lower() in once:
            raise ValueError(f"{name}: header {header!r} is in headers and in repeated")


def _whole(request: Request) -> Request:
    """Gather a body that comes in pieces, up to a little more than it may have."""
    if request.stream is None:
        return request
    body = bytearray()
    for chunk in request.stream:
        body += chunk
        if len(body) > MAX_HTTP_ACTION_BODY_BYTES:
            break
    return msgspec.structs.replace(request, body=bytes(body), stream=None)


def _without_body(response: Response) -> Response:
    """Answer HEAD: as GET, with the length of the body that is left out.

    How long one is that would come in pieces, only the function knows.
    """
    length = {} if response.stream else {"Content-Length": str(len(response.body))}
    headers = {**length, **response.headers}
    return msgspec.structs.replace(response, body=b"", headers=headers, stream=None)


def _not_routed(request: Request) -> Response:
    return Response.text(f"No HttpAction routed for {request.path}", status=_NOT_FOUND)
