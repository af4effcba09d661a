"""The front door for apps: everything that a module of functions imports."""

from msgspec import Meta

from chalicelib.engine.auth import CustomJwtProvider, Identity, OidcProvider
from chalicelib.engine.database.history import Change, Committed
from chalicelib.engine.errors import (
    AddressRefused,
    AppError,
    ArgumentValidationError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    RequestFailed,
    SecretRefused,
    Unauthenticated,
    UploadRefused,
    ValidationFailed,
)
from chalicelib.engine.functions.context import (
    ActionCtx,
    MutationCtx,
    PolicyCtx,
    QueryCtx,
)
from chalicelib.engine.functions.crons import Crons
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_route import Rates
from chalicelib.engine.functions.http_router import Http
from chalicelib.engine.functions.registration import (
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from chalicelib.engine.functions.rest import Endpoint
from chalicelib.engine.functions.retries import Retry
from chalicelib.engine.outside import Letter, Reply
from chalicelib.engine.rates import Rate
from chalicelib.engine.schema import (
    UNSET,
    Document,
    Id,
    Int64,
    Page,
    PaginationOptions,
    ScheduledFunction,
    Secret,
    StoredFile,
    Struct,
    Unset,
    index,
    indexed,
)

__all__ = [
    "UNSET",
    "ActionCtx",
    "AddressRefused",
    "AppError",
    "ArgumentValidationError",
    "Change",
    "Committed",
    "Conflict",
    "Crons",
    "CustomJwtProvider",
    "Document",
    "Endpoint",
    "Forbidden",
    "Http",
    "Id",
    "Identity",
    "Int64",
    "Letter",
    "Meta",
    "MutationCtx",
    "NotFound",
    "OidcProvider",
    "Page",
    "PaginationOptions",
    "PolicyCtx",
    "QueryCtx",
    "Rate",
    "RateLimited",
    "Rates",
    "Reply",
    "Request",
    "RequestFailed",
    "Response",
    "Retry",
    "ScheduledFunction",
    "Secret",
    "SecretRefused",
    "StoredFile",
    "Struct",
    "Unauthenticated",
    "Unset",
    "UploadRefused",
    "ValidationFailed",
    "action",
    "index",
    "indexed",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "mutation",
    "query",
]
