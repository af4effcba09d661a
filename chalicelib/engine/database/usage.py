"""What one transaction reads and writes, counted and bounded."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from chalicelib.engine.database.catalogue import Catalogue
from chalicelib.engine.errors import TransactionLimit
from chalicelib.engine.limits import (
    LIMIT_WARNING_RATIO,
    MAX_BYTES_READ,
    MAX_BYTES_WRITTEN,
    MAX_DOCUMENTS_READ,
    MAX_DOCUMENTS_WRITTEN,
    MAX_INTERVALS_READ,
)

Counted = Literal[
    "intervals_read", "documents_read", "bytes_read", "documents_written", "bytes_written"
]

_ADVICE_READ: Final = (
    "Consider using smaller limits in your queries, paginating your queries, or using indexed"
    " queries with a selective index range."
)
_ADVICE_WRITTEN: Final = "Consider writing less at a time, in several scheduled mutations."


class _Limit(msgspec.Struct, frozen=True):
    most: int
    rule: str
    what: str
    advice: str


_LIMITS: Final[dict[Counted, _Limit]] = {
    "intervals_read": _Limit(MAX_INTERVALS_READ, "TooManyReads", "reads", _ADVICE_READ),
    "documents_read": _Limit(
        MAX_DOCUMENTS_READ, "TooManyDocumentsRead", "documents read", _ADVICE_READ
    ),
    "bytes_read": _Limit(MAX_BYTES_READ, "TooManyBytesRead", "bytes read", _ADVICE_READ),
    "documents_written": _Limit(
        MAX_DOCUMENTS_WRITTEN, "TooManyWrites", "documents written", _ADVICE_WRITTEN
    ),
    "bytes_written": _Limit(
        MAX_BYTES_WRITTEN, "TooManyBytesWritten", "bytes written", _ADVICE_WRITTEN
    ),
}


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a call read and wrote; bytes are those of the stored images.

    ``full_scans`` names the tables that it read from end to end, without an index range.
    """

    intervals_read: int = 0
    documents_read: int = 0
    bytes_read: int = 0
    documents_written: int = 0
    bytes_written: int = 0
    full_scans: tuple[str, ...] = ()


class Usage:
    """Counts as a transaction goes on. One that went over a limit must not be committed."""

    __slots__ = (
        "bytes_read",
        "bytes_written",
        "documents_read",
        "documents_written",
        "exceeded",
        "full_scans",
        "intervals_read",
    )

    def __init__(self) -> None:
        self.intervals_read = self.documents_read = self.bytes_read = 0
        self.documents_written = self.bytes_written = 0
        self.full_scans: set[int] = set()
        self.exceeded: TransactionLimit | None = None

    def looked(self) -> None:
        """Count one interval, or one document that was looked for.

        Raises:
            TransactionLimit: it is one too many.
        """
        self.intervals_read += 1
        if self.intervals_read > MAX_INTERVALS_READ:
            self._refuse("intervals_read")

    def read(self, size: int) -> None:
        """Count a document of ``size`` bytes that was read.

        Raises:
            TransactionLimit: it is one too many.
        """
        self.documents_read += 1
        self.bytes_read += size
        if self.documents_read > MAX_DOCUMENTS_READ:
            self._refuse("documents_read")
        if self.bytes_read > MAX_BYTES_READ:
            self._refuse("bytes_read")

    def wrote(self, size: int) -> None:
        """Count a document that is written, of ``size`` bytes from now on.

        Raises:
            TransactionLimit: it is one too many.
        """
        self.documents_written += 1
        self.bytes_written += size
        if self.documents_written > MAX_DOCUMENTS_WRITTEN:
            self._refuse("documents_written")
        if self.bytes_written > MAX_BYTES_WRITTEN:
            self._refuse("bytes_written")

    def warnings(self) -> Iterator[str]:
        """Say which limits are near, as Convex does."""
        for name, limit in _LIMITS.items():
            actual = getattr(self, name)
            if limit.most * LIMIT_WARNING_RATIO < actual <= limit.most:
                yield (
                    f"Many {limit.what} in a single function execution (actual: {actual},"
                    f" limit: {limit.most}). {limit.advice}"
                )

    def statistics(self, catalogue: Catalogue) -> Statistics:
        """The counts as a value."""
        names = catalogue.names if self.full_scans else {}
        return Statistics(
            intervals_read=self.intervals_read,
            documents_read=self.documents_read,
            bytes_read=self.bytes_read,
            documents_written=self.documents_written,
            bytes_written=self.bytes_written,
            full_scans=tuple(sorted(names.get(n, str(n)) for n in self.full_scans)),
        )

    def _refuse(self, counted: Counted) -> None:
        limit = _LIMITS[counted]
        self.exceeded = TransactionLimit(
            limit.rule,
            f"Too many {limit.what} in a single function execution (limit: {limit.most})."
            f" {limit.advice}",
        )
        raise self.exceeded
