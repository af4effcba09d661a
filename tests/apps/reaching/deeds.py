"""Queries and mutations that do what only actions may, and actions that do it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from chalicelib.engine.server import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    action,
    mutation,
    query,
)


def _open() -> None:
    with open(os.devnull) as empty:  # noqa: PTH123 - the plain way
        empty.read()


def _connect() -> None:
    with socket.socket() as made:
        made.settimeout(0)


def _resolve() -> None:
    socket.getaddrinfo("localhost", 80)


def _spawn() -> None:
    subprocess.run(["true"], check=True)


def _keep() -> None:
    with tempfile.TemporaryFile():
        pass


def _list() -> None:
    os.listdir(os.curdir)  # noqa: PTH208 - the plain way


def _system() -> None:
    os.system("true")


def _import() -> None:
    import wave  # noqa: PLC0415 - while it runs

    assert wave.__name__


def _zone() -> None:
    ZoneInfo.no_cache("Asia/Tokyo")


def _log() -> None:
    try:
        int("no number")
    except ValueError:
        logging.getLogger(__name__).info("it failed", exc_info=True)


DEEDS: Final[Mapping[str, Callable[[], None]]] = {
    "open": _open,
    "connect": _connect,
    "resolve": _resolve,
    "spawn": _spawn,
    "keep": _keep,
    "list": _list,
    "system": _system,
    "import": _import,
    "zone": _zone,
    "log": _log,
}


@query
def look(ctx: QueryCtx, deed: str) -> str:
    """Do it in a query."""
    DEEDS[deed]()
    return "done"


@mutation
def change(ctx: MutationCtx, deed: str) -> str:
    """Do it in a mutation."""
    DEEDS[deed]()
    return "done"


@query
def hide(ctx: QueryCtx, deed: str) -> str:
    """Do it, and tell nobody that it did not work."""
    try:
        DEEDS[deed]()
    except Exception:  # noqa: BLE001 - on purpose
        return "nothing happened"
    return "done"


@action
def act(ctx: ActionCtx, deed: str) -> str:
    """Do it where it belongs, before and after a query that did nothing."""
    DEEDS[deed]()
    ctx.run_query(rest)
    DEEDS[deed]()
    return "done"


@query
def rest(ctx: QueryCtx) -> None:
    """Do nothing."""
