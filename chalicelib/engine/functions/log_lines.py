"""Lines that a function logs for its caller: ``[LEVEL] text``, as the clients parse them."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from chalicelib.engine.limits import MAX_LOG_LINE_BYTES, MAX_LOG_LINES

Say: TypeAlias = Callable[[str, tuple[str, ...]], None]
"""Takes the lines that a function logged whose caller takes none, and what it is called."""


class Log:
    """Collects what one run has to say."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def lines(self) -> tuple[str, ...]:
        """What was logged, in order."""
        return tuple(self._lines)

    def debug(self, *values: Any) -> None:
        """Log for whoever looks closely."""
        self._add("DEBUG", values)

    def info(self, *values: Any) -> None:
        """Log what happened."""
        self._add("INFO", values)

    def warn(self, *values: Any) -> None:
        """Log what somebody should look at."""
        self._add("WARN", values)

    def warn_plainly(self, text: str) -> None:
        """Log a warning of the engine itself, however much was logged before."""
        self._lines.append(f"[WARN] {text}")

    def error(self, *values: Any) -> None:
        """Log what went wrong."""
        self._add("ERROR", values)

    def _add(self, level: str, values: tuple[Any, ...]) -> None:
        if len(self._lines) < MAX_LOG_LINES:
            text = " ".join(_inspect(value) for value in values)
            self._lines.append(_cut(f"[{level}] {text}"))


def _cut(line: str) -> str:
    """Keep as much of a line as its limit lets through, and no half of a character."""
    if len(line) * _WIDEST_CHARACTER <= MAX_LOG_LINE_BYTES:
        return line
    kept = line.encode(errors="replace")[:MAX_LOG_LINE_BYTES]
    return kept.decode(errors="ignore")


_WIDEST_CHARACTER: Final = 4  # bytes in UTF-8


def _inspect(value: Any) -> str:
    """Strings in single quotes, as the clients' own inspection prints them."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
