"""Gates: what a run waits at until another one opens them.

How a run waits is for the place to say: a thread of its own sleeps, and the local server, which
runs many calls in one thread, goes on with another call meanwhile.
"""

from threading import Lock
from typing import Protocol


class Gate(Protocol):
    """Closed until it is opened, once; then open for good. One run waits at it."""

    def open(self) -> None:
        """Let whoever waits go on. May be called from any thread."""
        ...

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return True once the gate is open, False if it is not after ``timeout_s``."""
        ...


class LockGate:
    """A gate that stops the thread.

    A bare lock: an event costs several times as much, and every commit has one.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let whoever waits go on."""
        self._lock.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return True once the gate is open, False if it is not after ``timeout_s``."""
        if not self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return False
        self._lock.release()
        return True
