"""Runs handlers as Lambda does: in parallel up to a limit, with a clock ticking."""

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import Any, Final

import msgspec

Event = Mapping[str, Any]
Handler = Callable[[Any, Any], Any]
"""What ``app.py`` exports: ``handler(event, context) -> result``."""


class Throttled(Exception):
    """More calls are waiting than the host keeps."""


class TimedOut(Exception):
    """The handler did not answer in time. It may still be running."""


class Stopped(Exception):
    """The host has stopped and takes no more calls."""


MAX_WAITING: Final = 10_000
"""How many calls of one function may wait for a thread."""


MAX_LAG_S: Final = 15.0
"""How long calls may have waited for a thread until no more are taken, in seconds.

Most clients give up a request after half a minute: better they are told at once.
"""


PATIENCE_S: Final = 0.02
"""How long calls wait while those under way are held up, where few are run at once."""


class LambdaContext:
    """The second argument of a handler: what Python code reads of Lambda's context."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    log_stream_name = "local"

    def __init__(self, function_name: str, *, deadline: float, memory_mb: int) -> None:
        self.function_name = function_name
        self.memory_limit_in_mb = memory_mb
        self._deadline = deadline

    @cached_property
    def aws_request_id(self) -> str:
        """The name of this call."""
        return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))

    @property
    def invoked_function_arn(self) -> str:
        """The function's full name."""
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """Where the function's log would be."""
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the handler may still run, in milliseconds, never below zero."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call, for the log.

    ``ms`` is from the moment the handler started until it ended or ran out of time,
    ``waited_ms`` from the moment the call arrived until then. ``status``: see
    :func:`status_of`.
    """

    function: str
    what: str
    status: int
    ms: float
    waited_ms: float
    error: BaseException | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What came of a call: a value, or an error."""

    value: Any = None
    error: BaseException | None = None


Done = Callable[[Outcome], None]
Log = Callable[[CallRecord], None]


@dataclass(slots=True, eq=False)
class Call:
    """A call that waits, or runs; times are of the monotonic clock."""

    event: Event
    what: str
    done: Done | None
    arrived: float
    deadline: float
    started: float = field(default=0.0)


def status_of(outcome: Outcome) -> int:
    """Return the ``statusCode`` that a handler answered, or the one that stands for none.

    200 where the result names no status, 504 for a timeout, 500 for any other error.
    """
    if outcome.error is not None:
        return 504 if isinstance(outcome.error, TimedOut) else 500
    status = outcome.value.get("statusCode") if isinstance(outcome.value, dict) else None
    return status if isinstance(status, int) else 200


