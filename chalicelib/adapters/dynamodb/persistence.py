"""The log and its rows in DynamoDB."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from chalicelib.adapters.dynamodb.chunks import (
    Chunked,
    Chunks,
    address_of,
    machine_ms,
)
from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.log_items import (
    Calls,
    entry_item,
    how_many_entries_fit,
    how_many_fit,
    index_key,
    is_tombstone,
    log_key,
    number,
    read_entries,
    read_rows,
    row_item,
    row_key,
    sort_key,
)
from chalicelib.adapters.dynamodb.refusals import ConditionFailed
from chalicelib.adapters.dynamodb.sweep import Sweep
from chalicelib.adapters.dynamodb.usage import Attribute, Item
from chalicelib.engine.errors import BelowHorizon, StorageUnavailable
from chalicelib.engine.log import ORIGIN, Entry, IndexKey, Row, newest_rows
from chalicelib.engine.persistence import Interval, Marks, Page, Tail, full_tail

SCAN_REQUESTS: Final = 8
"""Pages that one scan reads at most: tombstones must not hold up its caller for long."""

_FIRST_REREAD_ROWS: Final = 50
"""Rows that a scan reads at least when tombstones left its first page short."""


class DynamoPersistence:
    """A log as the items of one partition, rows as the items of one partition per index.

    The log's last entry is never trimmed: so a reading that meets trimmed entries always
    meets a gap before it ends, and only then looks at the horizon.
    """

    applies_at_once = False

    def __init__(
        self,
        client: DynamoClient,
        log: str = "main",
        origin: int = ORIGIN,
        *,
        now_ms: Callable[[], float] = machine_ms,
    ) -> None:
        """Use log ``log``; ``origin`` is where it begins until its marks say more.

        ``now_ms`` stamps what is staged.
        """
        self.log = log
        self._client, self._origin = client, origin
        self._chunks = Chunks(client, now_ms)

    def append(self, entry: Entry) -> Entry | None:
        """Put ``entry`` at its position if that is free: staged first, if it is large.

        Raises:
            StorageUnavailable: Nothing was committed.
        """
        item, staging = entry_item(self.log, entry, self._chunks)
        self._client.together(staging)
        try:
            # Sent once: what an unseen second try was answered would not tell enough.
            self._client.put("log", item, condition="attribute_not_exists(pk)", once=True)
        except ConditionFailed as refused:
            return self._holder(entry.ts, refused.item)
        return None

    def _holder(self, ts: int, item: Item | None) -> Entry:
        if item is None:
            # An emulator that does not return the item: entries are immutable, so read it.
            item = self._client.get("log", log_key(self.log, ts))
        if item is None:
            raise StorageUnavailable(f"the position {ts} was refused and is empty")
        return next(read_entries([item], self._chunks))

    def tail(self, after: int, limit: int = 1000) -> Tail:
        """Read the entries that follow ``after``: as many as there are, until it is full."""
        found: list[Item] = []
        start: Item | None = None
        while True:
            items, start = self._client.query(
                "log",
                "pk = :log AND ts > :after",
                {":log": {"S": self.log}, ":after": number(after)},
                limit=limit - len(found),
                start=start,
            )
            whole = self._extend(found, items, after)
            fitting = found[: how_many_entries_fit(found)]
            is_full = len(fitting) < len(found) or len(found) == limit
            if not whole or start is None or is_full:
                break
        if not whole:
            self._check_horizon(after + len(found))
        # What is stored is bounded, so that no more is fetched; unpacked it may be more.
        read = full_tail(read_entries(fitting, self._chunks), limit)
        return Tail(read.entries, more=read.more or len(read.entries) < len(found))

    @staticmethod
    def _extend(found: list[Item], items: Sequence[Item], after: int) -> bool:
        """Add ``items`` up to the first gap; tell whether there was none.

        A page may have passed a position before it was taken and yet show the next one.
        """
        for item in items:
            if int(item["ts"]["N"]) != after + len(found) + 1:
                return False
            found.append(item)
        return True

    def _check_horizon(self, after: int) -> None:
        horizon = self.marks().horizon
        if after < horizon:
            raise BelowHorizon(f"the log is kept from {horizon} on, not {after}")

    def marks(self) -> Marks:
        """Read the watermark and the horizon."""
        item = self._client.get("rows", self._marks_key())
        if item is None:
            return Marks(self._origin, self._origin)
        return Marks(int(item["a"]["N"]), int(item["h"]["N"]))

    def _marks_key(self) -> dict[str, Attribute]:
        return {"pk": {"S": f"{self.log}#marks"}, "sk": sort_key(b"")}

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write rows where they are newer; long images before the rows that name them."""
        staging: dict[Chunked, Calls] = {}
        puts: Calls = []
        for row in newest_rows(entries):
            item, before = row_item(self.log, row, self._chunks)
            # Rows share a long image; the one at the document's id tells the sweep most.
            staging = staging | before if row.key == row.id else before | staging
            puts.append(partial(self._put_row, item))
        self._client.together([call for calls in staging.values() for call in calls])
        self._client.together(puts)

    def _put_row(self, item: Item) -> None:
        try:
            self._client.put(
                "rows",
                item,
                condition="attribute_not_exists(pk) OR t < :ts",
                values={":ts": item["t"]},
            )
        except ConditionFailed:
            return  # the row there is as new, or newer

    def advance(self, expected: int, applied: int) -> bool:
        """Move the watermark if it stands at ``expected``."""
        condition = "a = :expected"
        if expected == self._origin:
            condition += " OR attribute_not_exists(a)"
        try:
            self._client.update(
                "rows",
                self._marks_key(),
                "SET a = :applied, h = if_not_exists(h, :origin)",
                {
                    ":applied": number(applied),
                    ":expected": number(expected),
                    ":origin": number(self._origin),
                },
                condition=condition,
            )
        except ConditionFailed:
            return False
        return True

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order."""
        if interval.high is not None and interval.high <= interval.low:
            return Page((), None)
        found: list[Item] = []
        last: Item | None = None
        wanted = limit + self._excess(interval, reverse=reverse)
        for _ in range(SCAN_REQUESTS):
            items, last = self._page(interval, last, reverse=reverse, limit=wanted)
            found += (item for item in items if _is_row(item, interval))
            if last is None or len(found) >= limit:
                break
            wanted = max(limit - len(found), _FIRST_REREAD_ROWS)
        if (count := how_many_fit(found, limit)) < len(found):
            del found[count:]
            last = found[-1]
        rows = tuple(read_rows(interval.index, found, self._chunks))
        return Page(rows, None if last is None else _resume(last, reverse=reverse))

    @staticmethod
    def _excess(interval: Interval, *, reverse: bool) -> int:
        """How many items too many a first page may hold.

        DynamoDB's intervals include their end and ours do not: read backwards, the first
        item may be the end.
        """
        return int(reverse and interval.high is not None)

    def _page(
        self, interval: Interval, start: Item | None, *, reverse: bool, limit: int
    ) -> tuple[list[Item], Item | None]:
        values = {
            ":index": index_key(self.log, interval.index),
            ":low": sort_key(interval.low),
        }
        condition = "pk = :index AND sk >= :low"
        if interval.high is not None:
            condition = "pk = :index AND sk BETWEEN :low AND :high"
            values[":high"] = sort_key(interval.high)
        return self._client.query(
            "rows", condition, values, reverse=reverse, limit=limit, start=start
        )

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        place = {"pk": index_key(self.log, index), "sk": sort_key(key)}
        item = self._client.get("rows", place)
        if item is None or is_tombstone(item):
            return None
        return read_rows(index, [item], self._chunks)[0]

    def get_all(self, keys: Sequence[IndexKey]) -> list[Row | None]:
        """Read rows, a hundred in a call."""
        places = {self._place(*key): key for key in keys}
        items = self._client.get_all(
            "rows", [{"pk": {"S": pk}, "sk": {"B": sk}} for pk, sk in places]
        )
        found: dict[IndexKey, Row] = {}
        for item in items:
            index, key = places[item["pk"]["S"], bytes(item["sk"]["B"])]
            if not is_tombstone(item):
                found[index, key] = read_rows(index, [item], self._chunks)[0]
        return [found.get(key) for key in keys]

    def _place(self, index: int, key: bytes) -> tuple[str, bytes]:
        return index_key(self.log, index)["S"], sort_key(key)["B"]

    def raise_horizon(self, horizon: int) -> None:
        """Declare what may be trimmed."""
        with suppress(ConditionFailed):
            self._client.update(
                "rows",
                self._marks_key(),
                "SET h = :horizon, a = if_not_exists(a, :origin)",
                {":horizon": number(horizon), ":origin": number(self._origin)},
                condition="attribute_not_exists(h) OR h < :horizon",
            )

    def trim(self, limit: int) -> int:
        """Remove the oldest entries up to the horizon, with what was staged for them."""
        items, _ = self._client.query(
            "log",
            "pk = :log AND ts <= :horizon",
            {":log": {"S": self.log}, ":horizon": number(self.marks().horizon)},
            limit=limit,
        )
        # The parts first: what an entry no longer names, nobody would find.
        self._chunks.remove(found for item in items if (found := address_of(item)))
        keys = [log_key(self.log, int(item["ts"]["N"])) for item in items]
        self._client.together([partial(self._client.delete, "log", key) for key in keys])
        return len(items)

    def forget(self, rows: Sequence[Row]) -> None:
        """Remove rows that are still of the given ts."""
        self._client.together([partial(self._forget_row, row) for row in rows])

    def _forget_row(self, row: Row) -> None:
        with suppress(ConditionFailed):
            self._client.delete(
                "rows",
                {"pk": index_key(self.log, row.index), "sk": sort_key(row.key)},
                condition="t = :ts",
                values={":ts": number(row.ts)},
            )

    def remove_index(self, index: int, limit: int) -> int:
        """Remove some rows of an index."""
        items, _ = self._client.query(
            "rows", "pk = :index", {":index": index_key(self.log, index)}, limit=limit
        )
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in items]
        self._client.together([partial(self._client.delete, "rows", key) for key in keys])
        return len(items)

    def sweep(self, cursor: str, limit: int) -> str:
        """Look at some staged parts; see :class:`Sweep`."""
        return Sweep(self._client, self.log, self.marks, self._chunks).sweep(cursor, limit)

    def notes(self) -> bytes:
        """Read the housekeeper's notes."""
        item = self._client.get("rows", self._notes_key())
        found: bytes = item["d"]["B"] if item is not None else b""
        return found

    def keep_notes(self, notes: bytes) -> None:
        """Keep the housekeeper's notes."""
        self._client.put("rows", {**self._notes_key(), "d": {"B": notes}})

    def _notes_key(self) -> dict[str, Attribute]:
        return {"pk": {"S": f"{self.log}#notes"}, "sk": sort_key(b"")}


def _is_row(item: Item, interval: Interval) -> bool:
    return not is_tombstone(item) and interval.holds(row_key(item))


def _resume(last: Item, *, reverse: bool) -> bytes:
    key = row_key(last)
    return key if reverse else key + b"\x00"
