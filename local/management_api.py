"""The ``@connections`` API: how a handler that holds an AWS client reaches the sockets."""

import datetime as dt
import json
import re
from typing import Final
from urllib.parse import unquote

from local.connections import Connections, Gone, TooLarge
from local.http import HttpRequest, HttpResponse, refusal

_PATH: Final = re.compile(r"/[^/]+/(?:@|%40)connections/([^/]+)")


def manage(connections: Connections, request: HttpRequest) -> HttpResponse:
    """Answer one request for ``/{stage}/@connections/{id}``: POST, GET or DELETE."""
    found = _PATH.fullmatch(request.path)
    if found is None or request.method not in {"POST", "GET", "DELETE"}:
        return refusal(403, "Missing Authentication Token", "ForbiddenException")
    connection_id = unquote(found[1])
    try:
        match request.method:
            case "POST":
                connections.post(connection_id, request.body)
                return HttpResponse(status=200)
            case "DELETE":
                connections.close(connection_id, 1000, "Connection Closed Normally")
                return HttpResponse(status=204)
            case _:
                return _described(connections, connection_id)
    except Gone:
        return refusal(410, "The connection is gone", "GoneException")
    except TooLarge as error:
        return refusal(413, str(error), "PayloadTooLargeException")


def _described(connections: Connections, connection_id: str) -> HttpResponse:
    info = connections.info(connection_id)
    body = {
        "connectedAt": _iso(info.connected_ms),
        "identity": {"sourceIp": info.source_ip, "userAgent": info.user_agent},
        "lastActiveAt": _iso(info.last_active_ms),
    }
    return HttpResponse(
        status=200,
        headers=(("content-type", "application/json"),),
        body=json.dumps(body).encode(),
    )


def _iso(epoch_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
