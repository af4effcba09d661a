"""HTTP functions: which one answers, with what, and what is answered when it fails."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.engine.errors import InvalidFunction, NotFound, ValidationFailed
from chalicelib.engine.functions.http_paths import PathTemplate
from chalicelib.engine.functions.http_route import Method, value_in
from chalicelib.engine.functions.http_router import Router
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.limits import MAX_HTTP_ACTION_BODY_BYTES
from chalicelib.engine.schema import Int64
from chalicelib.engine.server import ActionCtx, AppError, Http, Id, Request, Response
from chalicelib.engine.values.types import type_of
from tests.apps.pages import notes
from tests.apps.pages.schema import Note
from tests.backend import TestBackend

UNROUTED = b"No HttpAction routed for "


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend("tests.apps.pages")


def answer(backend: TestBackend, path: str, method: str = "GET") -> Any:
    response = backend.nobody.http(method, path)
    assert response.status == 200
    return json.loads(response.body)


class TestRouting:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/notes/latest", b"latest"),
            ("/files/", b"files:"),
            ("/files/a.tif", b"files:a.tif"),
            ("/files/a/b%2Fc/d%20e", b"files:a/b/c/d e"),
            ("/files/images", b"files:images"),
            ("/files/images/", b"images:"),
            ("/files/images/a/", b"images:a/"),
            ("/files/%69mages/a", b"images:a"),
        ],
    )
    def test_the_most_special_path_answers(
        self, backend: TestBackend, path: str, body: bytes
    ) -> None:
        assert backend.nobody.http("GET", path).body == body

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/"),
            ("GET", "/notes"),
            ("GET", "/notes/"),
            ("GET", "/files"),
            ("GET", "/notes/latest/"),
            ("GET", "/Notes/latest"),
            ("POST", "/notes/latest"),
            ("TRACE", "/notes"),
            ("HEAD", "/notes"),
        ],
    )
    def test_what_nothing_answers_is_told_so(
        self, backend: TestBackend, method: str, path: str
    ) -> None:
        response = backend.nobody.http(method, path)

        assert (response.status, response.body) == (404, UNROUTED + path.encode())
        assert response.headers["Content-Type"].startswith("text/plain")

    def test_head_is_get_without_the_body(self, backend: TestBackend) -> None:
        asked, read = (backend.nobody.http(m, "/notes/latest") for m in ("HEAD", "GET"))

        assert (asked.status, asked.body) == (200, b"")
        assert asked.headers == {**read.headers, "Content-Length": str(len(read.body))}

    def test_options_are_the_apps_own(self, backend: TestBackend) -> None:
        response = backend.nobody.http("OPTIONS", "/notes")

        assert (response.status, dict(response.headers)) == (
            204,
            {"Access-Control-Allow-Origin": "*"},
        )


class TestParameters:
    def test_are_converted_by_their_hints(self, backend: TestBackend) -> None:
        assert answer(backend, "/typed/-12/0.5/true/b/a%20%C3%A9%2F") == [
            -12,
            0.5,
            True,
            "b",
            "a é/",
        ]
        assert answer(backend, "/typed/0/7/false/3/5")[1:] == [7.0, False, 3, "5"]
        assert answer(backend, "/typed/2e3/-1.5E+2/false/3/5")[:2] == [2000, -150.0]

    @pytest.mark.parametrize(
        "path",
        [
            "/typed/1.5/0/true/a/x",
            "/typed/1_0/0/true/a/x",
            "/typed/%D9%A3/0/true/a/x",
            "/typed/9007199254740994/0/true/a/x",
            "/typed/1/inf/true/a/x",
            "/typed/1/1e999/true/a/x",
            "/typed/1/0/True/a/x",
            "/typed/1/0/true/c/x",
            "/typed/1/0/true/a/",
            "/notes/garbage",
        ],
    )
    def test_that_are_not_of_their_type_lead_nowhere(
        self, backend: TestBackend, path: str
    ) -> None:
        response = backend.nobody.http("GET", path)

        assert response.status == 404
        assert response.body.startswith(UNROUTED)
        assert backend.errors == []

    def test_that_name_a_document_are_its_id(self, backend: TestBackend) -> None:
        note = backend.nobody.mutation(notes.add, "hello")

        shown = answer(backend, f"/notes/{note}")

        assert (shown["_id"], shown["text"]) == (note, "hello")


class TestRequests:
    def test_bring_query_headers_body_and_caller(self, backend: TestBackend) -> None:
        response = backend.as_user("alice").http(
            "PUT", "/echo?a=1", "é".encode(), headers={"x-mark": "m"}
        )

        assert json.loads(response.body) == {
            "query": {"a": "1"},
            "mark": "m",
            "text": "é",
            "caller": "alice",
        }

    def test_write_and_read_through_functions(self, backend: TestBackend) -> None:
        made = backend.nobody.http("POST", "/notes", b'{"text": "hi"}')
        note: Id[Note] = json.loads(made.body)["id"]
        removed = backend.nobody.http("DELETE", f"/notes/{note}")

        assert (made.status, made.headers["Location"]) == (201, f"/n/{note}")
        assert (removed.status, removed.body) == (204, b"")
        with pytest.raises(NotFound):
            backend.nobody.query(notes.get, note)

    def test_larger_than_the_limit_are_refused(self, backend: TestBackend) -> None:
        fits = b"x" * MAX_HTTP_ACTION_BODY_BYTES

        assert backend.nobody.http("PUT", "/echo", fits).status == 200
        assert backend.nobody.http("PUT", "/echo", fits + b"x").status == 413

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
    def test_that_are_no_json_say_so(self, body: bytes) -> None:
        request = Request(method="POST", path="/", body=body)

        with pytest.raises(ValidationFailed, match="must be JSON"):
            request.json()

    def test_that_are_no_text_say_so(self) -> None:
        with pytest.raises(ValidationFailed, match="UTF-8"):
            Request(method="POST", path="/", body=b"\xff").text()


class TestFailures:
    def test_of_the_application_carry_their_data(self, backend: TestBackend) -> None:
        response = backend.nobody.http("GET", "/refuse")

        body = json.loads(response.body)
        assert response.status == 500
        assert body["data"] == {
            "code": "CONFLICT",
            "message": "not today",
            "details": {"stands": 3},
        }

    def test_nobody_caught_are_named_without_a_stack(self, backend: TestBackend) -> None:
        response = backend.nobody.http("GET", "/break")

        body = json.loads(response.body)
        assert (response.status, response.headers["Content-Type"]) == (
            500,
            "application/json",
        )
        assert body["code"].startswith("[Request ID: ")
        assert body["code"].endswith("] Server Error: Uncaught KeyError: 'secret'")
        assert body["trace"] == "Uncaught KeyError: 'secret'"
        assert "File" not in response.body.decode()
        assert [type(error) for error in backend.errors] == [KeyError]

    def test_are_kept_from_clients_of_a_redacted_backend(self) -> None:
        backend = TestBackend("tests.apps.pages", redacted=True)

        response = backend.nobody.http("GET", "/break")

        assert response.status == 500
        assert b"secret" not in response.body

    def test_to_answer_are_bugs(self, backend: TestBackend) -> None:
        response = backend.nobody.http("GET", "/nothing")

        assert response.status == 500
        assert b"returned NoneType, not a Response" in response.body


MakeApp = Callable[..., str]


@pytest.fixture
def make_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeApp:
    """Makes a package whose ``http.py`` has the attributes given; returns its name."""

    def make(name: str, **attributes: Any) -> str:
        package, module = types.ModuleType(name), types.ModuleType(f"{name}.http")
        package.__path__ = [str(tmp_path)]
        (tmp_path / "http.py").touch()
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.http", module)
        return name

    return make


class TestOwnAnswers:
    def app(self, make_app: MakeApp) -> TestBackend:
        def answer(_ctx: ActionCtx, error: Exception, request_id: str) -> Response | None:
            if isinstance(error, AppError):
                return Response.text(f"{error.code} {request_id != ''}", status=418)
            return None

        http = Http(on_error=answer)

        @http.get("/refuse/{number}")
        def refuse(ctx: ActionCtx, request: Request, number: int) -> Response:
            raise NotFound("no") if number else KeyError("bug")

        return TestBackend(make_app("own_answers", http=http))

    def test_replace_ours(self, make_app: MakeApp) -> None:
        response = self.app(make_app).nobody.http("GET", "/refuse/1")

        assert (response.status, response.body) == (418, b"NOT_FOUND True")

    def test_are_given_for_parameters_of_a_wrong_type(self, make_app: MakeApp) -> None:
        response = self.app(make_app).nobody.http("GET", "/refuse/x")

        assert (response.status, response.body) == (418, b"VALIDATION_ERROR False")

    def test_may_leave_an_error_to_us(self, make_app: MakeApp) -> None:
        response = self.app(make_app).nobody.http("GET", "/refuse/0")

        assert response.status == 500
        assert b"Uncaught KeyError" in response.body

    def test_that_go_wrong_are_errors_like_any_other(self, make_app: MakeApp) -> None:
        def fail(_ctx: ActionCtx, _error: Exception, _request_id: str) -> Response | None:
            raise ZeroDivisionError("while answering")

        def split(_ctx: ActionCtx, _error: Exception, _request_id: str) -> Response | None:
            return Response(headers={"X-Mark": "a\nb"})

        for number, (on_error, why) in enumerate(
            [(fail, b"while answering"), (split, b"is not one printable line")]
        ):
            http = Http(on_error=on_error)

            @http.get("/refuse")
            def refuse(ctx: ActionCtx, request: Request) -> Response:
                raise NotFound("no")

            backend = TestBackend(make_app(f"wrong_answers_{number}", http=http))
            response = backend.nobody.http("GET", "/refuse")

            assert response.status == 500
            assert why in response.body


class TestResponses:
    def test_write_what_json_has_no_words_for_as_text(self, backend: TestBackend) -> None:
        assert answer(backend, "/values", "PATCH") == {"big": "5", "bytes": "aGk="}

    def test_take_structs_as_clients_see_them(self) -> None:
        response = Response.json([Request(method="GET", path="/"), Int64(1), None])

        assert json.loads(response.body)[1:] == ["1", None]


class TestRegistration:
    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("notes", "starts with a slash"),
            ("/.files/x", "not with /.files"),
            ("/{rest:path}/x", "stands at its end"),
            ("/{a}/{a}", "a name comes twice"),
            ("/x{a}", "a segment is"),
            ("/a?b", "a segment is"),
            ("/{a:int}", "a segment is"),
            ("/{}", "a segment is"),
        ],
    )
    def test_refuses_paths_that_are_none(self, path: str, why: str) -> None:
        with pytest.raises(InvalidFunction, match=why):
            PathTemplate.parse(path)

    @pytest.mark.parametrize("path", ["/{b}", "/", "/{a}/{b}"])
    def test_wants_path_and_signature_to_agree(self, path: str) -> None:
        def function(ctx: ActionCtx, request: Request, a: str) -> Response:
            return Response()

        with pytest.raises(InvalidFunction, match="takes ctx, request, and"):
            Http().get(path)(function)

    def test_wants_ctx_and_request(self) -> None:
        def function(ctx: ActionCtx) -> Response:
            return Response()

        with pytest.raises(InvalidFunction, match="takes ctx, request"):
            Http().get("/")(function)  # type: ignore[type-var]  # what is tested

    def test_refuses_types_that_no_path_can_hold(self, make_app: MakeApp) -> None:
        http = Http()

        @http.get("/{a}")
        def function(ctx: ActionCtx, request: Request, a: list[str]) -> Response:
            return Response()

        with pytest.raises(InvalidFunction, match=r"GET /\{a\}: a stands in the path"):
            Registry([make_app("no_path", http=http)])

    def test_refuses_parameters_without_a_type(self, make_app: MakeApp) -> None:
        http = Http()

        @http.get("/{a}")
        def function(ctx: ActionCtx, request: Request, a) -> Response:  # type: ignore[no-untyped-def]
            return Response()

        with pytest.raises(InvalidFunction, match="write the types of its parameters"):
            Registry([make_app("untyped", http=http)])

    def test_has_a_word_for_every_method(self) -> None:
        http = Http()
        words = http.get, http.post, http.put, http.patch, http.delete, http.options

        for word in words:
            word("/")(lambda _ctx, _request: Response())

        assert [route.method for route in http.routes] == [
            "GET",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "OPTIONS",
        ]

    def test_refuses_two_functions_for_the_same_requests(self) -> None:
        http = Http()

        @http.get("/{a}")
        def first(ctx: ActionCtx, request: Request, a: str) -> Response:
            return Response()

        @http.get("/{b}")
        def second(ctx: ActionCtx, request: Request, b: str) -> Response:
            return Response()

        with pytest.raises(InvalidFunction, match=r"first and .*second"):
            Router(http.routes)

    def test_refuses_an_http_module_without_http(self, make_app: MakeApp) -> None:
        with pytest.raises(InvalidFunction, match=r"empty\.http: write http = Http\(\)"):
            Registry([make_app("empty")])

    def test_leaves_a_function_a_function(self) -> None:
        http = Http()

        @http.get("/{a}")
        def function(ctx: ActionCtx, request: Request, a: str) -> Response:
            return Response.text(a)

        ctx: Any = None
        request = Request(method="GET", path="/x")
        assert function(ctx, request, "x").body == b"x"


class TestMounting:
    @staticmethod
    def told(_ctx: ActionCtx, request: Request, path: Mapping[str, str]) -> Response:
        return Response.json({"method": request.method, **path})

    def test_gives_a_function_the_texts_of_the_path(self) -> None:
        http = Http()
        http.mount("GET", "/ships/{shipId}/{rest:path}", self.told)
        match = Router(http.routes).find("GET", "/ships/a%20b/c/d")

        assert match is not None
        match.route.build()
        given = match.route.convert(match.parameters, lambda _: None)
        assert given == {"path": {"shipId": "a b", "rest": "c/d"}}

    def test_refuses_a_path_that_is_none(self) -> None:
        with pytest.raises(InvalidFunction):
            Http().mount("GET", "ships", self.told)

    @pytest.mark.parametrize(
        ("path", "methods"),
        [
            ("/ships", ["GET", "POST"]),
            ("/ships/7", ["DELETE", "PATCH"]),
            # What the more special path does not answer, the other one does not either.
            ("/ships/new", ["POST"]),
            ("/elsewhere", []),
            ("/ships/7/8", []),
        ],
    )
    def test_knows_by_which_methods_a_path_answers(
        self, path: str, methods: list[str]
    ) -> None:
        http = Http()
        routes: list[tuple[Method, str]] = [
            ("POST", "/ships"),
            ("GET", "/ships"),
            ("PATCH", "/ships/{shipId}"),
            ("DELETE", "/ships/{shipId}"),
            ("POST", "/ships/new"),
            ("GET", "/{rest:path}"),
        ]
        for method, template in routes:
            http.mount(method, template, self.told)

        assert http.methods_at(path) == methods


def test_a_path_parameter_of_several_types_is_read_as_the_first_that_it_can_be() -> None:
    node = type_of(int | bool | None)

    assert [value_in(node, text) for text in ("7", "true", "x")] == [7, True, "x"]