class LambdaFunction:
    """One handler, its threads and its limits."""

    def __init__(
        self,
        name: str,
        handler: Handler,
        *,
        concurrency: int,
        timeout_s: float,
        log: Log,
        memory_mb: int = 1024,
        at_once: int | None = None,
    ) -> None:
        """Run up to ``concurrency`` calls side by side.

        Where ``at_once`` is given, so many as long as they go on by themselves: threads that
        only compute take turns, and each turn costs. See :meth:`relieve`.
        """
        self.name = name
        self._handler, self._log = handler, log
        self._concurrency, self._timeout_s = concurrency, timeout_s
        self._memory_mb = memory_mb
        self._at_once = at_once or concurrency
        self._taken, self._seen_taken, self._seen_at = 0, -1, 0.0
        self._inbox: SimpleQueue[Call | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: dict[int, Call] = {}
        self._stopped = False
        self._lag_s = 0.0

    def submit(self, event: Event, *, what: str, done: Done | None = None) -> None:
        """Run the handler in a thread of its own, in the order of submission.

        ``done`` is called exactly once, from some thread: with what the handler gave, or
        with :class:`TimedOut` when the function's time, counted from now, is over.

        Raises:
            Throttled: too many calls are waiting, or have waited for too long.
            Stopped: the host takes no more calls.
        """
        if self._stopped:
            raise Stopped(self.name)
        waiting = self._inbox.qsize()
        if waiting >= MAX_WAITING or (waiting and self._lag_s > MAX_LAG_S):
            raise Throttled(self.name)
        self._inbox.put(self._opened(event, what, done))
        if not self._idle.acquire(blocking=False):
            self._add_thread(self._work, self._at_once)

    def relieve(self) -> bool:
        """Add a thread, for as long as calls wait, if none was taken up for ``PATIENCE_S``.

        Who submits calls looks so often while there are some that wait.

        Returns:
            Whether calls wait.
        """
        if not self._inbox.qsize():
            self._seen_taken = -1
            return False
        now = time.monotonic()
        if self._seen_taken != self._taken:
            self._seen_taken, self._seen_at = self._taken, now
        elif now - self._seen_at >= PATIENCE_S:
            self._seen_at = now
            self._add_thread(self._help, self._concurrency)
        return True

    def attempt(self, event: Event, *, what: str) -> Outcome:
        """Run the handler in this thread, and return what came of it."""
        now = time.monotonic()
        call = Call(event, what, None, now, now + self._timeout_s)
        outcome = self._run(call)
        self._finish(call, outcome)
        return outcome

    def expire(self) -> None:
        """Answer the calls whose time is over. The host's owner calls it every so often."""
        now = time.monotonic()
        for key, call in list(self._open.items()):
            if call.deadline <= now and self._open.pop(key, None) is not None:
                self._finish(call, Outcome(error=TimedOut(self.name)))

    def stop(self) -> None:
        """Take no more calls; threads end with the call that they are in."""
        self._stopped = True
        with self._lock:
            for _ in self._threads:
                self._inbox.put(None)

    def busy(self) -> bool:
        """Tell whether calls are waiting or running."""
        return bool(self._open)

    def _opened(self, event: Event, what: str, done: Done | None) -> Call:
        now = time.monotonic()
        call = Call(event, what, done, now, now + self._timeout_s)
        self._open[id(call)] = call
        return call

    def _close(self, call: Call, outcome: Outcome) -> None:
        # Whoever takes the call out of the open ones tells its end, so once only.
        if self._open.pop(id(call), None) is not None:
            self._finish(call, outcome)

    def _add_thread(self, work: Callable[[], None], most: int) -> None:
        with self._lock:
            if len(self._threads) < most:
                name = f"{self.name}-{len(self._threads)}"
                # Daemons: a handler that hangs must not keep the process from stopping.
                thread = threading.Thread(target=work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            self._taken += 1
            self._close(call, self._run(call))
            del call

    def _help(self) -> None:
        """Take calls up until none waits, while those that should are held up."""
        with suppress(Empty):
            while (call := self._inbox.get_nowait()) is not None:
                self._taken += 1
                self._close(call, self._run(call))
        with self._lock:
            self._threads.remove(threading.current_thread())

    def _next(self) -> Call | None:
        try:
            call = self._inbox.get_nowait()
        except Empty:
            self._idle.release()
            call = self._inbox.get()
        # As long as the one before waited, the next one will have, too, roughly.
        self._lag_s = time.monotonic() - call.arrived if call is not None else 0.0
        return call

    def _run(self, call: Call) -> Outcome:
        call.started = time.monotonic()
        context = LambdaContext(
            self.name, deadline=call.started + self._timeout_s, memory_mb=self._memory_mb
        )
        try:
            return Outcome(self._handler(call.event, context))
        except Exception as error:  # noqa: BLE001 - a Lambda that raises is an outcome
            return Outcome(error=error)

    def _finish(self, call: Call, outcome: Outcome) -> None:
        ended = time.monotonic()
        started = call.started or ended
        record = CallRecord(
            function=self.name,
            what=call.what,
            status=status_of(outcome),
            ms=(ended - started) * 1000,
            waited_ms=(started - call.arrived) * 1000,
            error=outcome.error,
        )
        if call.done is not None:
            call.done(outcome)
        self._log(record)
