"""A live query, as a client sees it."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from chalicelib.engine.auth import AdminIdentity, Caller, Identity
from chalicelib.engine.functions.registration import QueryFunction
from chalicelib.engine.ports import Frame

if TYPE_CHECKING:
    from testing.backend import TestBackend

R = TypeVar("R")


class Watch(Generic[R]):
    """A live query: every result that its client was told, in order."""

    def __init__(
        self,
        backend: "TestBackend",
        caller: Caller,
        function: QueryFunction[Any, R],
        arguments: bytes,
    ) -> None:
        self._backend, self._signature = backend, function.signature
        self.connection = f"connection-{len(backend.sockets.posted)}"
        backend.sockets.posted[self.connection] = []
        self._sent = 0
        self._send({"type": "Connect", "sessionId": self.connection, "connectionCount": 0})
        self._authenticate(caller)
        added = {
            "type": "Add",
            "queryId": 0,
            "udfPath": backend.engine.registry.path_of(function),
            "args": [msgspec.Raw(arguments)],
        }
        self._send(
            {
                "type": "ModifyQuerySet",
                "baseVersion": 0,
                "newVersion": 1,
                "modifications": [added],
            }
        )

    @property
    def results(self) -> list[R]:
        """Every result so far; a failure stands as the text that came with it."""
        found: list[Any] = []
        for message in self._backend.sockets.posted[self.connection]:
            for change in message.get("modifications", ()):
                if change["type"] == "QueryUpdated":
                    raw = msgspec.json.encode(change["value"])
                    found.append(self._signature.decode_result(raw))
                elif change["type"] == "QueryFailed":
                    found.append(change["errorMessage"])
        return found

    @property
    def latest(self) -> R:
        """What the client shows now."""
        return self.results[-1]

    def _authenticate(self, caller: Caller) -> None:
        if caller is None:
            return
        kind = "Admin" if isinstance(caller, AdminIdentity) else "User"
        value = caller.subject if isinstance(caller, Identity) else "key"
        self._send(
            {"type": "Authenticate", "baseVersion": 0, "tokenType": kind, "value": value}
        )

    def _send(self, message: dict[str, Any]) -> None:
        self._sent += 1
        stamp_ms = self._backend.clock.now_ms()
        frame = Frame(f"{self._sent:06}", stamp_ms, msgspec.json.encode(message))
        self._backend.engine.receive(self.connection, frame)
