"""HTTP functions: which function answers which method and path.

``http = Http()`` in an app's ``http.py``, and ``@http.post("/runs/{run_id}/cancel")`` over a
function of ``(ctx, request, run_id)``, whose path parameters are converted by their hints.
"""

import functools
import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Concatenate, Final, Literal, TypeAlias, TypeVar

import msgspec
from typing_extensions import override

from chalicelib.engine.auth import Identity
from chalicelib.engine.errors import (
    InvalidFunction,
    InvalidHint,
    TypeMismatch,
    ValidationFailed,
)
from chalicelib.engine.functions.context import ActionCtx
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_paths import PathTemplate
from chalicelib.engine.rates import Rate
from chalicelib.engine.values.types import Node, Role, TableOf, TypeCodec
from chalicelib.engine.values.types.tree import (
    Boolean,
    IdOf,
    Literals,
    Number,
    String,
    UnionOf,
)

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HttpFunction: TypeAlias = Callable[Concatenate[ActionCtx, Request, ...], Response]
PathFunction: TypeAlias = Callable[[ActionCtx, Request, Mapping[str, str]], Response]
F = TypeVar("F", bound=HttpFunction)

OnError: TypeAlias = Callable[[ActionCtx, Exception, str], Response | None]
"""Answers an error, named by a request id in the logs; None leaves it to the engine."""

Authenticate: TypeAlias = Callable[[ActionCtx, Request], Identity | None]
"""Tells who calls by something else than a token; None leaves it to that."""


class Rates(msgspec.Struct, frozen=True):
    """How often one caller may ask: a user that is ``known``, or an address that is not."""

    known: Rate
    unknown: Rate


class Manners(msgspec.Struct, frozen=True):
    """What holds for all HTTP functions of an app: see :class:`Http`."""

    on_error: OnError | None = None
    authenticate: Authenticate | None = None
    rates: Rates | None = None


class Route:
    """One HTTP function, and the requests that it answers."""

    def __init__(
        self,
        method: Method,
        template: PathTemplate,
        function: HttpFunction | PathFunction,
        manners: Manners,
        *,
        streamed: bool = False,
    ) -> None:
        self.method, self.template = method, template
        self.function, self.manners = function, manners
        self.streamed = streamed

    @property
    def name(self) -> str:
        """What it is called in logs."""
        return f"{self.method} {self.template.text}"

    def convert(self, parameters: Mapping[str, str], table_of: TableOf) -> dict[str, Any]:
        """Turn the texts in a path into what the function's hints say.

        Raises:
            ValidationFailed: one of them is not of its type.
        """
        found: dict[str, Any] = {}
        for name, codec in self._codecs.items():
            text = parameters[name]
            try:
                found[name] = codec.convert(value_in(codec.tree, text), table_of)
            except TypeMismatch as wrong:
                raise ValidationFailed(
                    f"{name} in the path is not of its type: {wrong}", parameter=name
                ) from None
        return found

    def build(self) -> None:
        """Build what is built on first use.

        Raises:
            InvalidFunction: a hint is none that a path can hold.
        """
        _ = self._codecs

    @functools.cached_property
    def _codecs(self) -> dict[str, TypeCodec]:
        try:
            hints = typing.get_type_hints(self.function, include_extras=True)
            names = self.template.names
            codecs = {name: TypeCodec(hints[name], Role.ARGUMENT) for name in names}
        except (NameError, KeyError, InvalidHint) as wrong:
            raise InvalidFunction(
                f"{self.name}: write the types of its parameters, and import their names at"
                f" run time: {wrong}"
            ) from None
        for name, codec in codecs.items():
            if not isinstance(codec.tree, String | IdOf | Number | Boolean | Literals):
                raise InvalidFunction(
                    f"{self.name}: {name} stands in the path: make it str, int, float, bool,"
                    " a Literal or an Id"
                )
        return codecs


class MountedRoute(Route):
    """One whose function takes what stands in the path as a mapping of texts, ``path``."""

    @override
    def convert(self, parameters: Mapping[str, str], table_of: TableOf) -> dict[str, Any]:
        """Leave the texts to the function."""
        return {"path": parameters}

    @override
    def build(self) -> None:
        """Build nothing."""


