"""The whole matrix: each role, at each relation, tries each operation of each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest

from chalicelib.engine.errors import Forbidden, NotFound, Unauthenticated
from chalicelib.engine.server import Id, PaginationOptions
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
    workflows,
)
from chalicelib.geoflow.model.permissions import (
    MATRIX,
    OVERSIGHT,
    ROLES,
    SCOPES,
    Permission,
    Relation,
    Role,
    has_scope,
    is_allowed,
    scope_of,
)
from chalicelib.geoflow.schema import SCOPES_CLAIM, ExecutionLog, User, Workflow
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes

RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)


class Scene(msgspec.Struct):
    """Somebody, and what they are to a workflow and what belongs to its owner."""

    backend: TestBackend
    who: Client
    owner: Client
    owner_id: Id[User]
    workflow: Id[Workflow]


def scene(
    permission: Permission,
    role: Role,
    relation: Relation,
    *,
    opened: bool = True,
    **claims: Any,
) -> Scene:
    backend = TestBackend("chalicelib.geoflow")
    sam, alice = backend.as_user("sam"), backend.as_user("alice")
    sam_id, alice_id = sam.mutation(users.ensure), alice.mutation(users.ensure)
    owner = sam if relation == "owner" else alice
    workflow = owner.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
    if relation in {"edit", "view"}:
        alice.mutation(members.share, workflow, relation, sam_id)
    setting_up = Scene(backend, sam, owner, sam_id if owner is sam else alice_id, workflow)
    _PREPARED[backend] = {
        name: prepare(setting_up)
        for name, prepare in _PREPARATIONS.get(permission.partition(".")[0], {}).items()
    }
    backend.system.mutation(users.grant_role, sam_id, role)
    if role == "admin" and opened:
        sam.mutation(oversight.open, "a test")
    setting_up.who = backend.as_user("sam", **claims)
    return setting_up


def _run(s: Scene) -> Any:
    return s.owner.mutation(executions.start, s.workflow)


def _ended(s: Scene) -> Any:
    run = _run(s)
    s.owner.mutation(executions.cancel, run)
    with s.backend.db() as db:
        line = ExecutionLog(execution_id=run, attempt=0, level="info", message="", time=0.0)
        db.insert(line)
    return run


def _schedule(s: Scene) -> Any:
    return s.owner.mutation(schedules.create, s.workflow, "0 0 1 1 *")


def _invitation(s: Scene) -> Any:
    return s.owner.mutation(invitations.create, s.workflow, "b@example.com", "view")


def _stored(s: Scene) -> Any:
    return s.backend.upload(s.owner.mutation(files.generate_upload_url), b"a,b\n1,2\n")


def _file(s: Scene) -> Any:
    return s.owner.mutation(files.upload, _stored(s), "a.csv", "text/csv", s.workflow)


def _credential(s: Scene) -> Any:
    return s.owner.action(credentials.create, "s3", "scans", "hunter2")


def _key(s: Scene) -> Any:
    return s.owner.action(api_keys.create, "ci", ["workflows:read"]).api_key_id


def _webhook(s: Scene) -> Any:
    made = s.owner.action(webhooks.create, "w", _URL, ["file.processed"])
    return made.webhook_id


def _delivery(s: Scene) -> Any:
    (webhook,) = s.owner.query(webhooks.list_)
    return s.owner.mutation(webhooks.send_test, webhook.webhook_id)


_URL: Final = "http://127.0.0.1:9999/hook"

_PREPARATIONS: Final[Mapping[str, Mapping[str, Callable[[Scene], Any]]]] = {
    "workflows": {"run": _run, "schedule": _schedule, "invitation": _invitation},
    "executions": {"run": _run, "ended": _ended},
    "files": {"file": _file, "stored": _stored},
    "credentials": {"credential": _credential},
    "apiKeys": {"key": _key},
    "webhooks": {"webhook": _webhook, "delivery": _delivery},
}
"""What the owner has made before somebody's role is what is to be tried."""

