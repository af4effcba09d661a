"""Appends that have a position and are not durable yet, and who waits for them."""

from collections.abc import Callable
from threading import Lock

from chalicelib.engine.errors import EngineError
from chalicelib.engine.gates import Gate
from chalicelib.engine.log import Entry

Answered = Callable[[], Entry | None]
"""Waits until an append is decided and durable; then what ``append`` returns or raises."""


class Pending:
    """An entry that has a position and is not yet durable; who waits for it has a gate here."""

    __slots__ = ("_gate", "_gates", "_lock", "data", "entry", "error")

    def __init__(self, entry: Entry, data: bytes, gate: Callable[[], Gate]) -> None:
        self.entry, self.data = entry, data
        self.error: EngineError | None = None
        self._gate, self._lock = gate, Lock()
        self._gates: list[Gate] | None = []

    def end(self, error: EngineError | None = None) -> None:
        """Let all who wait go on: the entry is durable, or could not be written."""
        with self._lock:
            gates, self._gates, self.error = self._gates or (), None, error
        for gate in gates:
            gate.open()

    def settled(self) -> None:
        """Return once the entry is durable; raise if it could not be written."""
        with self._lock:
            gate = self._gate() if self._gates is not None else None
            if self._gates is not None and gate is not None:
                self._gates.append(gate)
        if gate is not None:
            gate.wait()
        if self.error is not None:
            raise self.error

    def won(self) -> None:
        """Answer its own appender."""
        self.settled()

    def lost(self) -> Entry:
        """Answer an appender that came second."""
        self.settled()
        return self.entry
