"""The local server while one develops: ``python -m local.dev``, or ``make dev``.

Python does not reload modules, so the server is started anew when a file of an app changes:
stock clients reconnect by themselves, and all live queries run again. An app that cannot be
served is not tried: what is wrong with it is printed, and the old server keeps serving.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from typing_extensions import override
from watchfiles import Change, PythonFilter, watch

from chalicelib.config import BadSetting, Settings, from_environment
from local.banner import ANEW

STOP_S: Final = 10
"""How long a server may take to stop; it leaves within three seconds unless it hangs."""

LOOK_MS: Final = 200
"""How often it is seen whether the server has ended of its own accord."""


def main() -> int:
    """Serve until a signal; return the exit status."""
    try:
        settings = from_environment(os.environ)
        places = sources(settings.apps)
    except BadSetting as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 1
    ended = threading.Event()
    # SIGHUP as well: with the terminal the server would go on, and nobody would end it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: ended.set())
    Developing(settings, places).run(ended)
    return 0


def sources(packages: Iterable[str]) -> list[Path]:
    """Return the directories of packages, and the files of modules that are none.

    Raises:
        BadSetting: One cannot be found.
    """
    return [_source(package) for package in packages]


class Developing:
    """A server, and the files that it is made of."""

    def __init__(self, settings: Settings, places: Sequence[Path]) -> None:
        self._places = places
        self._check = [*_PYTHON, "local.declarations"]
        if settings.types:
            self._check += ["--out", settings.types]
        self._server: subprocess.Popen[bytes] | None = None
        self._greeting = True

    def run(self, ended: threading.Event) -> None:
        """Serve what is there, and what comes of it, until ``ended``."""
        folders = {place if place.is_dir() else place.parent for place in self._places}
        changes = watch(
            *folders,
            watch_filter=_OfPlaces(self._places),
            stop_event=ended,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        begun = False
        try:
            # It watches from when it is first asked, so nothing is read before that.
            for changed in changes:
                if changed:
                    _say(f"{_names(changed)} changed.")
                if changed or not begun:
                    self._renew()
                    begun = True
                else:
                    self._look()
        finally:
            self._stop()

    def _renew(self) -> None:
        """Serve what the files say now, unless it cannot be served."""
        # In a session of its own: Ctrl-C is for us and the server, not for what is over soon.
        checked = subprocess.run(self._check, check=False, start_new_session=True)  # noqa: S603
        if checked.returncode:
            kept = "The server before it goes on." if self._server else "Nothing is served."
            _say(f"That cannot be served. {kept} Waiting for a change.")
            return
        self._stop()
        command = [*_PYTHON, "local", *([] if self._greeting else [ANEW])]
        self._server = subprocess.Popen(command)  # noqa: S603 - our own
        self._greeting = False

    def _look(self) -> None:
        if self._server is not None and self._server.poll() is not None:
            _say(
                f"The server has ended, with {self._server.returncode}. Waiting for a change."
            )
            self._server = None

    def _stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.terminate()
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class _OfPlaces(PythonFilter):
    """Lets through what is a Python file of one of the places."""

    def __init__(self, places: Sequence[Path]) -> None:
        super().__init__()
        self._places = places

    @override
    def __call__(self, change: Change, path: str) -> bool:
        ours = any(Path(path).is_relative_to(place) for place in self._places)
        return ours and super().__call__(change, path)


def _source(package: str) -> Path:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        raise BadSetting(f"GEOFLOW_APPS names {package}, and there is no such package")
    folders = list(spec.submodule_search_locations or ())
    found = folders[0] if folders else spec.origin
    if found is None:
        raise BadSetting(f"GEOFLOW_APPS names {package}, which is no package of files")
    return Path(found).resolve()


def _names(changed: Iterable[tuple[Change, str]]) -> str:
    return ", ".join(sorted({Path(path).name for _, path in changed}))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


_PYTHON: Final = (sys.executable, "-m")

if __name__ == "__main__":
    sys.exit(main())
