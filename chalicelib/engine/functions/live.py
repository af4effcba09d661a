"""What a system query may ask of the live queries; the engine's sync part answers it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

Answer = Mapping[str, Any]
"""A value of the wire, ready to be returned."""


class WouldBe(msgspec.Struct, frozen=True, kw_only=True):
    """A write that nobody has made.

    With ``document`` alone it changes something of it that no index has; with ``fields``
    those; ``deleted`` removes it. With ``table`` it inserts a document of ``fields``.
    """

    document: str | None = None
    table: str | None = None
    fields: Mapping[str, Any] | None = None
    deleted: bool = False


class Live(Protocol):
    """Why live queries ran, and who would be woken."""

    def statistics(self) -> Answer:
        """What this process has counted since it began."""
        ...

    def reruns(self, path: str | None, limit: int) -> Sequence[Answer]:
        """The newest re-runs of this process, the newest first, with their causes."""
        ...

    def watchers(self, write: WouldBe, limit: int) -> Answer:
        """The subscriptions that a write would wake.

        Raises:
            NotFound: there is no such document, or no such table.
        """
        ...


class Unwatched:
    """Where nobody watches: a runner without sessions."""

    def statistics(self) -> Answer:
        """Nothing was counted."""
        return {}

    def reruns(self, path: str | None, limit: int) -> Sequence[Answer]:  # noqa: ARG002
        """Nothing was run again."""
        return []

    def watchers(self, write: WouldBe, limit: int) -> Answer:  # noqa: ARG002
        """Nobody would be woken."""
        return {"watchers": [], "isComplete": True}