class Http:
    """The HTTP functions of one app.

    ``on_error`` turns errors into the app's own form of answer; without it an application's
    error is a 500 like any other. ``authenticate`` is asked first who calls; what it raises
    is the answer. ``rates`` bounds how often one caller may ask: each answer tells in headers
    how much of that is left, and what is too much is answered by a ``RateLimited``, or by 429.
    """

    def __init__(
        self,
        *,
        on_error: OnError | None = None,
        authenticate: Authenticate | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._manners = Manners(on_error, authenticate, rates)
        self.routes: Final[list[Route]] = []

    def route(
        self, method: Method, path: str, *, streamed: bool = False
    ) -> Callable[[F], F]:
        """Make the function below answer ``method`` on ``path``; HEAD is a GET, too.

        ``streamed`` lets bodies of any size come and go, in pieces, where the server can
        stream: read ``request.chunks``, and answer with a ``stream``.

        Raises:
            InvalidFunction: the path and the function's parameters do not agree.
        """
        template = PathTemplate.parse(path)

        def add(function: F) -> F:
            _check_parameters(function, template)
            route = Route(method, template, function, self._manners, streamed=streamed)
            self.routes.append(route)
            return function

        return add

    def mount(self, method: Method, path: str, function: PathFunction) -> None:
        """Make ``function`` answer; it takes what stands in the path as texts by name.

        Raises:
            InvalidFunction: the path is none.
        """
        template = PathTemplate.parse(path)
        self.routes.append(MountedRoute(method, template, function, self._manners))

    def methods_at(self, path: str) -> list[Method]:
        """Return the methods by which a path answers, sorted.

        They are those of the most special template that matches, whatever its methods, since
        that says what there is; templates with ``{name:path}`` say nothing of that.
        """
        parts = path.split("/")
        matching = [
            route
            for route in self.routes
            if len(route.template.segments) == len(parts)
            and route.template.is_of_one_length
            and route.template.match(parts) is not None
        ]
        best = min((route.template.rank for route in matching), default=())
        return sorted(route.method for route in matching if route.template.rank == best)

    def get(self, path: str, *, streamed: bool = False) -> Callable[[F], F]:
        """Answer GET, and HEAD."""
        return self.route("GET", path, streamed=streamed)

    def post(self, path: str, *, streamed: bool = False) -> Callable[[F], F]:
        """Answer POST."""
        return self.route("POST", path, streamed=streamed)

    def put(self, path: str) -> Callable[[F], F]:
        """Answer PUT."""
        return self.route("PUT", path)

    def patch(self, path: str) -> Callable[[F], F]:
        """Answer PATCH."""
        return self.route("PATCH", path)

    def delete(self, path: str) -> Callable[[F], F]:
        """Answer DELETE."""
        return self.route("DELETE", path)

    def options(self, path: str) -> Callable[[F], F]:
        """Answer OPTIONS."""
        return self.route("OPTIONS", path)


class Match(msgspec.Struct, frozen=True):
    """The route of a request, and the texts in its path."""

    route: Route
    parameters: Mapping[str, str]


class Router:
    """All HTTP functions that are served; of several that match, the most special answers.

    Raises:
        InvalidFunction: two answer the same requests.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[str, list[Route]] = {}
        shapes: dict[Any, Route] = {}
        for route in sorted(routes, key=lambda route: route.template.rank):
            other = shapes.setdefault((route.method, route.template.shape), route)
            if other is not route:
                raise InvalidFunction(
                    f"{route.name} is both {_where(other.function)} and"
                    f" {_where(route.function)}"
                )
            self._routes.setdefault(route.method, []).append(route)
        self._streamed: Final = [route for route in self.routes if route.streamed]

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, the more special ones of a method first."""
        return tuple(route for routes in self._routes.values() for route in routes)

    def streams(self, method: str, path: str) -> bool:
        """Tell whether a request is answered by a route whose bodies come in pieces.

        Asked of every request: those that are few are looked at first.
        """
        parts = path.split("/")
        if not any(route.template.match(parts) is not None for route in self._streamed):
            return False
        found = self.find(method, path)
        return found is not None and found.route.streamed

    def find(self, method: str, path: str) -> Match | None:
        """Return what answers a request, if anything does."""
        parts = path.split("/")
        for route in self._routes.get("GET" if method == "HEAD" else method, ()):
            parameters = route.template.match(parts)
            if parameters is not None:
                return Match(route, parameters)
        return None


_INTEGER: Final = re.compile(r"-?[0-9]{1,16}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
"""As JSON writes numbers (RFC 8259, section 6), but for zeros in front, which do no harm."""


def value_in(node: Node, text: str) -> Any:
    """Read a text as ``node`` wants it; what cannot be stays text, which the judge refuses."""
    match node:
        case UnionOf(members):
            read = (value_in(member, text) for member in members)
            return next((value for value in read if value != text), text)
        case Number() if _INTEGER.fullmatch(text):
            return int(text)
        case Number() if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case Boolean():
            return {"true": True, "false": False}.get(text, text)
        case Literals(values):
            return {_written(value): value for value in values}.get(text, text)
        case _:
            return text


def _written(literal: Any) -> str:
    return literal if isinstance(literal, str) else msgspec.json.encode(literal).decode()


def _check_parameters(function: HttpFunction, template: PathTemplate) -> None:
    context, named = 2, template.names
    taken = list(inspect.signature(function).parameters.values())
    if len(taken) < context or {each.name for each in taken[context:]} != set(named):
        raise InvalidFunction(
            f"{_where(function)} takes ctx, request, and what stands in the path"
            f" {template.text!r}: {', '.join(named) or 'nothing else'}"
        )


def _where(function: HttpFunction | PathFunction) -> str:
    return f"{function.__module__}.{function.__qualname__}"
