"""The HTTP function API (docs/protocol.md 2): a request in, a response out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from chalicelib.bootstrap import Deployment
from chalicelib.engine.auth import (
    AdminIdentity,
    Caller,
    Unverified,
    parse_admin_key,
    parse_authorization,
)
from chalicelib.engine.errors import BadDeployKey, BadMessage, EngineError
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.http_messages import Request as AppRequest
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.log import origin_of
from chalicelib.engine.sync.messages import ts_text, ts_value
from chalicelib.entrypoints.addresses import (
    EDGE_HEADER,
    address,
    app_path,
    believed,
    source,
)
from chalicelib.entrypoints.bodies import Batch, FunctionCall, PastCall, RunCall
from chalicelib.entrypoints.cors import cors, preflight
from chalicelib.entrypoints.faults import BadJsonBody, fault
from chalicelib.entrypoints.formats import Format, check_client, choose_format, formatted


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request, whoever received it. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    query_string: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    peer: str = ""
    """The network address of who spoke to the gateway, as the gateway says."""
    tail: str = ""
    """What a greedy route matched."""
    stream: Iterable[bytes] | None = None
    """The body in pieces where it is not in ``body``; answers may come in pieces then, too."""

    @property
    def chunks(self) -> Iterable[bytes]:
        """The body in pieces, wherever it is."""
        return (self.body,) if self.stream is None else self.stream


class Response(msgspec.Struct, frozen=True):
    """An HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    stream: Iterable[bytes] | None = None
    """The body in pieces where it is not in ``body``."""
    repeated: Sequence[tuple[str, str]] = ()
    """More headers, of which a name may come several times."""


Handler = Callable[[Deployment, Request], Response]


def answer(
    handler: Handler, deployment: Callable[[], Deployment], request: Request
) -> Response:
    """Run ``handler``, whatever happens, and let pages of any origin read the answer."""
    if request.method == "OPTIONS" and handler is not http_function:
        return Response(204, b"", preflight(request.headers))
    deployed: Deployment | None = None
    try:
        deployed = deployment()
        if handler is not http_function:
            check_client(request.headers.get("convex-client"))
        response = handler(deployed, request)
        if handler is http_function:
            return response  # whom an app lets read its answers is its own business
    except Exception as error:  # noqa: BLE001 - the last line before the client
        status, body = fault(error)
        if deployed is not None and status >= 500:  # noqa: PLR2004 - server errors
            deployed.report(error, request.path, "")
        response = Response(status, msgspec.json.encode(body), _JSON)
    return msgspec.structs.replace(
        response, headers={**response.headers, **cors(request.headers)}
    )


def query(deployment: Deployment, request: Request) -> Response:
    """``/api/query``: run a query; GET has it all in the query string."""
    if request.method == "GET":
        args = request.query.get("args", "{}").encode()
        call = FunctionCall(
            request.query.get("path", ""), msgspec.Raw(args), request.query.get("format")
        )
        return _run(deployment, request, call, "query")
    return _run(deployment, request, _body(request, FunctionCall), "query")


def mutation(deployment: Deployment, request: Request) -> Response:
    """``/api/mutation``: run a mutation."""
    return _run(deployment, request, _body(request, FunctionCall), "mutation")


def action(deployment: Deployment, request: Request) -> Response:
    """``/api/action``: run an action."""
    return _run(deployment, request, _body(request, FunctionCall), "action")


def function(deployment: Deployment, request: Request) -> Response:
    """``/api/function``: run any function, internal ones too; for the admin only."""
    call = _body(request, FunctionCall)
    if not isinstance(_caller(deployment, request), AdminIdentity):
        raise BadDeployKey
    return _run(deployment, request, call, None)


def run(deployment: Deployment, request: Request) -> Response:
    """``/api/run/module/path/function``: run any public function."""
    module, _, name = request.tail.strip("/").rpartition("/")
    body = _body(request, RunCall) if request.body else RunCall()
    path = f"{module}:{name}" if module else f"{name}:default"
    return _run(deployment, request, FunctionCall(path, body.args, body.format), None)


