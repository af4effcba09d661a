"""The REST view: what it answers, and how it refuses what it does not."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from chalicelib.engine.auth import Unverified
from chalicelib.engine.errors import AppError, StorageUnavailable
from chalicelib.engine.functions.http_messages import Response
from chalicelib.geoflow import executions, users, workflows
from chalicelib.geoflow.answers import ENGINE, STATUS, failure
from chalicelib.geoflow.limits import MAX_ANSWER_BYTES, MAX_BODY_BYTES
from chalicelib.geoflow.rest import OPERATIONS
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes

DRAWN = {
    "name": "LIDAR → GeoTIFF",
    "description": "Points to pixels",
    "tags": ["lidar"],
    "nodes": [
        {"id": "a", "type": "read", "position": {"x": 1, "y": 2}, "config": {"n": 1}},
        {"id": "b", "type": "write", "position": {"x": 3.5, "y": 4}},
    ],
    "edges": [{"source": "a", "target": "b"}],
}
JSON = {"Content-Type": "application/json"}


def data(response: Response) -> Any:
    body = json.loads(response.body)
    assert body["success"] is True, body
    assert (body["error"], set(body)) == (None, {"success", "data", "error", "timestamp"})
    return body["data"]


def refusal(response: Response) -> tuple[int, str]:
    body = json.loads(response.body)
    assert (body["success"], body["data"]) == (False, None)
    assert set(body["error"]) == {"code", "message", "details"}
    assert "X-RateLimit-Remaining" in response.headers
    return response.status, body["error"]["code"]


@pytest.fixture
def alice(backend: TestBackend) -> Client:
    return backend.as_user("alice")


class TestWorkflows:
    def test_are_made_read_changed_and_removed(self, alice: Client) -> None:
        made = alice.http("POST", "/api/workflows", json=DRAWN)
        path = f"/api/workflows/{data(made)}"

        read = data(alice.http("GET", path))
        changed = alice.http("PATCH", path, json={"description": None, "tags": []})
        again = data(alice.http("GET", path))
        removed = alice.http("DELETE", path)

        assert made.status == 201
        assert (read["name"], read["nodes"][0]["config"]) == (DRAWN["name"], {"n": 1})
        assert (changed.status, removed.status) == (200, 200)
        assert (again["description"], again["tags"], again["name"]) == (
            None,
            [],
            DRAWN["name"],
        )
        assert refusal(alice.http("GET", path)) == (404, "NOT_FOUND")

    def test_are_listed_page_by_page(self, alice: Client) -> None:
        for number in range(5):
            alice.mutation(workflows.create, f"w{number}")

        seen, path, pages = [], "/api/workflows?limit=2", 0
        while True:
            page = data(alice.http("GET", path))
            seen += [item["name"] for item in page["items"]]
            pages += 1
            if page["nextCursor"] is None:
                break
            path = f"/api/workflows?limit=2&cursor={page['nextCursor']}"

        assert seen == ["w4", "w3", "w2", "w1", "w0"]
        assert pages in {3, 4}

    def test_are_searched(self, alice: Client) -> None:
        for name in ("LIDAR", "Ortho"):
            alice.mutation(workflows.create, name)

        page = data(alice.http("GET", "/api/workflows/search?text=lid"))

        assert [item["name"] for item in page["items"]] == ["LIDAR"]

    def test_are_run_and_their_runs_cancelled_once(self, alice: Client) -> None:
        workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"))

        started = alice.http(
            "POST", f"/api/workflows/{workflow}/executions", json={"inputs": {"a": [1]}}
        )
        run = f"/api/executions/{data(started)}"
        cancelled = [alice.http("POST", f"{run}/cancel").status for _ in range(2)]

        assert (started.status, cancelled) == (201, [200, 409])
        assert data(alice.http("GET", run))["status"] == "cancelled"

    def test_keep_their_versions_by_number(self, alice: Client) -> None:
        path = f"/api/workflows/{data(alice.http('POST', '/api/workflows', json=DRAWN))}"
        alice.http("POST", f"{path}/versions", json={})

        found = data(alice.http("GET", f"{path}/versions/1"))
        missing = alice.http("GET", f"{path}/versions/7")
        wrong = alice.http("GET", f"{path}/versions/one")

        assert (found["version"], len(found["nodes"])) == (1, 2)
        assert refusal(missing) == (404, "NOT_FOUND")
        assert refusal(wrong) == (400, "VALIDATION_ERROR")


class TestExport:
    def test_gives_a_document_that_import_takes(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow = data(alice.http("POST", "/api/workflows", json=DRAWN))
        exported = alice.http("GET", f"/api/workflows/{workflow}/export")

        bob = backend.as_user("bob")
        imported = bob.http("POST", "/api/workflows/import", exported.body, headers=JSON)

        copy = data(bob.http("GET", f"/api/workflows/{data(imported)}"))
        assert imported.status == 201
        original = data(alice.http("GET", f"/api/workflows/{workflow}"))
        assert {k: copy[k] for k in DRAWN} == {k: original[k] for k in DRAWN}
        assert (copy["status"], copy["version"]) == ("draft", 1)

    def test_names_its_format_and_nothing_of_this_deployment(self, alice: Client) -> None:
        workflow = data(alice.http("POST", "/api/workflows", json=DRAWN))

        document = json.loads(alice.http("GET", f"/api/workflows/{workflow}/export").body)

        assert (document["format"], document["formatVersion"]) == ("geoflow.workflow", 1)
        assert set(document) == {"format", "formatVersion", "workflow"}
        assert set(document["workflow"]) == set(DRAWN)

    @pytest.mark.parametrize("name", ["LIDAR → TIFF", 'a"b\r\nX: y', "../../etc", "%00;"])
    def test_is_an_attachment_whatever_the_name(self, alice: Client, name: str) -> None:
        workflow = alice.mutation(workflows.create, name)

        told = alice.http("GET", f"/api/workflows/{workflow}/export").headers[
            "Content-Disposition"
        ]

        plain, _, encoded = told.partition("; filename*=UTF-8''")
        assert plain == 'attachment; filename="workflow.geoflow.json"'
        assert unquote(encoded) == f"{name}.geoflow.json"
        assert not set(encoded) & set('";/\\ \r\n')

    def test_of_somebody_elses_workflow_finds_none(
        self, backend: TestBackend, alice: Client
    ) -> None:
        path = f"/api/workflows/{alice.mutation(workflows.create, 'LIDAR')}/export"

        assert refusal(backend.as_user("bob").http("GET", path)) == (404, "NOT_FOUND")
        assert refusal(backend.nobody.http("GET", path)) == (401, "AUTHENTICATION_ERROR")

    @pytest.mark.parametrize(
        "change",
        [
            {"format": "other"},
            {"formatVersion": 2},
            {"workflow": {"name": ""}},
            {"workflow": {"name": "x", "owner": "me"}},
            {"workflow": {"name": "x", "edges": [{"source": "a", "target": "b"}]}},
            {"more": 1},
        ],
    )
    def test_is_all_that_import_takes(self, alice: Client, change: dict[str, Any]) -> None:
        document = {
            "format": "geoflow.workflow",
            "formatVersion": 1,
            "workflow": {"name": "x"},
        }

        response = alice.http("POST", "/api/workflows/import", json={**document, **change})

        assert refusal(response) == (400, "VALIDATION_ERROR")
        assert alice.query(workflows.list_) == []


class TestWhoeverIsNotKnown:
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
    def test_is_refused_by_every_operation(
        self, backend: TestBackend, operation: Any
    ) -> None:
        id_ = backend.as_user("alice").mutation(users.ensure)
        path = operation.endpoint.template.text
        for name in operation.endpoint.template.names:
            path = path.replace(f"{{{name}}}", id_)
        method = operation.endpoint.method

        nobody = backend.nobody.http(method, path)
        wrong_token = Client(backend, Unverified("expired")).http(method, path)
        wrong_key = backend.nobody.http(method, path, headers={"X-API-Key": "gf_x"})

        assert {refusal(each) for each in (nobody, wrong_token, wrong_key)} == {
            (401, "AUTHENTICATION_ERROR")
        }

    def test_may_read_the_description(self, backend: TestBackend) -> None:
        response = backend.nobody.http("GET", "/api/openapi.json")

        assert json.loads(response.body)["openapi"] == "3.1.0"

    def test_has_a_hundred_requests_an_hour(self, backend: TestBackend) -> None:
        answers = [backend.nobody.http("GET", "/api/openapi.json") for _ in range(101)]

        assert [answer.status for answer in answers] == [200] * 100 + [429]
        assert refusal(answers[-1]) == (429, "RATE_LIMITED")
        assert int(answers[-1].headers["Retry-After"]) == 3600
        assert json.loads(answers[-1].body)["error"]["details"] == {
            "limit": 100,
            "retryAfter": 3600,
        }


class TestABadRequest:
    @pytest.mark.parametrize(
        ("body", "kind", "expected"),
        [
            (b"{", "application/json", (400, "VALIDATION_ERROR")),
            (b"\xff", "application/json", (400, "VALIDATION_ERROR")),
            (b"[]", "application/json", (400, "VALIDATION_ERROR")),
            (b"null", "application/json; charset=utf-8", (400, "VALIDATION_ERROR")),
            (b"", "application/json", (400, "VALIDATION_ERROR")),
            (b"{}", "application/json", (400, "VALIDATION_ERROR")),
            (b'{"name": 1}', "application/json", (400, "VALIDATION_ERROR")),
            (
                b'{"name": 1%s}' % (b"0" * 400),
                "application/json",
                (400, "VALIDATION_ERROR"),
            ),
            (
                b'{"name":"x","nodes":[{"id":"a","type":"t","position":{"x":-1%s,"y":0}}]}'
                % (b"0" * 400),
                "application/json",
                (400, "VALIDATION_ERROR"),
            ),
            (b'{"name": "x", "more": 1}', "application/json", (400, "VALIDATION_ERROR")),
            (
                b'{"name": "' + b"x" * 201 + b'"}',
                "Application/JSON",
                (400, "VALIDATION_ERROR"),
            ),
            (b'{"name": "x"}', "text/plain", (415, "VALIDATION_ERROR")),
            (b'{"name": "x"}', "", (415, "VALIDATION_ERROR")),
            (b"name=x", "application/x-www-form-urlencoded", (415, "VALIDATION_ERROR")),
            (b" " * (MAX_BODY_BYTES + 1), "application/json", (413, "VALIDATION_ERROR")),
            (b"[" * 100_000, "application/json", (400, "VALIDATION_ERROR")),
            (b'{"name": "x", "name": 1}', "application/json", (400, "VALIDATION_ERROR")),
            (
                b'{"name":"x","nodes":[{"id":"a","type":"t","position":{"x":0,"y":0},"config":{"$x":1}}]}',
                "application/json",
                (400, "VALIDATION_ERROR"),
            ),
        ],
    )
    def test_body_is_refused(
        self, alice: Client, body: bytes, kind: str, expected: tuple[int, str]
    ) -> None:
        response = alice.http(
            "POST", "/api/workflows", body, headers={"Content-Type": kind}
        )

        assert refusal(response) == expected
        assert alice.query(workflows.list_) == []

    @pytest.mark.parametrize(
        "path",
        [
            "/api/workflows?limit=0",
            "/api/workflows?limit=101",
            "/api/workflows?limit=1.5",
            "/api/workflows?limit=",
            "/api/workflows?cursor=nonsense",
            "/api/workflows?cursor=",
            "/api/workflows?more=1",
            "/api/workflows?paginationOpts=1",
            "/api/workflows/search",
            "/api/workflows/42",
            "/api/workflows/%00",
            "/api/workflows/" + "0" * 31,
        ],
    )
    def test_path_or_query_is_refused(self, alice: Client, path: str) -> None:
        alice.mutation(users.ensure)

        assert refusal(alice.http("GET", path)) == (400, "VALIDATION_ERROR")

    def test_id_of_another_table_is_refused(self, alice: Client) -> None:
        me = alice.mutation(users.ensure)

        response = alice.http("GET", f"/api/workflows/{me}")

        assert refusal(response) == (400, "VALIDATION_ERROR")

    def test_argument_is_not_in_the_path_and_in_the_body(self, alice: Client) -> None:
        workflow = alice.mutation(workflows.create, "LIDAR")

        response = alice.http(
            "PATCH", f"/api/workflows/{workflow}", json={"workflowId": workflow}
        )

        assert refusal(response) == (400, "VALIDATION_ERROR")

    def test_delete_takes_no_body(self, alice: Client) -> None:
        workflow = alice.mutation(workflows.create, "LIDAR")

        response = alice.http("DELETE", f"/api/workflows/{workflow}", json={"a": 1})

        assert refusal(response) == (400, "VALIDATION_ERROR")
        assert len(alice.query(workflows.list_)) == 1


class TestAPath:
    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", "/api/workflows", "GET, HEAD, OPTIONS, POST"),
            ("DELETE", "/api/users/me", "GET, HEAD, OPTIONS, PATCH, POST"),
            # A literal says what there is, though a template has the method, too.
            ("PATCH", "/api/workflows/import", "OPTIONS, POST"),
            ("POST", "/api/openapi.json", "GET, HEAD, OPTIONS"),
        ],
    )
    def test_answers_other_methods_by_those_that_it_has(
        self, alice: Client, method: str, path: str, allowed: str
    ) -> None:
        response = alice.http(method, path)

        assert refusal(response) == (405, "VALIDATION_ERROR")
        assert response.headers["Allow"] == allowed

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize(
        "path", ["/api/", "/api/nope", "/api/workflows/", "/api/a/b/c"]
    )
    def test_that_is_not_there_is_answered_in_the_envelope(
        self, alice: Client, method: str, path: str
    ) -> None:
        assert refusal(alice.http(method, path)) == (404, "NOT_FOUND")

    def test_answers_head_as_get_without_the_body(self, alice: Client) -> None:
        response = alice.http("HEAD", "/api/workflows")

        assert (response.status, response.body) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0


class TestAPage:
    def test_of_another_origin_may_ask_and_read(self, backend: TestBackend) -> None:
        asked = {"Origin": "https://app.example", "Access-Control-Request-Headers": "x-a"}

        preflight = backend.nobody.http("OPTIONS", "/api/workflows", headers=asked)
        answer = backend.nobody.http("GET", "/api/workflows", headers=asked)

        assert (preflight.status, preflight.body) == (204, b"")
        assert (
            preflight.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS, POST"
        )
        assert preflight.headers["Access-Control-Allow-Headers"] == "x-a"
        for response in (preflight, answer):
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]

    def test_is_not_counted_for_asking_whether_it_may(self, backend: TestBackend) -> None:
        for _ in range(150):
            backend.nobody.http("OPTIONS", "/api/workflows")

        answer = backend.nobody.http("GET", "/api/openapi.json")

        assert answer.headers["X-RateLimit-Remaining"] == "99"


class TestAnError:
    def test_that_passes_is_503_and_says_what_is_known(
        self, backend: TestBackend, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: Any, **__: Any) -> Any:
            raise StorageUnavailable("table geoflow-prod-log: throttled")

        monkeypatch.setattr(backend._persistence, "append", fails)
        response = alice.http("POST", "/api/workflows", json={"name": "x"})

        assert refusal(response) == (503, "INTERNAL_ERROR")
        assert response.headers["Retry-After"] == "1"
        assert b"geoflow-prod" not in response.body

    def test_of_the_rate_limiter_is_503_too(
        self, backend: TestBackend, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: Any, **__: Any) -> Any:
            raise StorageUnavailable("table geoflow-prod-rates: throttled")

        monkeypatch.setattr(backend.rates, "take", fails)
        response = alice.http("GET", "/api/workflows")

        assert (response.status, json.loads(response.body)["error"]["code"]) == (
            503,
            "INTERNAL_ERROR",
        )
        assert b"geoflow-prod" not in response.body

    def test_has_a_code_of_the_documented_table(self) -> None:
        assert {code for _, code in ENGINE.values()} <= set(STATUS)

    def test_without_a_code_of_the_table_is_a_processing_error(self) -> None:
        class Odd(AppError):
            code = "ODD"

        ctx: Any = type("Ctx", (), {"now": 0.0})()

        assert failure(ctx, Odd("no"), "r").status == 422


def test_an_execution_that_is_one_too_many_is_rate_limited(alice: Client) -> None:
    workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
    for _ in range(10):
        alice.mutation(executions.start, workflow)

    response = alice.http("POST", f"/api/workflows/{workflow}/executions")

    assert refusal(response) == (429, "RATE_LIMITED")
    assert response.headers["Retry-After"] == "60"


def test_a_page_of_large_documents_fits_into_an_answer_on_aws(alice: Client) -> None:
    config = {"points": "x" * 700_000}
    drawn = [{"id": "a", "type": "t", "position": {"x": 0, "y": 0}, "config": config}]
    made = [
        data(alice.http("POST", "/api/workflows", json={"name": str(n), "nodes": drawn}))
        for n in range(9)
    ]

    seen, sizes, path = [], [], "/api/workflows?limit=100"
    while path:
        response = alice.http("GET", path)
        page = data(response)
        seen += [item["_id"] for item in page["items"]]
        sizes.append(len(response.body))
        following = page["nextCursor"]
        path = f"/api/workflows?limit=100&cursor={following}" if following else ""

    assert seen == made[::-1]
    assert max(sizes) <= MAX_ANSWER_BYTES
    assert len(sizes) < 5
