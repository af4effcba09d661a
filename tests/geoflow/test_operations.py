"""Every operation of the REST view, by a caller whose API key has its scope and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from chalicelib.engine.errors import AppError
from chalicelib.geoflow import (
    api_keys,
    credentials,
    executions,
    files,
    invitations,
    members,
    schedules,
    users,
    versions,
    webhooks,
    workers,
    workflows,
)
from chalicelib.geoflow.rest import OPERATIONS, Operation
from chalicelib.geoflow.schema import SCOPES_CLAIM
from testing import TestBackend
from tests.geoflow.drawings import nodes

BODIES: Final[Mapping[str, Any]] = {
    "PATCH /api/users/me": {"name": "Root"},
    "PUT /api/users/{userId}/role": {"role": "viewer"},
    "POST /api/workflows": {"name": "new"},
    "POST /api/workflows/import": {
        "format": "geoflow.workflow",
        "formatVersion": 1,
        "workflow": {"name": "taken"},
    },
    "PATCH /api/workflows/{workflowId}": {"name": "renamed"},
    "PATCH /api/workflows/{workflowId}/policy": {"timeoutMs": 60_000},
    "POST /api/workflows/{workflowId}/schedules": {"cron": "0 4 * * *", "timeZone": "UTC"},
    "PATCH /api/schedules/{scheduleId}": {"enabled": False},
    "POST /api/workflows/{workflowId}/members": {"access": "view"},
    "POST /api/workflows/{workflowId}/transfer": {},
    "POST /api/workflows/{workflowId}/invitations": {"email": "a@b.c", "access": "view"},
    "PATCH /api/files/{fileId}": {"name": "b.txt"},
    "POST /api/keys": {"name": "more", "scopes": ["apiKeys:write"]},
    "POST /api/credentials": {"service": "s3", "name": "new", "secret": "hunter2"},
    "PATCH /api/credentials/{credentialId}": {"name": "renamed"},
    "POST /api/credentials/{credentialId}/rotate": {"secret": "hunter3"},
    "POST /api/webhooks": {
        "name": "new",
        "url": "https://127.0.0.1/hook",
        "events": ["workflow.failed"],
    },
    "PATCH /api/webhooks/{webhookId}": {"name": "renamed"},
    "POST /api/workers/claim": {"workerId": "w1"},
    "POST /api/workers/executions/{executionId}/give-back": {"workerId": "w1"},
    "POST /api/audit/documents/{document}/inspect": {"reason": "a test"},
    "POST /api/oversight/open": {"reason": "a test"},
    "POST /api/workers/executions/{executionId}/renew": {"workerId": "w1"},
    "POST /api/workers/executions/{executionId}/progress": {
        "workerId": "w1",
        "nodeId": "a",
        "state": "running",
        "progress": 0.5,
    },
    "POST /api/workers/executions/{executionId}/logs": {
        "workerId": "w1",
        "lines": [{"level": "info", "message": "half way"}],
    },
    "POST /api/workers/executions/{executionId}/complete": {
        "workerId": "w1",
        "outputs": {},
    },
    "POST /api/workers/executions/{executionId}/fail": {"workerId": "w1", "error": "no"},
}
QUERIES: Final[Mapping[str, str]] = {
    "GET /api/users": "?text=bob",
    "GET /api/workflows/search": "?text=lid",
    "GET /api/files/search": "?text=a",
    "GET /api/audit/actors": "?actor=nobody",
    "GET /api/schedules/preview": "?cron=0%204%20*%20*%20*&timeZone=UTC&count=3",
    "GET /api/workers/executions/{executionId}": "?workerId=w1",
}


class Scene:
    """Root is an admin and has one of everything; bob is a member of the workflow."""

    def __init__(self, backend: TestBackend) -> None:
        self.backend, root, bob = backend, backend.as_user("root"), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        backend.system.mutation(users.grant_role, bob_id, "admin")
        with backend.db() as db:
            db.patch(bob_id, verified_email="bob@example.com")
        self.root = root
        flow = root.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
        root.mutation(members.share, flow, "edit", bob_id)
        root.mutation(versions.publish, flow)
        hook = root.action(
            webhooks.create, "mine", "https://127.0.0.1/hook", ["workflow.failed"]
        )
        self.flow, self.run = flow, root.mutation(executions.start, flow)
        uploaded = json.loads(root.http("POST", "/api/files/upload?name=a.txt", b"a").body)
        self.delivery = root.mutation(webhooks.send_test, hook.webhook_id)
        self.ids: Mapping[str, str] = {
            "userId": bob_id,
            "workflowId": flow,
            "version": "1",
            "document": flow,
            "invitationId": root.mutation(
                invitations.create, flow, "bob@example.com", "edit"
            ),
            "executionId": self.run,
            "scheduleId": root.mutation(schedules.create, flow, "0 3 * * *", "UTC"),
            "apiKeyId": root.action(api_keys.create, "k", ["users:read"]).api_key_id,
            "credentialId": root.action(credentials.create, "s3", "mine", "hunter2"),
            "webhookId": hook.webhook_id,
            "deliveryId": self.delivery,
            "fileId": uploaded["data"]["fileId"],
        }

    def stored(self) -> str:
        return self.backend.upload(self.root.mutation(files.generate_upload_url), b"c")

    def claim(self) -> None:
        self.root.mutation(workers.claim, "w1")

    def archive(self) -> None:
        self.root.mutation(workflows.archive, self.flow)

    def finish(self) -> None:
        self.root.mutation(executions.cancel, self.run)

    def give_up(self) -> None:
        with self.backend.db() as db:
            db.patch(self.delivery, status="failed")

    def path(self, operation: Operation) -> str:
        path = operation.endpoint.template.text
        for name in operation.endpoint.template.names:
            path = path.replace(f"{{{name}}}", self.ids[name])
        return path + QUERIES.get(operation.name, "")


_TO_SEE: Final = ("workflows:read",)
ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "POST /api/workflows/{workflowId}/executions": _TO_SEE,
    "POST /api/executions/{executionId}/retry": _TO_SEE,
    "GET /api/workflows/{workflowId}/statistics": _TO_SEE,
    "POST /api/workflows/{workflowId}/schedules": _TO_SEE,
    "PATCH /api/schedules/{scheduleId}": _TO_SEE,
    "DELETE /api/schedules/{scheduleId}": _TO_SEE,
    "PUT /api/users/{userId}/role": ("users:write",),
    "POST /api/webhooks": ("executions:read",),
}
"""What else must be in the scopes of a key, since the operation begins with it."""

BEFORE: Final[Mapping[str, Callable[[Scene], None]]] = {
    "POST /api/workflows/{workflowId}/restore": Scene.archive,
    "POST /api/executions/{executionId}/retry": Scene.finish,
    "DELETE /api/executions/{executionId}": Scene.finish,
    "POST /api/deliveries/{deliveryId}/replay": Scene.give_up,
    **{
        operation.name: Scene.claim
        for operation in OPERATIONS
        if operation.name.partition(" ")[2].startswith("/api/workers/executions")
    },
}
"""What must have happened before an operation makes sense."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_needs_its_scope_and_no_other(
    backend: TestBackend, operation: Operation
) -> None:
    scene = Scene(backend)
    prepare = BEFORE.get(operation.name)
    if prepare is not None:
        prepare(scene)
    is_bobs = operation.name.endswith(("/leave", "/accept"))  # which an owner cannot
    name = "bob" if is_bobs else "root"
    scopes = [operation.scope, *ALSO.get(operation.name, ())]
    caller = backend.as_user(name, **{SCOPES_CLAIM: scopes})
    other = backend.as_user(
        name,
        **{SCOPES_CLAIM: ["workers" if operation.scope == "audit:read" else "audit:read"]},
    )
    path, body = scene.path(operation), BODIES.get(operation.name)
    if "userId" in operation.endpoint.body_names:
        body = {**(body or {}), "userId": scene.ids["userId"]}
    if "storageId" in operation.endpoint.body_names:
        body = {"name": "c.txt", "storageId": scene.stored()}

    refused = other.http(operation.endpoint.method, path, json=body)
    answer = caller.http(operation.endpoint.method, path, json=body)

    assert json.loads(refused.body)["error"]["details"] == {"scope": operation.scope}
    assert (answer.status, refused.status) == (operation.status, 403), answer.body
    assert [error for error in backend.errors if not isinstance(error, AppError)] == []


NOT_OVER_HTTP: Final = {
    "files:checkUpload",  # a part of an upload
    "files:generateDownloadUrl",  # GET …/content serves the file itself
    "files:generateThumbnailUrl",
    "files:generateUploadUrl",  # POST /api/files/upload takes the file itself
    "portable:exportWorkflow",  # GET …/export, as an attachment
}


def test_every_public_function_answers_over_http(backend: TestBackend) -> None:
    served = {operation.endpoint.function for operation in OPERATIONS}
    missing = {
        path
        for path, registered in backend.engine.registry.functions.items()
        if registered.function.visibility == "public" and registered.function not in served
    }

    # Of each list, its pages are served.
    assert {path for path in missing if ":list" not in path} == NOT_OVER_HTTP
    for path in missing - NOT_OVER_HTTP:
        paged = backend.engine.registry.functions[f"{path}Page"]
        assert paged.function in served