_PREPARED: dict[TestBackend, dict[str, Any]] = {}


def made(s: Scene, name: str) -> Any:
    return _PREPARED[s.backend][name]


def _seen(found: object) -> object:
    if found is None:
        raise NotFound("not to be seen")
    return found


_PAGE: Final = PaginationOptions(num_items=5, cursor=None)

ATTEMPTS: Final[Mapping[Permission, tuple[Callable[[Scene], Any], ...]]] = {
    "users.read": (lambda s: _seen(s.who.query(users.get, s.owner_id)),),
    "users.change": (),  # there is no function that changes another's profile
    "users.grant": (lambda s: s.who.mutation(users.set_role, s.owner_id, "admin"),),
    "workflows.create": (
        lambda s: s.who.mutation(workflows.create, "mine"),
        lambda s: s.who.mutation(
            portable.import_workflow,
            portable.FORMAT,
            portable.FORMAT_VERSION,
            portable.Drawing(name="taken"),
        ),
    ),
    "workflows.read": (
        lambda s: _seen(s.who.query(workflows.get, s.workflow)),
        lambda s: _seen(s.who.query(workflows.list_) or None),
        lambda s: _seen(s.who.query(workflows.list_page, _PAGE).page or None),
        lambda s: _seen(s.who.query(workflows.search, "lid", _PAGE).page or None),
        lambda s: s.who.mutation(portable.export_workflow, s.workflow),
        lambda s: _seen(s.who.query(members.list_, s.workflow) or None),
        lambda s: _seen(s.who.query(versions.list_page, s.workflow, _PAGE).page or None),
        lambda s: _seen(
            s.who.query(schedules.list_by_workflow_page, s.workflow, _PAGE).page or None
        ),
        lambda s: _seen(s.who.query(versions.list_, s.workflow) or None),
        lambda s: _seen(s.who.query(versions.get, s.workflow, 1)),
        lambda s: _seen(s.who.query(schedules.get, made(s, "schedule"))),
        lambda s: _seen(s.who.query(schedules.list_by_workflow, s.workflow) or None),
    ),
    "workflows.change": (
        lambda s: s.who.mutation(workflows.update, s.workflow, name="changed"),
        lambda s: s.who.mutation(workflows.activate, s.workflow),
        lambda s: s.who.mutation(versions.publish, s.workflow),
        lambda s: s.who.mutation(versions.restore, s.workflow, 1),
        lambda s: s.who.mutation(workflows.archive, s.workflow),
        lambda s: s.who.mutation(executions.set_policy, s.workflow, timeout_ms=5_000),
    ),
    "workflows.run": (
        lambda s: s.who.mutation(executions.start, s.workflow),
        lambda s: s.who.mutation(schedules.create, s.workflow, "0 0 1 1 *"),
        lambda s: s.who.mutation(schedules.update, made(s, "schedule"), enabled=False),
        lambda s: s.who.mutation(schedules.remove, made(s, "schedule")),
    ),
    "workflows.share": (
        lambda s: s.who.mutation(
            members.share,
            s.workflow,
            "view",
            s.backend.as_user("new").mutation(users.ensure),
        ),
        lambda s: s.who.mutation(invitations.create, s.workflow, "c@example.com", "view"),
        lambda s: _seen(s.who.query(invitations.list_by_workflow, s.workflow) or None),
        lambda s: s.who.mutation(invitations.remove, made(s, "invitation")),
    ),
    "workflows.remove": (lambda s: s.who.mutation(workflows.remove, s.workflow),),
    "executions.read": (
        lambda s: _seen(s.who.query(executions.get, made(s, "run"))),
        lambda s: _seen(s.who.query(executions.list_by_workflow, s.workflow) or None),
        lambda s: _seen(
            s.who.query(executions.list_by_workflow_page, s.workflow, _PAGE).page or None
        ),
        lambda s: _seen(s.who.query(executions.statistics, s.workflow)),
        lambda s: _seen(s.who.query(logs.tail, made(s, "ended")) or None),
        lambda s: _seen(s.who.query(logs.list_page, made(s, "ended"), _PAGE).page or None),
    ),
    "executions.control": (
        lambda s: s.who.mutation(executions.cancel, made(s, "run")),
        lambda s: s.who.mutation(executions.retry, made(s, "ended")),
        lambda s: s.who.mutation(executions.remove, made(s, "ended")),
    ),
    "files.create": (
        lambda s: s.who.query(files.check_upload),
        lambda s: s.who.mutation(files.generate_upload_url),
        lambda s: s.who.mutation(files.upload, made(s, "stored"), "b.csv", "text/csv"),
    ),
    "files.read": (
        lambda s: _seen(s.who.query(files.get, made(s, "file"))),
        lambda s: _seen(s.who.query(files.list_by_user, s.owner_id) or None),
        lambda s: _seen(
            s.who.query(files.list_by_user_page, s.owner_id, _PAGE).page or None
        ),
        lambda s: _seen(s.who.query(files.list_by_workflow, s.workflow) or None),
        lambda s: _seen(
            s.who.query(files.list_by_workflow_page, s.workflow, _PAGE).page or None
        ),
        lambda s: _seen(s.who.query(files.search, "csv", _PAGE, s.workflow).page or None),
        lambda s: s.who.mutation(files.generate_download_url, made(s, "file")),
        lambda s: s.who.mutation(files.generate_thumbnail_url, made(s, "file")),
    ),
    "files.change": (
        lambda s: s.who.mutation(files.update, made(s, "file"), name="c.csv"),
        lambda s: s.who.mutation(files.reprocess, made(s, "file")),
    ),
    "files.remove": (
        lambda s: s.who.mutation(files.update, made(s, "file"), workflow_id=None),
        lambda s: s.who.mutation(files.remove, made(s, "file")),
    ),
    "credentials.create": (
        lambda s: s.who.action(credentials.create, "s3", "another", "hunter2"),
    ),
    "credentials.read": (
        lambda s: _seen(s.who.query(credentials.get, made(s, "credential"))),
    ),
    "credentials.change": (
        lambda s: s.who.action(credentials.rotate, made(s, "credential"), "hunter3"),
        lambda s: s.who.mutation(credentials.rename, made(s, "credential"), "other"),
    ),
    "credentials.remove": (
        lambda s: s.who.mutation(credentials.remove, made(s, "credential")),
    ),
    "credentials.use": (
        lambda s: s.who.action(
            webhooks.create, "c", _URL, ["file.processed"], made(s, "credential")
        ),
    ),
    "apiKeys.create": (lambda s: s.who.action(api_keys.create, "another", ["users:read"]),),
    "apiKeys.read": (lambda s: _seen(s.who.query(api_keys.get, made(s, "key"))),),
    "apiKeys.remove": (
        lambda s: s.who.mutation(api_keys.revoke, made(s, "key")),
        lambda s: s.who.mutation(api_keys.remove, made(s, "key")),
    ),
    "webhooks.create": (
        lambda s: s.who.action(webhooks.create, "mine", _URL, ["file.processed"]),
    ),
    "webhooks.read": (
        lambda s: _seen(s.who.query(webhooks.get, made(s, "webhook"))),
        lambda s: _seen(s.who.query(webhooks.get_delivery, made(s, "delivery"))),
        lambda s: _seen(
            s.who.query(webhooks.deliveries, made(s, "webhook"), _PAGE).page or None
        ),
    ),
    "webhooks.change": (
        lambda s: s.who.action(webhooks.update, made(s, "webhook"), name="other"),
        lambda s: s.who.action(webhooks.rotate_secret, made(s, "webhook")),
        lambda s: s.who.mutation(webhooks.disable, made(s, "webhook")),
        lambda s: s.who.mutation(webhooks.enable, made(s, "webhook")),
        lambda s: s.who.mutation(webhooks.send_test, made(s, "webhook")),
    ),
    "webhooks.remove": (lambda s: s.who.mutation(webhooks.remove, made(s, "webhook")),),
    "audit.read": (
        lambda s: s.who.query(audit.head),
        lambda s: s.who.query(audit.by_time, _PAGE),
        lambda s: s.who.query(audit.by_actor, None, _PAGE),
        lambda s: s.who.query(audit.by_document, "any", _PAGE),
        lambda s: s.who.mutation(audit.inspect, s.workflow, "ticket 7"),
        lambda s: s.who.mutation(oversight.open, "ticket 7"),
    ),
}
"""By permission: what is tried. It succeeds if the matrix says so, and is refused if not."""


