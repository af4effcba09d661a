"""Files over HTTP: what comes is what was announced, what goes is for who may see it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from hashlib import sha256, sha512
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.engine.blobs import BlobFacts, UploadLink
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.geoflow import file_facts, files, members, uploads, users, workflows
from chalicelib.geoflow.schema import Geodata, SensitiveAccess
from testing import Client, TestBackend

TEXT = b"name,height\nPilatus,2128\n"
DIGEST = base64.b64encode(sha256(TEXT).digest()).decode()
LONGER = base64.b64encode(sha512(TEXT).digest()).decode()
NOTHING: Mapping[str, str] = {}


def body(response: Response) -> Any:
    return json.loads(response.body)


def post(
    who: Client,
    path: str = "/api/files/upload?name=peaks.csv",
    content: bytes = TEXT,
    **headers: str,
) -> Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return who.http("POST", path, content, headers={"content-type": "text/csv", **named})


def form(*parts: tuple[str, bytes], end: bytes = b"--XX--\r\n") -> bytes:
    """A form of parts, each by its headers after ``form-data`` and its content."""
    return (
        b"".join(
            b"--XX\r\nContent-Disposition: form-data; "
            + head.encode()
            + b"\r\n\r\n"
            + content
            + b"\r\n"
            for head, content in parts
        )
        + end
    )


FILE = ('name="file"; filename="peaks.csv"\r\nContent-Type: text/csv', TEXT)


def post_form(who: Client, content: bytes, **headers: str) -> Response:
    return post(
        who,
        "/api/files/upload",
        content,
        content_type="multipart/form-data; boundary=XX",
        **headers,
    )


def found(who: Client, response: Response) -> Any:
    assert response.status == 201, response.body
    return who.call("files:get", "query", fileId=body(response)["data"]["fileId"])


def held(backend: TestBackend) -> list[bytes]:
    backend.engine.files.sweep()
    return list(backend.blobs.held.values())


class TestUpload:
    def test_of_a_raw_body_answers_the_files_id(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        response = post(alice)

        file = found(alice, response)
        assert (file["name"], file["contentType"], file["size"]) == (
            "peaks.csv",
            "text/csv",
            len(TEXT),
        )
        assert file["sha256"] == DIGEST
        assert body(response)["success"] is True

    def test_of_a_form_takes_fields_before_and_after_the_file(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        content = form(
            ('name="workflowId"', str(workflow).encode()), FILE, ('name="name"', b"b.csv")
        )

        file = found(alice, post_form(alice, content))

        assert (file["name"], file["workflowId"]) == ("b.csv", workflow)
        assert held(backend) == [TEXT]

    def test_of_a_form_takes_the_name_of_the_file(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        file = found(alice, post_form(alice, form(FILE)))

        assert (file["name"], file["contentType"]) == ("peaks.csv", "text/csv")

    def test_reads_a_form_however_it_is_cut(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        content = form(FILE, ('name="name"', b"b.csv"))
        request = Request(
            method="POST",
            path="/api/files/upload",
            headers={"content-type": "multipart/form-data; boundary=XX"},
            stream=(content[at : at + 1] for at in range(len(content))),
        )

        response = backend.engine.http(request, alice.caller)

        assert found(alice, response)["name"] == "b.csv"
        assert held(backend) == [TEXT]

    @pytest.mark.parametrize(
        "digest",
        [
            f"sha-256=:{DIGEST}:",
            f"sha-512=:{LONGER}:",
            f"md5=:AAAA:, sha-256=:{DIGEST}:",
            "md5=:AAAA:",
        ],
    )
    def test_takes_a_digest_that_fits(self, backend: TestBackend, digest: str) -> None:
        assert post(backend.as_user("alice"), content_digest=digest).status == 201

    @pytest.mark.parametrize(
        "digest", [f"sha-256=:{'A' * 43}=:", "sha-256=:AAAA:", f"sha-512=:{DIGEST}:"]
    )
    def test_keeps_nothing_of_another_digest(
        self, backend: TestBackend, digest: str
    ) -> None:
        response = post(backend.as_user("alice"), content_digest=digest)

        assert (response.status, body(response)["error"]["code"]) == (
            400,
            "VALIDATION_ERROR",
        )
        assert held(backend) == []

    def test_compares_the_digest_of_a_part_and_that_of_the_form(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        part = (f"{FILE[0]}\r\nContent-Digest: sha-256=:{DIGEST}:", TEXT)
        wrong = (part[0], TEXT + b"more")
        content = form(part)
        whole = base64.b64encode(sha256(content).digest()).decode()

        answers = [
            post_form(alice, content, content_digest=f"sha-256=:{whole}:").status,
            post_form(alice, form(wrong)).status,
            post_form(alice, content, content_digest=f"sha-256=:{DIGEST}:").status,
        ]

        assert answers == [201, 400, 400]
        assert held(backend) == [TEXT]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (form(), "no file"),
            (form(('name="name"', b"a.csv")), "no file"),
            (form(FILE, FILE), "one file a request"),
            (form(FILE, end=b""), "cannot be read"),
            (form(FILE)[:-60], "cannot be read"),
            (b"", "cannot be read"),
            (b"no form at all", "cannot be read"),
            (form(FILE, ('name="name"', b"\xff")), "UTF-8"),
            (form(FILE, ('name="name"', b"x" * 5000)), "4096 bytes"),
            (form(*[('name="a"', b"")] * 30), "cannot be read"),
            (form((FILE[0].replace("text/csv", "text/html"), TEXT)), "not taken"),
            (form(('name="file"; filename=""', TEXT)), "called"),
        ],
    )
    def test_keeps_nothing_of_a_form_that_makes_no_sense(
        self, backend: TestBackend, content: bytes, message: str
    ) -> None:
        response = post_form(backend.as_user("alice"), content)

        error = body(response)["error"]
        assert (response.status, error["code"]) == (400, "VALIDATION_ERROR")
        assert message in error["message"]
        assert held(backend) == []

    def test_keeps_nothing_that_is_too_large(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = backend.as_user("alice")
        monkeypatch.setattr(uploads, "MAX_FILE_BYTES", len(TEXT) - 1)

        answers = [post(alice), post_form(alice, form(FILE))]

        assert [answer.status for answer in answers] == [400, 400]
        assert body(answers[0])["error"]["details"] == {"limit": len(TEXT) - 1}
        assert held(backend) == []

    def test_needs_a_name_and_a_type_that_is_taken(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        answers = [
            post(alice, "/api/files/upload"),
            post(alice, content_type="text/html"),
            post(alice, f"/api/files/upload?name={'n' * 256}"),
        ]

        assert [answer.status for answer in answers] == [400, 400, 400]
        assert held(backend) == []

    def test_is_refused_before_it_is_read(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        workflow = alice.mutation(workflows.create, "LIDAR")
        path = f"/api/files/upload?name=a.csv&workflowId={workflow}"

        unseen = send_unread(backend, bob, path)
        alice.mutation(members.share, workflow, "view", bob_id)
        viewer = send_unread(backend, bob, path)
        nobody = send_unread(backend, backend.nobody, path)
        no_id = send_unread(backend, alice, "/api/files/upload?name=a&workflowId=42")

        assert [answer.status for answer in (unseen, viewer, nobody, no_id)] == [
            404,
            403,
            401,
            400,
        ]


def send_unread(backend: TestBackend, who: Client, path: str) -> Response:
    """Send a request whose body must not be read."""
    bare, _, query = path.partition("?")
    request = Request(
        method="POST",
        path=bare,
        query=dict(pair.split("=") for pair in query.split("&")),
        headers={"content-type": "text/csv"},
        stream=map(_fail, (TEXT,)),
    )
    return backend.engine.http(request, who.caller)


def _fail(_: bytes) -> bytes:
    pytest.fail("the body was read")


class TestContent:
    def test_is_the_file_under_its_name(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = body(post(alice))["data"]["fileId"]

        response = alice.http("GET", f"/api/files/{file_id}/content")
        headed = alice.http("HEAD", f"/api/files/{file_id}/content")
        again = alice.http(
            "GET",
            f"/api/files/{file_id}/content",
            headers={"If-None-Match": response.headers["ETag"]},
        )
        part = alice.http(
            "GET", f"/api/files/{file_id}/content", headers={"Range": "bytes=5-10"}
        )

        assert (response.status, b"".join(response.stream or ())) == (200, TEXT)
        assert response.headers["Content-Type"] == "text/csv"
        assert response.headers["Content-Disposition"].startswith(
            'attachment; filename="peaks.csv"'
        )
        assert (headed.status, headed.headers["Content-Length"]) == (200, str(len(TEXT)))
        assert (again.status, part.status) == (304, 206)
        assert "Content-Range, ETag" in part.headers["Access-Control-Expose-Headers"]
        assert b"".join(part.stream or ()) == TEXT[5:11]

    def test_has_the_type_that_the_file_has_now(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = body(post(alice))["data"]["fileId"]
        alice.call(
            "files:update", "mutation", fileId=file_id, contentType="application/json"
        )

        response = alice.http("GET", f"/api/files/{file_id}/content")
        url = alice.call("files:generateDownloadUrl", "mutation", fileId=file_id)

        ticket = backend.engine.files.ticket_of(url.partition("?token=")[2])
        assert response.headers["Content-Type"] == "application/json"
        assert ticket.content_type == "application/json"

    def test_is_checked_each_time(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        workflow = alice.mutation(workflows.create, "LIDAR")
        made = post(alice, f"/api/files/upload?name=a.csv&workflowId={workflow}")
        path = f"/api/files/{body(made)['data']['fileId']}/content"

        seen = [bob.http("GET", path).status]
        alice.mutation(members.share, workflow, "view", bob_id)
        seen.append(bob.http("GET", path).status)
        alice.mutation(members.remove, workflow, bob_id)
        seen.append(bob.http("GET", path).status)
        seen.append(backend.nobody.http("GET", path).status)

        assert seen == [404, 200, 404, 401]

    def test_is_noted_for_the_audit(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = body(post(alice))["data"]["fileId"]
        path = f"/api/files/{file_id}/content"

        alice.http("HEAD", path)
        before = noted(backend)
        alice.http("GET", path)

        assert (before, noted(backend)) == ([], [("download", "files", file_id)])


def noted(backend: TestBackend) -> list[tuple[str, str, str]]:
    with backend.db() as db:
        return [(row.kind, row.table, row.document) for row in db.query(SensitiveAccess)]


class TestThumbnail:
    def test_is_shown_where_nothing_in_it_runs(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        file_id = body(post(alice))["data"]["fileId"]
        url = alice.mutation(files.generate_upload_url)
        picture = backend.upload(url, b"<svg/>", content_type="image/svg+xml")
        path = f"/api/files/{file_id}/thumbnail"
        before = alice.http("GET", path)
        geodata = Geodata(format="GeoJSON")
        backend.system.mutation(file_facts.record, file_id, geodata, None, picture)

        response = alice.http("GET", path)

        assert before.status == 404
        assert (response.status, b"".join(response.stream or ())) == (200, b"<svg/>")
        assert response.headers["Content-Type"] == "image/svg+xml"
        assert response.headers["Content-Disposition"] == "inline"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert backend.as_user("bob").http("GET", path).status == 404


class LinkingBlobs(MemoryBlobs):
    """A store into which files are put by links."""

    @override
    def upload_link(
        self, key: str, *, sha256: bytes, content_type: str | None, valid_s: int
    ) -> UploadLink | None:
        return UploadLink(f"https://bucket.example/{key}", {"x-digest": sha256.hex()})

    @override
    def linked(self, key: str) -> BlobFacts | None:
        content = self.held.get(key)
        return (
            None if content is None else BlobFacts(len(content), sha256(content).digest())
        )


class TestPresign:
    def test_needs_a_store_with_links(self, backend: TestBackend) -> None:
        response = backend.as_user("alice").http(
            "POST", "/api/files/presign", json={"sha256": DIGEST}
        )

        assert (response.status, body(response)["error"]["code"]) == (
            422,
            "PROCESSING_ERROR",
        )
        assert "POST /api/files/upload" in body(response)["error"]["message"]

    def test_lets_a_file_be_put_and_then_finished(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend.blobs, "__class__", LinkingBlobs)
        alice = backend.as_user("alice")
        wanted = {"sha256": DIGEST, "contentType": "text/csv"}

        link = body(alice.http("POST", "/api/files/presign", json=wanted))["data"]
        told = {"uploadToken": link["uploadToken"], "name": "peaks.csv"}
        early = alice.http("POST", "/api/files/finish", json=told)
        backend.blobs.held[link["url"].rpartition("/")[2]] = TEXT
        done = [alice.http("POST", "/api/files/finish", json=told) for _ in range(2)]

        assert (link["method"], list(link["headers"])) == ("PUT", ["x-digest"])
        assert (early.status, body(early)["error"]["details"]["reason"]) == (
            409,
            "UploadIncomplete",
        )
        file = found(alice, done[0])
        assert (file["name"], file["contentType"], file["size"]) == (
            "peaks.csv",
            "text/csv",
            len(TEXT),
        )
        assert found(alice, done[1])["_id"] == file["_id"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"sha256": "AAAA"},
            {"sha256": 1},
            {"sha256": DIGEST, "contentType": "text/html"},
        ],
    )
    def test_needs_a_digest_and_a_type_that_is_taken(
        self, backend: TestBackend, wrong: dict[str, Any]
    ) -> None:
        response = backend.as_user("alice").http("POST", "/api/files/presign", json=wrong)

        assert (response.status, body(response)["error"]["code"]) == (
            400,
            "VALIDATION_ERROR",
        )

    def test_is_for_those_who_may_create_files(self, backend: TestBackend) -> None:
        sam = backend.as_user("sam")
        backend.system.mutation(users.grant_role, sam.mutation(users.ensure), "viewer")
        wanted = {"sha256": DIGEST}

        answers = [
            who.http("POST", path, json=sent).status
            for who in (sam, backend.nobody)
            for path, sent in (
                ("/api/files/presign", wanted),
                ("/api/files/finish", {"uploadToken": "x", "name": "a"}),
            )
        ]

        assert answers == [403, 403, 401, 401]