def query_ts(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/api/query_ts``: the newest timestamp."""
    return _json(200, {"ts": ts_text(deployment.backend.head())})


def query_at_ts(deployment: Deployment, request: Request) -> Response:
    """``/api/query_at_ts``: run a query at an older timestamp."""
    body = _body(request, PastCall)
    call = _call(deployment, request, body)
    outcome = deployment.backend.query_in_past(call, ts_value(body.ts))
    return _answered(
        deployment,
        outcome,
        _format(request, body.format),
    )


def query_batch(deployment: Deployment, request: Request) -> Response:
    """``/api/query_batch``: run several queries, each at the newest timestamp."""
    results = [
        msgspec.Raw(_run(deployment, request, call, "query").body)
        for call in _body(request, Batch).queries
    ]
    return _json(200, {"results": results})


def http_function(deployment: Deployment, request: Request) -> Response:
    """``/http/…``: an HTTP function of an app, under the path that it declared.

    A token that is not good is an error for who asks whose it is, and for nobody else.
    """
    try:
        caller = _caller(deployment, request)
    except EngineError as error:
        caller = Unverified(error.told)
    headers = {k: v for k, v in request.headers.items() if k != EDGE_HEADER}
    wanted = AppRequest(
        method=request.method,
        path=app_path(request.path),
        query=request.query,
        headers=headers,
        body=request.body,
        url=address(request.path, request.query_string, headers),
        stream=request.stream,
        source=_source(deployment, request),
    )
    answered = deployment.backend.http(wanted, caller)
    return Response(
        answered.status,
        answered.body,
        dict(answered.headers),
        answered.stream,
        answered.repeated,
    )


def version(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/version`` and ``/instance_version``."""
    return _text(deployment.code_version or "unknown")


def instance_name(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/instance_name``."""
    return _text(deployment.settings.instance_name)


def home(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/``."""
    return _text("This GeoFlow backend is running. Point a Convex client at this address.")


def echo(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/echo``: the body as it came."""
    return Response(200, request.body, {"Content-Type": "application/octet-stream"})


def health(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/health``: the process answers."""
    return _json(200, {"status": "ok"})


def ready(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    """``/ready``: the log can be read, and the apps' tables are in the catalogue."""
    deployment.backend.check()
    return _json(200, {"status": "ready"})


def _run(
    deployment: Deployment, request: Request, body: FunctionCall, kind: Kind | None
) -> Response:
    chosen = _format(request, body.format)
    outcome = deployment.backend.call(_call(deployment, request, body), kind)
    return _answered(deployment, outcome, chosen)


def _call(deployment: Deployment, request: Request, body: FunctionCall) -> Call:
    if body.component_path:
        raise BadMessage(
            f"there are no components here, and so none at {body.component_path!r}"
        )
    if not body.path:
        raise BadJsonBody("`path` is missing: name a function, as in messages:list")
    return Call(
        body.path,
        bytes(body.args),
        _caller(deployment, request),
        origin=origin_of(_source(deployment, request), request.headers.get("user-agent")),
    )


def _source(deployment: Deployment, request: Request) -> str:
    """The network address of the client; what a client writes itself is not believed."""
    settings = deployment.settings
    proxies = believed(settings.proxies, request.headers, settings.edge_secret)
    return source(request.peer, request.headers, proxies)


def _caller(deployment: Deployment, request: Request) -> Caller:
    header = request.headers.get("authorization")
    if header:
        return deployment.identify(parse_authorization(header))
    key = request.query.get("adminKey")
    return deployment.identify(parse_admin_key(key) if key else None)


def _format(request: Request, name: str | None) -> Format:
    return choose_format(name, request.headers.get("convex-client"))


def _answered(deployment: Deployment, outcome: Outcome, chosen: Format) -> Response:
    redacted = deployment.settings.redacted
    lines = () if redacted else outcome.log_lines
    failure = outcome.failure
    body: dict[str, Any] = {"status": "success" if failure is None else "error"}
    if failure is None:
        body["value"] = formatted(outcome.value or b"null", chosen)
    else:
        body["errorMessage"] = failure.message(redacted=redacted)
        if failure.data is not None:
            body["errorData"] = formatted(failure.data, chosen)
    if lines:
        body["logLines"] = lines
    return _json(200, body)


def _body(request: Request, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadJsonBody(f"the body is not what this endpoint takes: {error}") from None


_JSON: Final = {"Content-Type": "application/json"}


def _json(status: int, body: Any) -> Response:
    return Response(status, msgspec.json.encode(body), _JSON)


def _text(text: str) -> Response:
    return Response(200, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
