"""The newest entries of the log, kept in memory for readers of the tail."""

from collections.abc import Sequence
from typing import Final

from chalicelib.engine.log import Entry

KEPT_ENTRIES: Final = 20_000
"""Most entries near the head that are kept."""

KEPT_BYTES: Final = 64 << 20
"""Those entries weigh no more than this, in bytes of memory."""


class Recent:
    """Durable entries by timestamp. One thread keeps them; all read them without a lock."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._bytes = 0

    def get(self, ts: int) -> Entry | None:
        """Return an entry if it is kept."""
        return self._entries.get(ts)

    def span(self, span: Sequence[int]) -> list[Entry]:
        """Return the entries of consecutive timestamps.

        Raises:
            KeyError: one of them is not kept.
        """
        return [self._entries[ts] for ts in span]

    def keep(self, entry: Entry) -> None:
        """Keep the newest entry, and let go of the oldest that are too many."""
        self._entries[entry.ts] = entry
        self._bytes += entry.weight
        while len(self._entries) > KEPT_ENTRIES or self._bytes > KEPT_BYTES:
            oldest = next(iter(self._entries))
            self._bytes -= self._entries.pop(oldest).weight
