"""Where an HTTP function was asked: its path as the app declared it, its address as written."""

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Final

HTTP_PREFIX: Final = "/http"
"""Where HTTP functions stand on the main port; the site port has them at its root."""

_FORWARDED: Final = re.compile(r'(host|proto)="?([^";,\s]+)', re.IGNORECASE)


def app_path(path: str) -> str:
    """Return a path without the prefix of the main port."""
    if path == HTTP_PREFIX or path.startswith(HTTP_PREFIX + "/"):
        return path.removeprefix(HTTP_PREFIX) or "/"
    return path


def address(path: str, query: str, headers: Mapping[str, str]) -> str:
    """Return the address as the client wrote it, as far as the headers of proxies tell.

    ``Forwarded`` (RFC 7239) counts before ``X-Forwarded-Proto`` and ``X-Forwarded-Host``, and
    those before ``Host``; of several values the first, which is the one nearest to the client.
    """
    first = headers.get("forwarded", "").partition(",")[0]
    forwarded = {name.lower(): text for name, text in _FORWARDED.findall(first)}
    scheme = forwarded.get("proto") or headers.get("x-forwarded-proto", "http")
    host = (
        forwarded.get("host")
        or headers.get("x-forwarded-host")
        or headers.get("host", "localhost")
    )
    origin = "://".join(text.partition(",")[0].strip() for text in (scheme, host))
    return f"{origin}{app_path(path)}" + (f"?{query}" if query else "")


def source(peer: str, headers: Mapping[str, str], proxies: int) -> str:
    """Return the network address of the client.

    ``peer`` is who spoke to the gateway, as the gateway itself says. It is the client, unless
    ``proxies`` of our own stand before it. Each has put behind ``X-Forwarded-For`` whom it
    served, and the gateway has, too: what a client wrote there itself comes before all these.
    """
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")]
    return hops[-1 - proxies] if proxies and len(hops) > proxies else peer


EDGE_HEADER: Final = "x-geoflow-edge"
"""By it the distribution in front is known (infra/edge.yaml)."""


def believed(proxies: int, headers: Mapping[str, str], edge_secret: str) -> int:
    """How many of ``proxies`` to believe: none, if a request does not show the edge's secret.

    Who speaks to API Gateway itself could else write any address into ``X-Forwarded-For``.
    """
    shown = headers.get(EDGE_HEADER, "")
    if edge_secret and not compare_digest(shown.encode(), edge_secret.encode()):
        return 0
    return proxies
