"""The REST view: which function answers which method and path. One line adds one.

Path parameters are the function's own arguments, by their wire names; the others are in the
query of a GET or DELETE, and in the JSON body of anything else. Who calls must be signed in, and
an API key must have the scope; what else they may do, the function itself decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from chalicelib.engine.server import Endpoint, NotFound
from chalicelib.geoflow import (
    api_keys,
    audit,
    credentials,
    executions,
    files,
    invitations,
    logs,
    members,
    oversight,
    portable,
    schedules,
    users,
    versions,
    webhooks,
    workers,
    workflows,
)
from chalicelib.geoflow.limits import MAX_BODY_BYTES
from chalicelib.geoflow.schema import WORKERS_SCOPE

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the table.

    ``scope`` is what an API key needs. ``absent`` says what a result of null means: that there
    is no such thing, which is 404; None: it is an answer like any other. An answer that is
    ``secret`` is kept nowhere, not for a request that is repeated either.
    """

    endpoint: Endpoint
    scope: str
    status: int = 200
    absent: str | None = None
    is_secret: bool = False

    @property
    def name(self) -> str:
        """How the operation is called in records of what was done."""
        return f"{self.endpoint.method} {self.endpoint.template.text}"

    def checked(self, result: Any) -> Any:
        """Return a result that is there.

        Raises:
            NotFound: it is null, and that means that there is none.
        """
        if result is None and self.absent is not None:
            raise NotFound(f"there is no such {self.absent}")
        return result


def _on(
    method: Method,
    path: str,
    function: Any,
    scope: str,
    *,
    status: int = 200,
    absent: str | None = None,
    is_secret: bool = False,
) -> Operation:
    endpoint = Endpoint(method, path, function, max_body_bytes=MAX_BODY_BYTES)
    return Operation(
        endpoint=endpoint, scope=scope, status=status, absent=absent, is_secret=is_secret
    )


_FLOW: Final = "/api/workflows/{workflowId}"
_RUN: Final = "/api/executions/{executionId}"
_PLAN: Final = "/api/schedules/{scheduleId}"
_FILE: Final = "/api/files/{fileId}"
_KEY: Final = "/api/keys/{apiKeyId}"
_HOOK: Final = "/api/webhooks/{webhookId}"
_SENT: Final = "/api/deliveries/{deliveryId}"
_CREDENTIAL: Final = "/api/credentials/{credentialId}"
_INVITATION: Final = "/api/invitations/{invitationId}"
_TRACED: Final = "/api/audit/documents/{document}"
_WORK: Final = "/api/workers/executions/{executionId}"

