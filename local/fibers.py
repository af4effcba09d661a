"""Fibers: calls that share one thread, each until it waits for something.

Threads that run Python take turns anyway, and to pass a turn to another thread takes the system
longer than a mutation computes; a commit has several such turns. Fibers pass it on for next to
nothing, and what has waited for the same disk write goes on together.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from greenlet import getcurrent, greenlet
from typing_extensions import override

from chalicelib.adapters.system import SystemClock
from chalicelib.engine.gates import LockGate
from local.lambda_host import Call, Done, Event, LambdaFunction, Log

AT_ONCE: Final = 1000
"""Calls of one function under way from which further ones go to threads, and stand in line."""

LONG_S: Final = 0.02
"""How long one fiber may compute until new calls go to threads: they need not wait for it."""

IDLE: Final = 256
"""Fibers that have nothing to do and are kept for the next calls."""

LATER_S: Final = 0.003
"""How long what is done :func:`later` may wait while other fibers go on."""

log: Final = logging.getLogger("geoflow.local")

Work = Callable[[], None]


class Ticket:
    """One wait of one fiber: the first who uses it lets the fiber go on."""

    __slots__ = ("fiber", "hub", "used")

    def __init__(self, hub: "Hub") -> None:
        self.hub, self.fiber, self.used = hub, getcurrent(), False


class Hub:
    """A thread, and the fibers that it runs, in the order in which they can go on."""

    def __init__(self, name: str) -> None:
        self._ready: SimpleQueue[Work | Ticket | None] = SimpleQueue()
        self._sleeping: list[tuple[float, int, Ticket]] = []
        self._numbers = itertools.count()
        self._idle: list[greenlet] = []
        self._later: list[Work] = []
        self._later_since = 0.0
        self._since = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def start(self, work: Work) -> None:
        """Run ``work`` in a fiber of its own. May be called from any thread."""
        self._ready.put(work)

    def resume(self, ticket: Ticket) -> None:
        """Let a fiber go on. May be called from any thread."""
        self._ready.put(ticket)

    def stop(self) -> None:
        """End the thread when it comes to it. Fibers that wait are left where they are."""
        self._ready.put(None)

    def is_held(self) -> bool:
        """Tell whether one fiber has been computing for long."""
        since = self._since
        return since > 0 and time.monotonic() - since > LONG_S

    def park(self, ticket: Ticket, timeout_s: float | None = None) -> None:
        """Let others go on until the ticket of this fiber is used, or the time is over."""
        if timeout_s is not None:
            until = time.monotonic() + timeout_s
            heapq.heappush(self._sleeping, (until, next(self._numbers), ticket))
        self._own.switch()

    def later(self, work: Work) -> None:
        """Do ``work`` once no fiber can go on, or after ``LATER_S``; equal work is done once."""
        if work not in self._later:
            self._later_since = self._later_since or time.monotonic()
            self._later.append(work)

    def _run(self) -> None:
        _here.hub, self._own = self, getcurrent()
        while (item := self._next()) is not None:
            self._since = time.monotonic()
            self._attempt(partial(self._go_on, item))
            self._since = 0.0
            if self._later and self._is_time():
                self._do_what_was_left()
        self._idle.clear()

    def _attempt(self, work: Work) -> None:
        try:
            work()
        except Exception:
            log.exception("a call could not be finished")

    def _is_time(self) -> bool:
        return self._ready.empty() or time.monotonic() - self._later_since > LATER_S

    def _do_what_was_left(self) -> None:
        left, self._later, self._later_since = self._later, [], 0.0
        for work in left:
            self._attempt(work)

    def _go_on(self, item: Work | Ticket) -> None:
        if not isinstance(item, Ticket):
            fiber = self._idle.pop() if self._idle else greenlet(self._live)
            fiber.switch(item)
        elif not item.used:
            item.used = True
            item.fiber.switch()

    def _live(self, work: Work) -> None:
        """What a fiber does: one call after another, since a new one begins with cold memory."""
        while True:
            self._attempt(work)
            if len(self._idle) >= IDLE:
                return
            self._idle.append(getcurrent())
            work = self._own.switch()

    def _next(self) -> Work | Ticket | None:
        while self._sleeping:
            wait_s = self._sleeping[0][0] - time.monotonic()
            if wait_s <= 0:
                return heapq.heappop(self._sleeping)[2]
            try:
                return self._ready.get(timeout=wait_s)
            except Empty:
                continue
        return self._ready.get()


class _OfThread(threading.local):
    hub: Hub | None = None


_here: Final = _OfThread()


def later(work: Work) -> bool:
    """Have ``work`` done when the fibers of this thread rest; False if it has none.

    Between them there is next to nothing; but to wake another thread takes the system as long
    as a tenth of a mutation, and it then asks for its turn.
    """
    if _here.hub is None:
        return False
    _here.hub.later(work)
    return True


class FiberGate:
    """A gate at which a fiber lets others go on; a thread sleeps."""

    __slots__ = ("_inner", "_lock", "_opened", "_ticket")

    def __init__(self) -> None:
        self._lock, self._opened = threading.Lock(), False
        self._ticket: Ticket | None = None
        self._inner: LockGate | None = None

    def open(self) -> None:
        """Let whoever waits go on."""
        with self._lock:
            self._opened = True
        if self._ticket is not None:
            self._ticket.hub.resume(self._ticket)
        if self._inner is not None:
            self._inner.open()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return True once the gate is open, False if it is not after ``timeout_s``."""
        hub = _here.hub
        if hub is None:
            return self._sleep(timeout_s)
        ticket = Ticket(hub)
        with self._lock:
            if self._opened:
                return True
            self._ticket = ticket
        hub.park(ticket, timeout_s)
        return self._opened

    def _sleep(self, timeout_s: float | None) -> bool:
        with self._lock:
            if self._opened:
                return True
            inner = self._inner = LockGate()
        return inner.wait(timeout_s)


class FiberClock(SystemClock):
    """The machine's clock; a fiber that waits lets others go on."""

    @override
    def wait_ms(self, duration_ms: float) -> None:
        """Return after about ``duration_ms``."""
        if duration_ms <= 0:
            return
        FiberGate().wait(duration_ms / 1000)


class FiberFunction(LambdaFunction):
    """A function whose short calls are fibers of one thread; the others get threads.

    What ``is_short`` must not wait for anything but gates and the clock.
    """

    def __init__(
        self,
        name: str,
        handler: Callable[..., object],
        *,
        concurrency: int,
        timeout_s: float,
        log: Log,
        is_short: Callable[[str], bool],
        at_once: int | None = None,
    ) -> None:
        super().__init__(
            name,
            handler,
            concurrency=concurrency,
            timeout_s=timeout_s,
            log=log,
            at_once=at_once,
        )
        self._is_short = is_short
        self._hub = Hub(f"{name}-fibers")
        self._hub.begin()

    @override
    def submit(self, event: Event, *, what: str, done: Done | None = None) -> None:
        """Run the handler in a fiber if the call is short, or else in a thread of its own."""
        few = len(self._open) < AT_ONCE
        if self._stopped or not few or not self._is_short(what) or self._hub.is_held():
            super().submit(event, what=what, done=done)
            return
        self._hub.start(partial(self._handle, self._opened(event, what, done)))

    @override
    def stop(self) -> None:
        """Take no more calls."""
        super().stop()
        self._hub.stop()

    def _handle(self, call: Call) -> None:
        self._close(call, self._run(call))
