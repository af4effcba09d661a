"""Results of queries, shared between callers and proved fresh by the log's tail."""

from collections import OrderedDict
from threading import Lock
from typing import Final

import msgspec

from chalicelib.engine.auth.seen import Claims, projection
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome

MAX_BYTES: Final = 64 * 1024 * 1024
"""Memory that the values kept may take, in bytes."""

MAX_ENTRY_BYTES: Final = 1024 * 1024
"""Size from which an outcome is not kept: a few large ones would drive all others out."""

_ENTRY_BYTES: Final = 500  # what an entry takes besides its parts, roughly
_INTERVAL_BYTES: Final = 200  # what one interval of a read set takes, roughly

_Call = tuple[str, bytes, str | None, bool, bool]
_Key = tuple[_Call, Claims, bytes]

KEPT_CALLS: Final = 50_000
"""Calls of which it is known which claims they read."""

KEPT_CLAIMS: Final = 8
"""Sets of claims that one call may have read, by the data that it met; older ones are dropped."""


class QueryCache:
    """The newest outcome of each query, for everybody who shows the same of what it read.

    An outcome is exact at its own timestamp. It is exact at a later one too if nothing that
    the log has in between touches its read set, which includes the catalogue: new code or a
    new schema makes every outcome stale. It is a caller's too if all claims that the run read of
    its own caller are equal: those that were not there, and whether anybody is signed in.
    """

    def __init__(self, tail: LogTail) -> None:
        self._tail, self._lock = tail, Lock()
        self._held: OrderedDict[_Key, Outcome] = OrderedDict()
        self._claims: OrderedDict[_Call, tuple[Claims, ...]] = OrderedDict()
        self._bytes = 0
        self.hits = self.misses = 0

    def at(self, call: Call, view: View) -> Outcome | None:
        """Return the outcome of ``call`` at ``view`` if it is known without running."""
        found = self._find(call, view)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def knows(self, call: Call, view: View) -> bool:
        """Tell whether an outcome is known at ``view``; this is not counted."""
        return self._find(call, view) is not None

    def _find(self, call: Call, view: View) -> Outcome | None:
        name = _name(call)
        for claims in self._claims.get(name, ()):
            key = name, claims, projection(call.caller, claims)
            held = self._held.get(key)  # without the lock: nothing else is looked at
            if held is not None and (fresh := self._proved(held, view)) is not None:
                if fresh is not held:
                    self._put(key, fresh)
                return fresh
        return None

    def keep(self, call: Call, outcome: Outcome) -> None:
        """Remember an outcome that was found exact at its timestamp.

        Failures are not kept: they hold on to all that the run had in hand.
        """
        if outcome.time_read or outcome.read_set is None or outcome.failure is not None:
            return
        name = _name(call)
        key = name, outcome.claims, projection(call.caller, outcome.claims)
        self._note(name, outcome.claims)
        self._put(key, msgspec.structs.replace(outcome, result=None, counts=()))

    def _note(self, name: _Call, claims: Claims) -> None:
        with self._lock:
            known = self._claims.get(name, ())
            if claims not in known:
                self._claims[name] = (claims, *known)[:KEPT_CLAIMS]
            self._claims.move_to_end(name)
            if len(self._claims) > KEPT_CALLS:
                self._claims.popitem(last=False)

    def _proved(self, held: Outcome, view: View) -> Outcome | None:
        if held.ts == view.ts:
            return held
        if held.ts > view.ts or held.read_set is None:
            return None
        later = self._tail.stretch(held.ts, view.ts)
        if later is None or later.first_touching(held.read_set) is not None:
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


def _name(call: Call) -> _Call:
    # Whoever may not call an internal function must not be shown what it returned, and
    # whoever may must not be told that there is none.
    # What runs for a job is under no row policy.
    rights = call.reaches_internal, call.job is not None
    return call.path, call.arguments, call.journal, *rights


def _size(key: _Key, outcome: Outcome) -> int:
    (path, arguments, journal, *_), claims, shown = key
    texts = len(path) + len(arguments) + len(journal or "") + len(shown)
    texts += sum(map(len, claims))
    reads = _INTERVAL_BYTES * len(outcome.read_set or ())
    return _ENTRY_BYTES + texts + reads + len(outcome.value or b"")
