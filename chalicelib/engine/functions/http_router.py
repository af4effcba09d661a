"""HTTP functions: which function answers which method and path.

``http = Http()`` in an app's ``http.py``, and ``@http.post("/runs/{run_id}/cancel")`` over a
function of ``(ctx, request, run_id)``, whose path parameters are converted by their hints.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from chalicelib.engine.errors import InvalidFunction
from chalicelib.engine.functions.http_paths import PathTemplate
from chalicelib.engine.functions.http_route import (
    Authenticate,
    HttpFunction,
    Manners,
    Method,
    MountedRoute,
    OnError,
    PathFunction,
    Rates,
    Route,
)

F = TypeVar("F", bound=HttpFunction)


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
