"""Frames of one connection, one at a time: for a gateway that keeps their order."""

import threading
from collections import deque
from collections.abc import Callable

from local.events import Event
from local.lambda_host import Done, LambdaFunction, Outcome, Stopped, Throttled


class Lines:
    """Calls a function with the events of each connection in turn, connections in parallel."""

    def __init__(self, function: LambdaFunction, *, ordered: bool) -> None:
        self._function, self._ordered = function, ordered
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Callable[[], None]]] = {}

    def submit(self, connection_id: str, event: Event, *, what: str, done: Done) -> None:
        """Call the function with ``event``, after the events of its connection before it."""
        if not self._ordered:
            self._call(event, what, done)
            return

        def ended(outcome: Outcome) -> None:
            self._next(connection_id)
            done(outcome)

        def begin() -> None:
            self._call(event, what, ended)

        with self._lock:
            line = self._waiting.setdefault(connection_id, deque())
            line.append(begin)
            first = len(line) == 1
        if first:
            begin()

    def _next(self, connection_id: str) -> None:
        with self._lock:
            line = self._waiting[connection_id]
            line.popleft()
            if not line:
                del self._waiting[connection_id]
                return
            begin = line[0]
        begin()

    def _call(self, event: Event, what: str, done: Done) -> None:
        try:
            self._function.submit(event, what=what, done=done)
        except (Throttled, Stopped) as error:
            done(Outcome(error=error))
