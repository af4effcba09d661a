"""GeoFlow over HTTP: one envelope for all that is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.engine.errors import (
    AppError,
    ArgumentValidationError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.server import Response
from chalicelib.geoflow import executions, workflows
from chalicelib.geoflow.answers import failure
from testing import Client, TestBackend


class Clock:
    """A ctx of which nothing but the time is asked."""

    now = 1_705_314_600_900.0


def started(alice: Client) -> str:
    return alice.mutation(executions.start, alice.mutation(workflows.create, "LIDAR"))


def body(response: Response) -> Any:
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


class TestCancel:
    def test_ends_the_run(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        run = started(alice)

        response = alice.http("POST", f"/api/executions/{run}/cancel")

        assert response.status == 200
        assert body(response) == {
            "success": True,
            "data": None,
            "error": None,
            "timestamp": "2023-11-14T22:13:20Z",
        }
        found = alice.call("executions:get", "query", executionId=run)
        assert found["status"] == "cancelled"

    def test_of_what_has_finished_is_a_conflict(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        path = f"/api/executions/{started(alice)}/cancel"
        alice.http("POST", path)

        response = alice.http("POST", path)

        assert response.status == 409
        assert body(response) == {
            "success": False,
            "data": None,
            "error": {
                "code": "CONFLICT",
                "message": "an execution that is cancelled cannot become cancelled",
                "details": {"status": "cancelled", "wanted": "cancelled"},
            },
            "timestamp": "2023-11-14T22:13:20Z",
        }

    def test_needs_somebody(self, backend: TestBackend) -> None:
        run = started(backend.as_user("alice"))

        response = backend.nobody.http("POST", f"/api/executions/{run}/cancel")

        assert (response.status, body(response)["error"]["code"]) == (
            401,
            "AUTHENTICATION_ERROR",
        )

    def test_of_somebody_elses_run_finds_none(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        run = started(alice)

        response = backend.as_user("bob").http("POST", f"/api/executions/{run}/cancel")

        assert (response.status, body(response)["error"]["code"]) == (404, "NOT_FOUND")
        assert alice.call("executions:get", "query", executionId=run)["status"] == "queued"

    def test_of_no_id_names_the_parameter(self, backend: TestBackend) -> None:
        response = backend.as_user("alice").http("POST", "/api/executions/42/cancel")

        error = body(response)["error"]
        assert (response.status, error["code"]) == (400, "VALIDATION_ERROR")
        assert error["details"] == {"parameter": "executionId"}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValidationFailed("no"), 400, "VALIDATION_ERROR"),
        (ArgumentValidationError("no"), 400, "VALIDATION_ERROR"),
        (Unauthenticated("no"), 401, "AUTHENTICATION_ERROR"),
        (Forbidden("no"), 403, "AUTHORIZATION_ERROR"),
        (NotFound("no"), 404, "NOT_FOUND"),
        (Conflict("no"), 409, "CONFLICT"),
        (AppError("no"), 422, "PROCESSING_ERROR"),
        (RateLimited("no"), 429, "RATE_LIMITED"),
        (KeyError("secret"), 500, "INTERNAL_ERROR"),
    ],
)
def test_every_error_has_its_code_and_status(
    error: Exception, status: int, code: str
) -> None:
    ctx: Any = Clock()

    response = failure(ctx, error, "r-1")

    told = body(response)
    assert (response.status, told["error"]["code"]) == (status, code)
    assert told["timestamp"] == "2024-01-15T10:30:00Z"
    assert "secret" not in response.body.decode()


def test_a_bug_is_told_by_its_request_id_alone() -> None:
    ctx: Any = Clock()

    response = failure(ctx, KeyError("secret"), "r-1")

    assert body(response)["error"]["details"] == {"requestId": "r-1"}
