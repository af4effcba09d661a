"""Keeps a deterministic run away from the world: what would open a file or a socket stops it.

A query or a mutation is run again when it conflicts, and its result is kept and shown to
others; so all that it reads has to come from its ctx. CPython tells of what a program is
about to do (``sys.addaudithook``), whichever library does it. It does not tell of clocks and
chance, nor before version 3.12 of threads: ``purity`` looks for those.
"""

import linecache
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, ParamSpec, TypeVar, cast

from chalicelib.engine.errors import NotDeterministic

P = ParamSpec("P")
R = TypeVar("R")
Port = TypeVar("Port")


class _Run:
    """One run under guard, and what it was stopped from doing first."""

    __slots__ = ("refused",)

    def __init__(self) -> None:
        self.refused: NotDeterministic | None = None


_here: Final[ContextVar[_Run | None]] = ContextVar("run", default=None)
"""The run that this thread is at; or this fiber, where several share a thread."""


def isolated(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a deterministic function, here and now.

    Raises:
        NotDeterministic: It reached out of the process, whether it caught that error or not.
    """
    _listen()
    around, run = _here.get(), _Run()
    _here.set(run)
    try:
        return function(*args, **kwargs)
    finally:
        _here.set(around)
        if run.refused is not None:
            raise run.refused


def let_out(port: Port) -> Port:
    """Return a port whose methods may reach out, also when a guarded run calls them."""
    return cast(Port, _Door(port))


class _Door:
    """Stands for a port; what it does is the engine's business, and not the run's."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        port = self._port
        if not callable(getattr(port, name)):
            return getattr(port, name)

        def pass_through(*args: Any, **kwargs: Any) -> Any:
            run = _here.get()
            if run is None:
                return getattr(port, name)(*args, **kwargs)
            _here.set(None)
            try:
                return getattr(port, name)(*args, **kwargs)
            finally:
                _here.set(run)

        setattr(self, name, pass_through)  # the next call finds it without this detour
        return pass_through


_DEEDS: Final[Mapping[str, str]] = {
    "open": "open a file",
    "os": "use the operating system",
    "shutil": "change files",
    "tempfile": "make a file",
    "glob": "list files",
    "pathlib": "list files",
    "sqlite3": "open a database",
    "socket": "open a socket",
    "urllib": "send a request",
    "http": "send a request",
    "ftplib": "send a request",
    "smtplib": "send a mail",
    "subprocess": "start a process",
    "pty": "start a process",
    "webbrowser": "start a process",
    "signal": "send a signal",
    "_thread": "start a thread",
    "time": "sleep",
}
"""What a run may not do, by the first part of the event that tells of it.

Source: the table of audit events in CPython's documentation.
"""


@cache
def _listen() -> None:
    """Have CPython tell of what happens: once a process, since it cannot be undone."""
    sys.addaudithook(_heard)


def _heard(
    event: str, details: tuple[Any, ...], here: ContextVar[_Run | None] = _here
) -> None:
    run = here.get()
    if run is None:
        return
    deed = _DEEDS.get(event.partition(".")[0])
    if deed is None or _is_pythons_own(sys._getframe(1), event, details):  # noqa: SLF001 - there is no other way to a frame
        return
    error = NotDeterministic(deed)
    run.refused = run.refused or error
    raise error


def _is_pythons_own(frame: FrameType | None, event: str, details: tuple[Any, ...]) -> bool:
    """Tell whether an import or a reader of Python's own does this, and not the run."""
    if event == "open" and _holds_time_zones(str(details[0])):
        return True
    while frame is not None and frame.f_code is not _ISOLATED:
        if frame.f_code.co_filename.startswith(_READERS):
            return True
        frame = frame.f_back
    return False


def _holds_time_zones(path: str) -> bool:
    """Tell whether ``ZoneInfo(…)`` reads this: the same for every run of this process."""
    zones = sys.modules.get("zoneinfo")
    return zones is not None and (path.startswith(zones.TZPATH) or "/tzdata/" in path)


_LIBRARY: Final = Path(linecache.__file__).parent
_READERS: Final = (
    "<frozen importlib",
    *(str(_LIBRARY / name) for name in ("linecache.py", "pdb.py", "logging")),
)
"""Parts of Python that open files for others: to import, to show a traceback, to debug, to log."""

_ISOLATED: Final[CodeType] = isolated.__code__
