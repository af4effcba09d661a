"""The one matrix of who may do what: by role, and by what somebody is to a document.

Row policies and functions ask it (``schema/access.py``); no other place decides. A document
that belongs to a workflow takes what somebody is to that workflow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, Literal

Role = Literal["admin", "editor", "viewer"]
"""What an account may do at all; everybody begins as an editor."""

Relation = Literal["owner", "edit", "view", "none"]
"""What somebody is to a document: its owner, a member who may edit or view, or a stranger."""

Permission = Literal[
    "users.read",
    "users.change",
    "users.grant",
    "workflows.create",
    "workflows.read",
    "workflows.change",
    "workflows.run",
    "workflows.share",
    "workflows.remove",
    "executions.read",
    "executions.control",
    "files.create",
    "files.read",
    "files.change",
    "files.remove",
    "credentials.create",
    "credentials.read",
    "credentials.change",
    "credentials.remove",
    "credentials.use",
    "apiKeys.create",
    "apiKeys.read",
    "apiKeys.remove",
    "webhooks.create",
    "webhooks.read",
    "webhooks.change",
    "webhooks.remove",
    "audit.read",
]
"""A table and an operation. ``control`` is to cancel and retry; ``grant`` changes roles."""

_NOBODY: Final[frozenset[Relation]] = frozenset()
_OWNER: Final[frozenset[Relation]] = frozenset({"owner"})
_EDITS: Final[frozenset[Relation]] = frozenset({"owner", "edit"})
_SEES: Final[frozenset[Relation]] = frozenset({"owner", "edit", "view"})
_ANY: Final[frozenset[Relation]] = frozenset({"owner", "edit", "view", "none"})

ROLES: Final[tuple[Role, ...]] = ("admin", "editor", "viewer")

MATRIX: Final[Mapping[Permission, tuple[frozenset[Relation], ...]]] = MappingProxyType(
    {
        #                     admin    editor   viewer
        "users.read": (_ANY, _OWNER, _OWNER),
        "users.change": (_ANY, _OWNER, _OWNER),
        "users.grant": (_ANY, _NOBODY, _NOBODY),
        "workflows.create": (_ANY, _ANY, _NOBODY),
        "workflows.read": (_ANY, _SEES, _SEES),
        "workflows.change": (_ANY, _EDITS, _NOBODY),
        "workflows.run": (_ANY, _EDITS, _NOBODY),
        "workflows.share": (_ANY, _OWNER, _NOBODY),
        "workflows.remove": (_ANY, _OWNER, _NOBODY),
        "executions.read": (_ANY, _SEES, _SEES),
        "executions.control": (_ANY, _EDITS, _NOBODY),
        "files.create": (_ANY, _ANY, _NOBODY),
        "files.read": (_ANY, _SEES, _SEES),
        "files.change": (_ANY, _EDITS, _NOBODY),
        "files.remove": (_ANY, _OWNER, _NOBODY),
        "credentials.create": (_ANY, _ANY, _NOBODY),
        "credentials.read": (_ANY, _OWNER, _OWNER),
        # Admins manage accounts, and still use nobody's secrets but their own.
        "credentials.change": (_OWNER, _OWNER, _NOBODY),
        "credentials.remove": (_ANY, _OWNER, _OWNER),
        "credentials.use": (_OWNER, _OWNER, _NOBODY),
        "apiKeys.create": (_ANY, _ANY, _ANY),
        "apiKeys.read": (_ANY, _OWNER, _OWNER),
        "apiKeys.remove": (_ANY, _OWNER, _OWNER),
        "webhooks.create": (_ANY, _ANY, _NOBODY),
        "webhooks.read": (_ANY, _OWNER, _OWNER),
        "webhooks.change": (_ANY, _OWNER, _NOBODY),
        "webhooks.remove": (_ANY, _OWNER, _OWNER),
        "audit.read": (_ANY, _NOBODY, _NOBODY),
    }
)
"""By permission, for each of :data:`ROLES`: what one must be to the document."""


OVERSIGHT: Final[frozenset[Permission]] = frozenset(
    {"users.read", "users.change", "users.grant", "audit.read"}
)
"""What admins do at any time: manage accounts, and see who did what.

Whatever else the matrix allows them beyond what an editor may, they do for a while for which
they have said why (``oversight.py``).
"""


def is_within_oversight(permission: Permission, relation: Relation) -> bool:
    """Tell whether an admin may do that without having said why."""
    return permission in OVERSIGHT or is_allowed(permission, "editor", relation)


def is_allowed(permission: Permission, role: Role, relation: Relation) -> bool:
    """Tell whether the matrix lets an account of ``role`` do it to such a document."""
    return relation in MATRIX[permission][ROLES.index(role)]


def scope_of(permission: Permission) -> str:
    """The scope that an API key needs for it: ``workflows:read`` or ``workflows:write``.

    To run a workflow is to make an execution, and needs ``executions:write``. To give roles has
    a scope of its own: who may do that may have everything done by whom they make an admin.
    """
    table, _, operation = permission.partition(".")
    if permission == "workflows.run":
        return "executions:write"
    if permission == "users.grant":
        return "users:grant"
    return f"{table}:{'read' if operation == 'read' else 'write'}"


def has_scope(scopes: Collection[str], scope: str) -> bool:
    """Tell whether a key with ``scopes`` has ``scope``: who may write may read, too.

    What is changed has to be found first, and its new state is what a change is checked by.
    """
    table, _, operation = scope.partition(":")
    return scope in scopes or (operation == "read" and f"{table}:write" in scopes)


SCOPES: Final = tuple(sorted({scope_of(permission) for permission in MATRIX}))
"""Every scope of an API key that follows from the matrix."""
