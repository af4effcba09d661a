"""Frames of one connection, one at a time: for a gateway that keeps their order."""

import threading
from collections import deque

from local.events import Event
from local.lambda_host import Done, LambdaFunction, Outcome, Stopped, Throttled

_Frame = tuple[Event, str, Done]


class Lines:
    """Calls a function with the events of each connection in turn, connections in parallel."""

    def __init__(self, function: LambdaFunction, *, ordered: bool) -> None:
        self._function, self._ordered = function, ordered
        self._lock = threading.Lock()
        # A connection has a line while a frame of it is being handled; the line holds those
        # that came after.
        self._lines: dict[str, deque[_Frame]] = {}

    def submit(self, connection_id: str, event: Event, *, what: str, done: Done) -> None:
        """Call the function with ``event``, after the events of its connection before it."""
        frame = (event, what, done)
        if not self._ordered:
            refused = self._refused(frame, done)
            if refused is not None:
                done(refused)
            return
        with self._lock:
            line = self._lines.get(connection_id)
            if line is None:
                self._lines[connection_id] = deque()
            else:
                line.append(frame)
        if line is None:
            self._begin(connection_id, frame)

    def _begin(self, connection_id: str, frame: _Frame | None) -> None:
        """Have a frame handled; if it is refused, the next one, until the line is empty."""
        while frame is not None:
            done = frame[2]

            def ended(outcome: Outcome, done: Done = done) -> None:
                done(outcome)
                self._begin(connection_id, self._next(connection_id))

            refused = self._refused(frame, ended)
            if refused is None:
                return
            done(refused)
            frame = self._next(connection_id)

    def _next(self, connection_id: str) -> _Frame | None:
        with self._lock:
            line = self._lines[connection_id]
            if line:
                return line.popleft()
            del self._lines[connection_id]
            return None

    def _refused(self, frame: _Frame, done: Done) -> Outcome | None:
        event, what, _ = frame
        try:
            self._function.submit(event, what=what, done=done)
        except (Throttled, Stopped) as error:
            return Outcome(error=error)
        return None
