"""Socket events: a frame or a disconnection in, 200 out, whatever happens.

An exception, or an answer after 29 seconds, would have API Gateway send the client a frame
that is not of the protocol, which the stock npm client does not survive.
"""

from collections.abc import Mapping
from typing import Any, Final

from chalicelib.bootstrap import Deployment
from chalicelib.engine.log import origin_of
from chalicelib.engine.ports import Frame

OK: Final = {"statusCode": 200}


def message(deployment: Deployment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Hand a frame to its session."""
    context = event["requestContext"]
    connection: str = context["connectionId"]
    speaker = context.get("identity") or {}
    frame = Frame(
        context["messageId"],
        float(context["requestTimeEpoch"]),
        (event.get("body") or "").encode(),
        origin_of(speaker.get("sourceIp"), speaker.get("userAgent")),
    )
    try:
        deployment.backend.receive(connection, frame)
    except Exception as error:  # noqa: BLE001 - see the module
        _lost(deployment, connection, error)
    return OK


def disconnect(deployment: Deployment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Forget a session whose socket is closed."""
    connection: str = event["requestContext"]["connectionId"]
    try:
        deployment.backend.disconnected(connection)
    except Exception as error:  # noqa: BLE001 - see the module
        deployment.report(error, "websocket:disconnect", connection)
    return OK


def _lost(deployment: Deployment, connection: str, error: Exception) -> None:
    """End a session in doubt: its client comes back and starts clean."""
    deployment.report(error, "websocket:message", connection)
    deployment.telemetry.count(SessionsLost=1)
    try:
        deployment.backend.disconnected(connection)
    except Exception as again:  # noqa: BLE001 - the tick finishes the burial
        deployment.report(again, "websocket:message", connection)
