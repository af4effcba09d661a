"""Clients, a proxy and a server: one run, its history, and what it shows."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tests.clients.driver import drive
from tests.clients.dynamodb_process import dynamodb_process
from tests.clients.local_server import LocalServer
from tests.proof.faults.proxy import FaultProxy
from tests.proof.histories.checker import check
from tests.proof.histories.recorded import Line, recorded
from tests.proof.histories.transactions import Anomaly

APPS = "tests.apps.histories,tests.apps.lists"
END_WATCHING: Line = {"do": "swap", "key": "end", "value": "end"}
Store = Literal["sqlite", "dynamodb"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does. ``operations`` are shared by the clients; ``changes`` are of a list
    that is shown in pages; ``wishes`` are done to the server while they work."""

    store: Store
    operations: int
    changes: int
    wishes: Sequence[Literal["kill", "restart"]]
    faults: bool
    seed: int = 1
    sockets: int = 6
    https: int = 2
    observers: int = 2
    python_operations: int = 0
    python_watches: bool = False
    silent: int = 0
    """Connections, the first of all, that fall silent until their clients give them up."""
    operations_of_an_epoch: int = 120
    patience_seconds: int = 120


@dataclass
class Outcome:
    """What a run was told, and what is wrong with it."""

    told: dict[str, Any] = field(default_factory=dict)
    python: dict[str, Any] = field(default_factory=dict)
    watched: dict[str, Any] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    repeated: int = 0
    late: int = 0
    transactions: int = 0
    anomalies: Sequence[Anomaly] = ()
    seconds: float = 0

    @property
    def operations(self) -> int:
        """How many calls and changes clients made."""
        calls = sum(self.told[kind] for kind in ("mutations", "queries", "changes"))
        return int(calls) + int(self.python.get("mutations", 0))

    def broken(self) -> list[str]:
        """Say what did not hold."""
        found = [f"{anomaly.kind}: {anomaly.about}" for anomaly in self.anomalies]
        for what in ("lost", "wrong", "errors", "inconsistent"):
            found += [f"{what}: {about}" for about in self.told[what]]
        return found + [f"errors: {about}" for about in self.python.get("errors", ())]


def run(plan: Plan) -> Outcome:
    """Carry out a plan."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(_serving(plan.store, home))
        proxy = FaultProxy(server.port, plan.seed, silent=plan.silent)
        stack.enter_context(proxy.running())
        url = proxy.url if plan.faults or plan.silent else server.url
        if not plan.faults:
            proxy.calm()
        began = time.monotonic()
        outcome = _work(plan, url, home, server, proxy)
        outcome.seconds = time.monotonic() - began
        outcome.faults, outcome.connections = proxy.faults, proxy.connections
        outcome.faults.update(_counted(plan.wishes))
        _judge(outcome, sorted(home.glob("*.jsonl")), server.url)
    return outcome


def _counted(wishes: Sequence[str]) -> Counter[str]:
    names = {"kill": "server killed", "restart": "server restarted"}
    return Counter(names[wish] for wish in wishes)


@contextmanager
def _serving(store: Store, home: Path) -> Iterator[LocalServer]:
    settings = {"GEOFLOW_STORE": store, "GEOFLOW_APPS": APPS}
    with ExitStack() as stack:
        if store == "dynamodb":
            settings["GEOFLOW_DYNAMODB_ENDPOINT"] = stack.enter_context(dynamodb_process())
        server = LocalServer(home, settings)
        stack.callback(server.close)
        server.start()
        yield server


def _work(
    plan: Plan, url: str, home: Path, server: LocalServer, proxy: FaultProxy
) -> Outcome:
    outcome = Outcome()
    wishes: Mapping[str, Callable[[], None]] = {
        "kill": server.kill_and_start,
        "restart": server.restart,
        "calm": proxy.calm,
    }
    with ThreadPoolExecutor() as pool:
        python = None
        if plan.python_operations:
            python = pool.submit(
                drive, "drive_history_python.py", _python_stage(plan, url, home), {}
            )
        watcher = None
        if plan.python_watches:
            stage = _watching_stage(plan, url, home)
            watcher = pool.submit(drive, "drive_watch_python.py", stage, {})
        outcome.told = drive("drive_history.mjs", _stage(plan, url, home), wishes).result
        if python is not None:
            outcome.python = python.result().result
        if watcher is not None:
            _call(server.url, "mutation", "lists:transact", [END_WATCHING])
            outcome.watched = watcher.result().result
    return outcome


def _stage(plan: Plan, url: str, home: Path) -> dict[str, Any]:
    return {
        "url": url,
        "run": "js",
        "seed": plan.seed,
        "history": str(home / "js.jsonl"),
        "ops": plan.operations,
        "opsOfAnEpoch": plan.operations_of_an_epoch,
        "sockets": plan.sockets,
        "https": plan.https,
        "observers": plan.observers,
        "changes": plan.changes,
        "wishes": list(plan.wishes),
        "patience": plan.patience_seconds,
    }


def _python_stage(plan: Plan, url: str, home: Path) -> dict[str, Any]:
    epochs = max(1, plan.operations // plan.operations_of_an_epoch)
    return {
        "url": url,
        "run": "py",
        "seed": plan.seed,
        "history": str(home / "py.jsonl"),
        "ops": plan.python_operations,
        "epochs": epochs,
    }


def _watching_stage(plan: Plan, url: str, home: Path) -> dict[str, Any]:
    last = max(0, plan.operations // plan.operations_of_an_epoch - 1)
    return {
        "url": url,
        "run": "py watching",
        "history": str(home / "py-watching.jsonl"),
        "epochs": sorted({0, last // 2, last}),
    }


def _judge(outcome: Outcome, files: Sequence[Path], url: str) -> None:
    keys = sorted({step["key"] for line in _steps(files) for step in line})
    history = recorded(files, [_at_the_end(url, keys)])
    outcome.repeated, outcome.late = history.repeated, history.late
    outcome.transactions = len(history.transactions)
    outcome.anomalies = [*history.anomalies, *check(history.transactions)]


def _steps(files: Sequence[Path]) -> Iterator[Sequence[Line]]:
    for file in files:
        for line in file.read_text().splitlines():
            yield [step for step in json.loads(line).get("steps", ()) if step["key"]]


def _at_the_end(url: str, keys: Sequence[str]) -> Line:
    """Read everything, past all proxies, after all is done."""
    steps = [
        {"do": "read" if key.startswith("list") else "get", "key": key} for key in keys
    ]
    invoked, told = time.monotonic(), list[Any]()
    for first in range(0, len(steps), 50):
        told += _look(url, steps[first : first + 50])
    at = [invoked, time.monotonic()]
    line = {"session": "end", "name": "the end", "steps": steps, "outcome": "ok"}
    return {**line, "told": told, "at": at}


def _look(url: str, steps: Sequence[Line]) -> list[Any]:
    return _call(url, "query", "lists:look", steps)


def _call(url: str, kind: str, path: str, steps: Sequence[Line]) -> list[Any]:
    body = {"path": path, "args": [{"steps": steps}], "format": "json"}
    request = urllib.request.Request(
        f"{url}/api/{kind}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told
    found: list[Any] = told["value"]
    return found