def is_done(attempt: Callable[[Scene], Any], s: Scene) -> bool:
    try:
        attempt(s)
    except (Forbidden, NotFound):
        return False
    return True


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("permission", ATTEMPTS)
def test_each_operation_is_for_whom_the_matrix_says(
    permission: Permission, role: Role, relation: Relation
) -> None:
    for attempt in ATTEMPTS[permission]:
        s = scene(permission, role, relation)

        done = is_done(attempt, s)

        assert done is is_allowed(permission, role, relation)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("permission", ATTEMPTS)
def test_an_admin_who_has_not_said_why_does_what_an_editor_does_and_manages_accounts(
    permission: Permission, relation: Relation
) -> None:
    wanted = is_allowed(permission, "admin", relation) and (
        permission in OVERSIGHT or is_allowed(permission, "editor", relation)
    )
    for attempt in ATTEMPTS[permission]:
        s = scene(permission, "admin", relation, opened=False)

        done = is_done(attempt, s)

        assert done is wanted


@pytest.mark.parametrize("permission", ATTEMPTS)
def test_no_operation_is_for_nobody(permission: Permission) -> None:
    for attempt in ATTEMPTS[permission]:
        s = scene(permission, "editor", "none")
        s.who = s.backend.nobody

        with pytest.raises((Unauthenticated, NotFound)):
            attempt(s)


