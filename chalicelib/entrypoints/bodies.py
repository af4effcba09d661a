"""The bodies of the HTTP function API (docs/protocol.md 2)."""

import msgspec


class FunctionCall(msgspec.Struct, rename="camel"):
    """The body of a call."""

    path: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    format: str | None = None
    component_path: str | None = None


class RunCall(msgspec.Struct):
    """The body of ``/api/run/…``, whose path is in the URL."""

    args: msgspec.Raw = msgspec.Raw(b"{}")
    format: str | None = None


class PastCall(FunctionCall):
    """The body of ``/api/query_at_ts``."""

    ts: str = ""


class Batch(msgspec.Struct):
    """The body of ``/api/query_batch``."""

    queries: list[FunctionCall]
