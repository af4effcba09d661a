"""GeoFlow's tables, and who may see and change what is in them.

One module a noun. Who may do what is decided by ``model/permissions.py`` alone. All times are
milliseconds since the Unix epoch.
"""

from chalicelib.geoflow.model.permissions import Permission, Relation, Role
from chalicelib.geoflow.schema.accesses import AccessKind, SensitiveAccess
from chalicelib.geoflow.schema.api_keys import (
    ALL_SCOPES,
    WORKERS_SCOPE,
    ApiKey,
    LifetimeDays,
    Scope,
    Scopes,
)
from chalicelib.geoflow.schema.credentials import Credential
from chalicelib.geoflow.schema.execution_days import ExecutionDay
from chalicelib.geoflow.schema.executions import (
    Execution,
    ExecutionStatus,
    NodeState,
    NodeStatus,
    Trigger,
    relation_to_run,
)
from chalicelib.geoflow.schema.fields import (
    Description,
    Key,
    Message,
    Name,
    Progress,
    Service,
    Tags,
    Url,
)
from chalicelib.geoflow.schema.idempotency import KeptRequest
from chalicelib.geoflow.schema.logs import ExecutionLog, LogLevel
from chalicelib.geoflow.schema.run_policies import RetryPolicy, RunPolicy, Timeout
from chalicelib.geoflow.schema.schedules import Cron, Schedule, Skip
from chalicelib.geoflow.schema.users import (
    SCOPES_CLAIM,
    Preferences,
    User,
    caller,
    is_admin,
    is_caller,
    is_permitted,
    relation_to_owner,
    require_permission,
    role_of,
)
from chalicelib.geoflow.schema.workflows import (
    Access,
    Edge,
    Edges,
    Node,
    Nodes,
    Position,
    Workflow,
    WorkflowMember,
    WorkflowStatus,
    WorkflowVersion,
    may,
    member_of,
    relation_of,
    relation_to,
    relation_to_id,
)

__all__ = [
    "ALL_SCOPES",
    "SCOPES_CLAIM",
    "WORKERS_SCOPE",
    "Access",
    "AccessKind",
    "ApiKey",
    "Credential",
    "Cron",
    "Description",
    "Edge",
    "Edges",
    "Execution",
    "ExecutionDay",
    "ExecutionLog",
    "ExecutionStatus",
    "KeptRequest",
    "Key",
    "LifetimeDays",
    "LogLevel",
    "Message",
    "Name",
    "Node",
    "NodeState",
    "NodeStatus",
    "Nodes",
    "Permission",
    "Position",
    "Preferences",
    "Progress",
    "Relation",
    "RetryPolicy",
    "Role",
    "RunPolicy",
    "Schedule",
    "Scope",
    "Scopes",
    "SensitiveAccess",
    "Service",
    "Skip",
    "Tags",
    "Timeout",
    "Trigger",
    "Url",
    "User",
    "Workflow",
    "WorkflowMember",
    "WorkflowStatus",
    "WorkflowVersion",
    "caller",
    "is_admin",
    "is_caller",
    "is_permitted",
    "may",
    "member_of",
    "relation_of",
    "relation_to",
    "relation_to_id",
    "relation_to_owner",
    "relation_to_run",
    "require_permission",
    "role_of",
]