# One operation a line, however long: it is a table.
# fmt: off
OPERATIONS: Final[tuple[Operation, ...]] = (
    _on("GET", "/api/users/me", users.me, "users:read"),
    _on("POST", "/api/users/me", users.ensure, "users:write"),
    _on("PATCH", "/api/users/me", users.update_profile, "users:write"),
    _on("GET", "/api/users", users.search, "users:read"),
    _on("GET", "/api/users/{userId}", users.get, "users:read", absent="user"),
    _on("PUT", "/api/users/{userId}/role", users.set_role, "users:grant"),

    _on("GET", "/api/workflows", workflows.list_page, "workflows:read"),
    _on("GET", "/api/workflows/search", workflows.search, "workflows:read"),
    _on("POST", "/api/workflows", workflows.create, "workflows:write", status=201),
    _on("POST", "/api/workflows/import", portable.import_workflow, "workflows:write", status=201),
    _on("GET", _FLOW, workflows.get, "workflows:read", absent="workflow"),
    _on("PATCH", _FLOW, workflows.update, "workflows:write"),
    _on("DELETE", _FLOW, workflows.remove, "workflows:write"),
    _on("POST", f"{_FLOW}/activate", workflows.activate, "workflows:write"),
    _on("POST", f"{_FLOW}/archive", workflows.archive, "workflows:write"),
    _on("POST", f"{_FLOW}/restore", workflows.restore, "workflows:write"),
    _on("POST", f"{_FLOW}/duplicate", workflows.duplicate, "workflows:write", status=201),
    _on("PATCH", f"{_FLOW}/policy", executions.set_policy, "workflows:write"),

    _on("GET", f"{_FLOW}/members", members.list_, "workflows:read"),
    _on("POST", f"{_FLOW}/members", members.share, "workflows:write"),
    _on("DELETE", f"{_FLOW}/members/{{userId}}", members.remove, "workflows:write"),
    _on("POST", f"{_FLOW}/leave", members.leave, "workflows:write"),
    _on("POST", f"{_FLOW}/transfer", members.transfer, "workflows:write"),

    _on("GET", f"{_FLOW}/invitations", invitations.list_by_workflow, "workflows:write"),
    _on("POST", f"{_FLOW}/invitations", invitations.create, "workflows:write", status=201),
    _on("GET", "/api/invitations", invitations.list_, "workflows:read"),
    _on("POST", f"{_INVITATION}/accept", invitations.accept, "workflows:write"),
    _on("DELETE", _INVITATION, invitations.remove, "workflows:write"),

    _on("GET", f"{_FLOW}/versions", versions.list_page, "workflows:read"),
    _on("POST", f"{_FLOW}/versions", versions.publish, "workflows:write", status=201),
    _on("GET", f"{_FLOW}/versions/{{version}}", versions.get, "workflows:read", absent="version"),
    _on("POST", f"{_FLOW}/versions/{{version}}/restore", versions.restore, "workflows:write"),

    _on("GET", f"{_FLOW}/executions", executions.list_by_workflow_page, "executions:read"),
    _on("POST", f"{_FLOW}/executions", executions.start, "executions:write", status=201),
    _on("GET", f"{_FLOW}/statistics", executions.statistics, "executions:read", absent="workflow"),
    _on("GET", "/api/executions", executions.list_page, "executions:read"),
    _on("GET", _RUN, executions.get, "executions:read", absent="execution"),
    _on("DELETE", _RUN, executions.remove, "executions:write"),
    _on("POST", f"{_RUN}/cancel", executions.cancel, "executions:write"),
    _on("POST", f"{_RUN}/retry", executions.retry, "executions:write", status=201),
    _on("GET", f"{_RUN}/logs", logs.list_page, "executions:read"),
    _on("GET", f"{_RUN}/logs/tail", logs.tail, "executions:read"),

    _on("GET", f"{_FLOW}/schedules", schedules.list_by_workflow_page, "workflows:read"),
    _on("POST", f"{_FLOW}/schedules", schedules.create, "executions:write", status=201),
    _on("GET", "/api/schedules", schedules.list_page, "workflows:read"),
    _on("GET", "/api/schedules/preview", schedules.preview, "workflows:read"),
    _on("GET", _PLAN, schedules.get, "workflows:read", absent="schedule"),
    _on("PATCH", _PLAN, schedules.update, "executions:write"),
    _on("DELETE", _PLAN, schedules.remove, "executions:write"),

    _on("GET", f"{_FLOW}/files", files.list_by_workflow_page, "files:read"),
    _on("GET", "/api/users/{userId}/files", files.list_by_user_page, "files:read"),
    _on("GET", "/api/files/search", files.search, "files:read"),
    _on("GET", "/api/files/usage", files.usage, "files:read"),
    _on("POST", "/api/files", files.upload, "files:write", status=201),
    _on("GET", _FILE, files.get, "files:read", absent="file"),
    _on("PATCH", _FILE, files.update, "files:write"),
    _on("DELETE", _FILE, files.remove, "files:write"),
    _on("POST", f"{_FILE}/reprocess", files.reprocess, "files:write"),

    _on("GET", "/api/keys", api_keys.list_page, "apiKeys:read"),
    _on("POST", "/api/keys", api_keys.create, "apiKeys:write", status=201, is_secret=True),
    _on("GET", _KEY, api_keys.get, "apiKeys:read", absent="API key"),
    _on("POST", f"{_KEY}/revoke", api_keys.revoke, "apiKeys:write"),
    _on("DELETE", _KEY, api_keys.remove, "apiKeys:write"),

    _on("GET", "/api/credentials", credentials.list_page, "credentials:read"),
    _on("POST", "/api/credentials", credentials.create, "credentials:write", status=201),
    _on("GET", _CREDENTIAL, credentials.get, "credentials:read", absent="credential"),
    _on("PATCH", _CREDENTIAL, credentials.rename, "credentials:write"),
    _on("POST", f"{_CREDENTIAL}/rotate", credentials.rotate, "credentials:write"),
    _on("DELETE", _CREDENTIAL, credentials.remove, "credentials:write"),

    _on("GET", "/api/webhooks", webhooks.list_page, "webhooks:read"),
    _on("POST", "/api/webhooks", webhooks.create, "webhooks:write", status=201, is_secret=True),
    _on("GET", _HOOK, webhooks.get, "webhooks:read", absent="webhook"),
    _on("PATCH", _HOOK, webhooks.update, "webhooks:write"),
    _on("DELETE", _HOOK, webhooks.remove, "webhooks:write"),
    _on("POST", f"{_HOOK}/rotate", webhooks.rotate_secret, "webhooks:write", is_secret=True),
    _on("POST", f"{_HOOK}/enable", webhooks.enable, "webhooks:write"),
    _on("POST", f"{_HOOK}/disable", webhooks.disable, "webhooks:write"),
    _on("POST", f"{_HOOK}/test", webhooks.send_test, "webhooks:write", status=201),
    _on("GET", f"{_HOOK}/deliveries", webhooks.deliveries, "webhooks:read"),
    _on("GET", _SENT, webhooks.get_delivery, "webhooks:read", absent="delivery"),
    _on("POST", f"{_SENT}/replay", webhooks.replay, "webhooks:write", status=201),

    _on("GET", "/api/workers/waiting", workers.waiting, WORKERS_SCOPE),
    _on("POST", "/api/workers/claim", workers.claim, WORKERS_SCOPE),
    _on("GET", _WORK, workers.assignment, WORKERS_SCOPE),
    _on("POST", f"{_WORK}/renew", workers.renew, WORKERS_SCOPE),
    _on("POST", f"{_WORK}/progress", workers.progress, WORKERS_SCOPE),
    _on("POST", f"{_WORK}/give-back", workers.give_back, WORKERS_SCOPE),
    _on("POST", f"{_WORK}/logs", logs.append, WORKERS_SCOPE),
    _on("POST", f"{_WORK}/complete", workers.complete, WORKERS_SCOPE),
    _on("POST", f"{_WORK}/fail", workers.fail, WORKERS_SCOPE),

    _on("POST", "/api/oversight/open", oversight.open, "audit:read"),
    _on("POST", "/api/oversight/close", oversight.close, "audit:read"),

    _on("GET", "/api/audit", audit.by_time, "audit:read"),
    _on("GET", "/api/audit/actors", audit.by_actor, "audit:read"),
    _on("GET", "/api/audit/head", audit.head, "audit:read"),
    _on("GET", _TRACED, audit.by_document, "audit:read"),
    _on("POST", f"{_TRACED}/inspect", audit.inspect, "audit:read", absent="document"),
)
# fmt: on
"""Every operation that is a function; what else there is, stands in ``http.py``."""

BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}
