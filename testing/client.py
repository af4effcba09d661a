"""Somebody who calls functions: arguments and results go through the wire and back."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import msgspec

from chalicelib.engine.auth import Caller
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.registration import (
    ActionFunction,
    Function,
    MutationFunction,
    QueryFunction,
)
from testing.watch import Watch

if TYPE_CHECKING:
    from testing.backend import TestBackend

P = ParamSpec("P")
R = TypeVar("R")

SITE: Final = "http://test.example"
"""Where the HTTP functions of a test are."""

ADDRESS: Final = "192.0.2.1"
"""Where the requests of a test come from. Source: RFC 5737, addresses for documentation."""

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Client:
    """Somebody who calls functions. What a function raises is raised here, as it is.

    Arguments are checked by the function that is passed, before the test runs and again when
    it runs; results are judged by its signature, so that they are what clients would get.
    """

    def __init__(self, backend: "TestBackend", caller: Caller) -> None:
        self._backend, self.caller = backend, caller

    def query(
        self, function: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a query."""
        result: R = self._run(function, args, kwargs)
        return result

    def mutation(
        self, function: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a mutation."""
        result: R = self._run(function, args, kwargs)
        return result

    def action(
        self, function: ActionFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run an action."""
        result: R = self._run(function, args, kwargs)
        return result

    def watch(
        self, function: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Watch[R]:
        """Subscribe to a query, over a socket of its own."""
        return Watch(self._backend, self.caller, function, _encoded(function, args, kwargs))

    def http(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        json: Any = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        source: str = ADDRESS,
    ) -> Response:
        """Send an HTTP request to the app; ``path`` may have a query, ``json`` is a body.

        ``source`` is the address that it comes from.
        """
        self._backend.clock.wait_ms(1)
        bare, _, query = path.partition("?")
        sent = {name.lower(): text for name, text in headers.items()}
        if json is not None:
            body = msgspec.json.encode(json)
            sent = {"content-type": "application/json", **sent}
        request = Request(
            method=method,
            path=bare,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=sent,
            body=body,
            url=SITE + path,
            source=source,
        )
        response = self._backend.engine.http(request, self.caller)
        self._backend.tell()
        return response

    def call(self, path: str, kind: Kind, /, **arguments: Any) -> Any:
        """Call a function as clients do: by path, with arguments and result as JSON."""
        return json.loads(self._value(path, kind, msgspec.json.encode(arguments)))

    def _run(
        self, function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        path = self._backend.engine.registry.path_of(function)
        raw = self._value(path, function.kind, _encoded(function, args, kwargs))
        return function.signature.decode_result(raw)

    def _value(self, path: str, kind: Kind, arguments: bytes) -> bytes:
        if kind != "query":
            # What is made in one microsecond has no order; calls of a client have one.
            self._backend.clock.wait_ms(1)
        outcome = self._backend.engine.call(Call(path, arguments, self.caller), kind)
        self._backend.tell()
        if outcome.failure is not None:
            raise outcome.failure.error or AssertionError(outcome.failure.reason)
        return outcome.value or b"null"


def _encoded(
    function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    return function.signature.encode_args(function.signature.bind(args, kwargs))
