"""The log as it will be: what is durable, and what is under way behind it.

A mutation that reads what is under way need not wait for the disk, nor run again: so mutations
of the same documents are committed in one group. If an entry under way fails, those behind it
fail with it, and whoever has read it finds it gone.
"""

from collections.abc import Sequence

import msgspec

from chalicelib.engine.database.overlay import Overlay
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Pipelined

MOST_LAID: int = 96
"""Entries that are laid over each other until what is durable meanwhile is left out again."""


class _Laid(msgspec.Struct, frozen=True):
    """The rows of consecutive entries, the first of them at ``first``, the last one ``last``."""

    first: int
    last: Entry
    overlay: Overlay


class Ahead:
    """Views of the log together with what is under way."""

    def __init__(self, pipeline: Pipelined, tail: LogTail) -> None:
        self._pipeline, self._tail = pipeline, tail
        self._laid: _Laid | None = None

    def look(self) -> tuple[View, tuple[Entry, ...]]:
        """Read the log to its end, and what follows it."""
        under_way = self._pipeline.under_way()
        # Read afterwards: what is no longer under way is in the tail, or has failed.
        head = self._tail.refresh()
        return head, those_after(under_way, head.ts)

    def view(self) -> View:
        """The newest view, in which everything under way has happened."""
        head, ahead = self.look()
        if not ahead:
            return head
        return Speculative(head, ahead, self._overlay(head, ahead))

    def settle(self, read: View) -> bool:
        """Wait until everything in a view is durable; False if some of it has failed."""
        if not isinstance(read, Speculative):
            return True
        self._pipeline.settle(read.ts)
        return self.still_holds(read, *self.look(), durable=True)

    def still_holds(
        self, read: View, head: View, ahead: tuple[Entry, ...], *, durable: bool = False
    ) -> bool:
        """Tell whether what was under way in a view is still there, or durable by now.

        The last entry stands for those before it: it would have failed with any of them.
        """
        if not isinstance(read, Speculative):
            return True
        if read.ts <= head.ts:
            found = self._tail.since(read.ts - 1, read.ts)
        else:
            found = () if durable else those_after(ahead, read.ts - 1)[:1]
        return found is not None and [e.transaction for e in found] == [
            read.last.transaction
        ]

    def _overlay(self, head: View, ahead: Sequence[Entry]) -> Overlay:
        laid, new = self._laid, ahead
        overlay: Overlay = head.overlay
        if laid is not None and laid.first <= ahead[0].ts <= laid.last.ts + 1:
            known = laid.last.ts - ahead[0].ts
            few = ahead[-1].ts - laid.first < MOST_LAID
            # Identical, and so are those before it: they would have failed together.
            if few and (known < len(ahead)) and (known >= 0 and ahead[known] is laid.last):
                overlay, new = laid.overlay, ahead[known + 1 :]
        first = laid.first if laid is not None and overlay is laid.overlay else ahead[0].ts
        if new:
            overlay = overlay.with_entries(new)
            self._laid = _Laid(first, ahead[-1], overlay)
        return overlay


def those_after(entries: tuple[Entry, ...], ts: int) -> tuple[Entry, ...]:
    """Those of consecutive entries that come after ``ts``."""
    passed = ts + 1 - entries[0].ts if entries else 0
    return entries[passed:] if passed > 0 else entries


class Speculative(View):
    """A view that holds entries under way, from ``settled`` on; ``last`` is the last of them."""

    def __init__(self, head: View, ahead: Sequence[Entry], overlay: Overlay) -> None:
        super().__init__(head.applied, ahead[-1].ts, (*head.entries, *ahead))
        self.settled, self.last = head.ts, ahead[-1]
        self.overlay = overlay
