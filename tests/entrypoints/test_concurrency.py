"""Chalice under threads."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.entrypoints.concurrency import ThreadSafeChalice

THREADS = 8
CALLS = 300


def make_app() -> Any:
    app = ThreadSafeChalice("threads", configure_logs=False)

    @app.route("/echo/{name}")
    def answer(name: str) -> list[Any]:
        # Long enough for other threads to come in between.
        for _ in range(20):
            threading.Event().wait(0)
        request = app.current_request
        return [name, request.uri_params["name"], app.lambda_context]

    return app


def rest_event(name: str) -> dict[str, Any]:
    return {
        "headers": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"name": name},
        "requestContext": {"httpMethod": "GET", "resourcePath": "/echo/{name}"},
        "body": None,
        "stageVariables": None,
    }


def mixed_up(app: Any) -> int:
    """Call the app from many threads; return how many calls saw another one's request."""

    def call(number: int) -> bool:
        name = str(number)
        seen = json.loads(app(rest_event(name), name)["body"])
        return bool(seen != [name, name, name])

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(call, range(THREADS * CALLS)))


class TestCurrentRequest:
    def test_belongs_to_the_thread(self) -> None:
        assert mixed_up(make_app()) == 0

    @pytest.mark.parametrize(("kind", "apart"), [(ThreadSafeChalice, 2), (Chalice, 1)])
    def test_of_two_calls_in_the_same_view_is_told_apart(
        self, kind: type[Chalice], apart: int
    ) -> None:
        """A plain app shows both calls the request that came last."""
        app: Any = kind("threads", configure_logs=False)
        together = threading.Barrier(2, timeout=10)

        @app.route("/echo/{name}")  # type: ignore[untyped-decorator]
        def answer(name: str) -> Any:
            together.wait()
            return app.current_request.uri_params["name"]

        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda name: app(rest_event(name), None)["body"], "ab")

        assert len(set(answers)) == apart

    def test_is_none_where_there_is_no_request(self) -> None:
        app = make_app()
        app(rest_event("x"), None)
        seen: list[Any] = []

        other = threading.Thread(target=lambda: seen.append(app.current_request))
        other.start()
        other.join()

        assert seen == [None]
        assert app.current_request.uri_params == {"name": "x"}


class TestMiddleware:
    def test_is_applied_to_first_calls_that_come_together(self) -> None:
        for _ in range(50):
            app = ThreadSafeChalice("threads", configure_logs=False)
            passed: list[Any] = []
            together = threading.Barrier(4, timeout=10)

            @app.middleware("pure_lambda")
            def note(event: Any, get_response: Any, passed: Any = passed) -> Any:
                passed.append(event)
                return get_response(event)

            @app.lambda_function()
            def handler(event: Any, context: Any) -> Any:
                return event

            def call(number: int, handler: Any = handler, together: Any = together) -> Any:
                together.wait()
                return handler({"n": number}, None)

            with ThreadPoolExecutor(4) as pool:
                assert sorted(one["n"] for one in pool.map(call, range(4))) == [0, 1, 2, 3]
            assert len(passed) == 4

    def test_registered_after_the_handler_is_applied(self) -> None:
        app = ThreadSafeChalice("threads", configure_logs=False)

        @app.lambda_function()
        def handler(event: Any, context: Any) -> Any:
            return event

        @app.middleware("all")
        def answer(event: Any, get_response: Any) -> Any:
            return "from the middleware"

        assert handler({}, None) == "from the middleware"
