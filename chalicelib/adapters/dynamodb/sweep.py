"""Finds parts of long values that nothing names, and removes them.

A committer that dies between staging an entry and putting it leaves parts behind, and so does
every change of a document that is too large for one item. Parts have no expiry of their own:
one that ran out too early would take a committed entry along (docs/hazards.md A11).
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chalicelib.adapters.dynamodb.chunks import Chunks
from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.log_items import (
    OWN_INDEX,
    POSITION,
    index_key,
    number,
    sort_key,
)
from chalicelib.adapters.dynamodb.refusals import ConditionFailed
from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.engine.log import decode_entry
from chalicelib.engine.persistence import Marks

MIN_AGE_MS: Final = 24 * 60 * 60 * 1000.0
"""Age, in milliseconds, from which a part may be removed. Source: docs/design.md 2."""

CLOCKS_APART_MS: Final = 60 * 60 * 1000.0
"""How far, in milliseconds, the clocks of two committers are never apart."""

LOG_PAGE: Final = 50
"""Entries read at a time when an entry is not where it was tried first."""

MAX_LOG_PAGES: Final = 20
"""Pages of the log read for one part; a part about which they do not tell is kept."""


_READ: Final = ("pk", "n", "w", POSITION, OWN_INDEX)


class Sweep:
    """Looks at staged parts one after another."""

    def __init__(
        self,
        client: DynamoClient,
        log: str,
        marks: Callable[[], Marks],
        chunks: Chunks,
    ) -> None:
        self._client, self._log, self._marks, self._chunks = client, log, marks, chunks

    def sweep(self, cursor: str, limit: int) -> str:
        """Look at up to ``limit`` parts from ``cursor`` on; return where to go on."""
        start = json.loads(cursor) if cursor else None
        items, following = self._client.scan("chunks", _READ, limit=limit, start=start)
        old_ms = self._chunks.now_ms() - MIN_AGE_MS
        verdicts: dict[str, bool] = {}
        for item in items:
            name = item["pk"]["S"]
            if "w" not in item or int(item["w"]["N"]) > old_ms:
                continue
            if name not in verdicts:
                verdicts[name] = self._is_orphan(name, item)
            if verdicts[name]:
                self._remove(item)
        return "" if following is None else json.dumps(following)

    def _remove(self, item: Item) -> None:
        # Staged again meanwhile, it is needed after all.
        with suppress(ConditionFailed):
            self._client.delete(
                "chunks",
                {"pk": item["pk"], "n": item["n"]},
                condition="w = :seen",
                values={":seen": item["w"]},
            )

    def _is_orphan(self, name: str, item: Item) -> bool:
        if not name.startswith(f"{self._log}/"):
            return False
        if POSITION in item:
            staged_ms = int(item["w"]["N"])
            return self._is_unnamed_entry(name, int(item[POSITION]["N"]), staged_ms)
        if OWN_INDEX in item:
            internal = bytes.fromhex(name.split("/")[3])
            own = index_key(self._log, int(item[OWN_INDEX]["N"]))
            row = self._client.get("rows", {"pk": own, "sk": sort_key(internal)})
            return row is None or row.get("c", {}).get("S") != name
        return False

    def _is_unnamed_entry(self, name: str, position: int, staged_ms: int) -> bool:
        """Tell that no entry names ``name``, and that none can come to.

        The position that its committer tried was the next free one. It is taken once there
        is any later entry; from then on the put is refused, however late it comes.
        """
        if position <= self._marks().horizon:
            return True  # trimming removes what trimmed entries name
        after = position - 1
        for _ in range(MAX_LOG_PAGES):
            items, _ = self._client.query(
                "log",
                "pk = :log AND ts > :after",
                {":log": {"S": self._log}, ":after": number(after)},
                limit=LOG_PAGE,
            )
            for item in items:
                if item.get("c", {}).get("S") == name:
                    return False
                if "e" in item:
                    wall_ms = decode_entry(item["e"]["B"]).wall_ms
                    if wall_ms > staged_ms + CLOCKS_APART_MS:
                        return True
            if not items:
                return False
            after = int(items[-1]["ts"]["N"])
        return False
