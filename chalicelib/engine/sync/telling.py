"""Telling a client where its session has moved to: what changed for it, by digests it was told."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from chalicelib.engine.functions.outcome import DIGEST_BYTES, Outcome
from chalicelib.engine.ports import Lease
from chalicelib.engine.sync.messages import (
    Modification,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    StateVersion,
    Transition,
    ts_text,
)
from chalicelib.engine.sync.transition import Moved

_ID_BYTES: Final = 4

KEPT_DIGESTS: Final = 1024
"""Sets of digests that are kept unpacked: sessions that watch the same were told the same."""

Digests = Mapping[int, bytes]


def message(
    moved: Moved, lease: Lease, digests: Digests, *, redacted: bool, now_ms: float
) -> tuple[Transition, dict[int, bytes]]:
    """Write the transition from the version last sent, and the digests that go with it."""
    session, sent = moved.session, lease.version
    # An id that was dropped and added again is a new query: its client holds nothing of it.
    kept = {
        i: d
        for i, d in digests.items()
        if i in session.queries and i not in session.dropped
    }
    changes: list[Modification] = [
        QueryRemoved(query_id=i) for i in session.dropped if i in digests
    ]
    for i, outcome in sorted(moved.outcomes.items()):
        if kept.get(i) != outcome.digest:
            kept[i] = outcome.digest
            changes.append(_modification(i, outcome, redacted=redacted))
    start = StateVersion(sent[0], sent[1], ts_text(sent[2]))
    end = StateVersion(session.query_set, session.identity, ts_text(moved.ts))
    transition = Transition(
        start_version=start,
        end_version=end,
        modifications=tuple(changes),
        client_clock_skew=session.clock_skew_ms,
        server_ts=int(now_ms * 1_000_000),
    )
    return transition, kept


def pack(digests: Digests) -> bytes:
    """Digests as the lease keeps them: query id and digest, one after another."""
    return b"".join([i.to_bytes(_ID_BYTES, "big") + d for i, d in sorted(digests.items())])


@lru_cache(maxsize=KEPT_DIGESTS)
def unpack(data: bytes) -> Digests:
    """The digests that :func:`pack` wrote."""
    width = _ID_BYTES + DIGEST_BYTES
    return {
        int.from_bytes(data[at : at + _ID_BYTES], "big"): data[at + _ID_BYTES : at + width]
        for at in range(0, len(data), width)
    }


def _modification(query_id: int, outcome: Outcome, *, redacted: bool) -> Modification:
    if outcome.failure is None:
        return QueryUpdated(
            query_id=query_id,
            value=msgspec.Raw(outcome.value or b"null"),
            log_lines=() if redacted else outcome.log_lines,
            journal=outcome.journal,
        )
    data = outcome.failure.data
    return QueryFailed(
        query_id=query_id,
        error_message=outcome.failure.message(redacted=redacted),
        log_lines=() if redacted else outcome.log_lines,
        journal=outcome.journal,
        error_data=msgspec.Raw(data) if data is not None else msgspec.UNSET,
    )
