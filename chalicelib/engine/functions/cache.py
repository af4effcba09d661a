"""Results of queries, shared between callers and proved fresh by the log's tail."""

from collections import OrderedDict
from threading import Lock
from typing import Final

import msgspec

from chalicelib.engine.auth import Caller, Unverified, user_of
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome

MAX_BYTES: Final = 64 * 1024 * 1024
"""Memory that the values kept may take, in bytes."""

MAX_ENTRY_BYTES: Final = 1024 * 1024
"""Size from which an outcome is not kept: a few large ones would drive all others out."""

_ENTRY_BYTES: Final = 500  # what an entry takes besides its parts, roughly
_INTERVAL_BYTES: Final = 200  # what one interval of a read set takes, roughly

_Key = tuple[str, bytes, str | None, bytes | None, bool, bool]


class QueryCache:
    """The newest outcome of each query; one that read the identity serves that identity only.

    An outcome is exact at its own timestamp. It is exact at a later one too if nothing that
    the log has in between touches its read set, which includes the catalogue: new code or a
    new schema makes every outcome stale.
    """

    def __init__(self, tail: LogTail) -> None:
        self._tail, self._lock = tail, Lock()
        self._held: OrderedDict[_Key, Outcome] = OrderedDict()
        self._bytes = 0
        self.hits = self.misses = 0

    def at(self, call: Call, view: View) -> Outcome | None:
        """Return the outcome of ``call`` at ``view`` if it is known without running."""
        for key in (_key(call, None), _key(call, _claims(call.caller))):
            with self._lock:
                held = self._held.get(key)
            if held is not None and (fresh := self._proved(held, view)) is not None:
                if fresh is not held:
                    self._put(key, fresh)
                self.hits += 1
                return fresh
        self.misses += 1
        return None

    def keep(self, call: Call, outcome: Outcome) -> None:
        """Remember an outcome that was found exact at its timestamp.

        Failures are not kept: they hold on to all that the run had in hand.
        """
        if outcome.time_read or outcome.read_set is None or outcome.failure is not None:
            return
        claims = None if not outcome.identity_read else _claims(call.caller)
        self._put(
            _key(call, claims), msgspec.structs.replace(outcome, result=None, counts=())
        )

    def _proved(self, held: Outcome, view: View) -> Outcome | None:
        if held.ts == view.ts:
            return held
        if held.ts > view.ts or held.read_set is None:
            return None
        later = self._tail.since(held.ts, view.ts)
        if later is None or held.read_set.touched_by_any(later):
            return None
        return msgspec.structs.replace(held, ts=view.ts)

    def _put(self, key: _Key, outcome: Outcome) -> None:
        size = _size(key, outcome)
        with self._lock:
            before = self._held.pop(key, None)
            if before is not None:
                self._bytes -= _size(key, before)
            if size > MAX_ENTRY_BYTES:
                return
            self._held[key] = outcome
            self._bytes += size
            while self._bytes > MAX_BYTES:
                self._bytes -= _size(*self._held.popitem(last=False))


def _key(call: Call, claims: bytes | None) -> _Key:
    # Whoever may not call an internal function must not be shown what it returned, and
    # whoever may must not be told that there is none.
    # What runs for a job is under no row policy.
    rights = call.reaches_internal, call.job is not None
    return call.path, call.arguments, call.journal, claims, *rights


def _claims(caller: Caller) -> bytes:
    """Whatever of the identity a function can read, as one text."""
    if isinstance(caller, Unverified):
        return b"?"  # to ask for the identity is an error, which nobody else is told
    user = user_of(caller)
    return b"-" if user is None else msgspec.json.encode(user.attributes)


def _size(key: _Key, outcome: Outcome) -> int:
    path, arguments, journal, claims, *_ = key
    texts = len(path) + len(arguments) + len(journal or "") + len(claims or b"")
    reads = _INTERVAL_BYTES * len(outcome.read_set or ())
    return _ENTRY_BYTES + texts + reads + len(outcome.value or b"")