_WITH: Final[Mapping[Permission, tuple[str, ...]]] = {
    "apiKeys.create": ("users:read",),  # a key gives no more than itself may
    "credentials.use": ("webhooks:write",),  # they are used in a webhook here
}


@pytest.mark.parametrize("permission", ATTEMPTS)
def test_an_api_key_does_what_its_scopes_say_and_no_more(permission: Permission) -> None:
    reads = [scope for scope in SCOPES if scope.endswith(":read")]
    enough = [scope_of(permission), *reads, *_WITH.get(permission, ())]
    lacking = [scope for scope in SCOPES if not has_scope([scope], scope_of(permission))]
    for attempt in ATTEMPTS[permission]:
        tried = {
            str(scopes): is_done(
                attempt,
                scene(
                    permission,
                    "admin",
                    "owner",
                    opened=True,
                    **{SCOPES_CLAIM: scopes},
                ),
            )
            for scopes in (enough, lacking)
        }

        assert list(tried.values()) == [True, False]


def test_the_docs_show_the_matrix() -> None:
    page = (Path(__file__).parents[2] / "docs/geoflow/access.md").read_text()
    told = [line for line in page.splitlines() if line.startswith("| `")]

    assert told == [
        f"| `{permission}` | {' | '.join(map(_told, allowed))} |"
        for permission, allowed in MATRIX.items()
    ]


def _told(relations: frozenset[Relation]) -> str:
    if relations == set(RELATIONS):
        return "anybody"
    return ", ".join(one for one in RELATIONS if one in relations) or "nobody"


def test_the_matrix_speaks_of_every_permission_and_each_is_tried() -> None:
    assert set(MATRIX) == set(get_args(Permission)) == set(ATTEMPTS)
