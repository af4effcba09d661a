"""GeoFlow behind WSGI, for tools that test what its own description says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from chalicelib.engine.auth import Caller, Unverified
from chalicelib.engine.functions.http_messages import Request
from testing import TestBackend

TOKEN: Final = "a-token-that-holds"

PAUSE_MS: Final = 40_000
"""What passes between two requests: 90 an hour are fewer than anybody may send."""

_HEADER: Final = "HTTP_"


class WsgiApp:
    """One backend; whoever shows :data:`TOKEN` is alice."""

    def __init__(self, *apps: ModuleType) -> None:
        self._apps = apps
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything: what one test leaves behind is not for the next to find."""
        self._backend = TestBackend(*self._apps)
        self._alice = self._backend.as_user("alice").caller

    def __call__(
        self, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        self._backend.clock.wait_ms(PAUSE_MS)
        headers = {
            name.removeprefix(_HEADER).replace("_", "-").lower(): text
            for name, text in environ.items()
            if name.startswith(_HEADER) or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
        }
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
        query = environ.get("QUERY_STRING", "")
        request = Request(
            method=environ["REQUEST_METHOD"],
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            body=environ["wsgi.input"].read(),
            source="192.0.2.1",
        )
        response = self._backend.engine.http(request, self._caller(headers))
        self._backend.tell()
        start(
            f"{response.status} {HTTPStatus(response.status).phrase}",
            list(response.headers.items()),
        )
        return [response.body] if response.stream is None else response.stream

    def _caller(self, headers: dict[str, str]) -> Caller:
        match headers.get("authorization"):
            case None:
                return None
            case text if text == f"Bearer {TOKEN}":
                return self._alice
            case _:
                return Unverified("this token does not hold")
