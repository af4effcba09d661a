"""What lets pages of any origin read the answers of the function API (docs/protocol.md 2)."""

from collections.abc import Mapping
from typing import Final

MAX_AGE_S: Final = 86_400
"""How long a browser may remember a preflight, in seconds."""

_METHODS: Final = "GET,POST,OPTIONS,PATCH,DELETE,PUT"


def cors(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that let the page read, which asked with ``headers``."""
    origin = headers.get("origin")
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def preflight(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that answer the question whether a request may be made."""
    wanted = headers.get("access-control-request-headers", "content-type")
    return {
        **cors(headers),
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": wanted,
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }
