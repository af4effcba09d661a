"""``make demo``: a workflow is created and run, a worker processes it, a watcher looks on.

Everything happens through the running server; the worker and the watcher are programs of
their own, with the stock clients from PyPI and npm.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from convex import ConvexClient

from demo import workflow

REPOSITORY: Final = Path(__file__).resolve().parents[1]
WATCHER: Final = REPOSITORY / "demo" / "watch.mjs"
PATIENCE_S: Final = 300


def main() -> int:
    """Run the demo against a server that is up; return the exit code."""
    given = _arguments()
    if not _ready(given.url):
        sys.stderr.write(f"No server answers at {given.url}. Start one first: make run\n")
        return 1
    token = _token("--user", given.user)
    client = ConvexClient(given.url)
    client.set_auth(token)
    workflow_id = client.mutation("workflows:create", workflow.definition())
    _say(f"workflow   {workflow_id}  {workflow.definition()['name']}")
    start = {"workflowId": workflow_id, "inputs": workflow.INPUTS}
    execution_id = client.mutation("executions:start", start)
    _say(f"execution  {execution_id}\n")
    if not _watch_it_work(given.url, token, execution_id):
        return 1
    _tell(client.query("executions:get", {"executionId": execution_id}))
    _tell_log(client.query("logs:tail", {"executionId": execution_id, "limit": 1000}))
    return 0


def _watch_it_work(url: str, token: str, execution_id: str) -> bool:
    """Run the watcher, then the worker; return whether the execution succeeded."""
    watcher = _program(["node", str(WATCHER), url, execution_id], token)
    worker = _program(
        [sys.executable, "-m", "demo.worker", "--url", url, "--once"],
        _token("--user", "demo-worker", "--role", "worker"),
    )
    try:
        return watcher.wait(PATIENCE_S) == 0 and worker.wait(PATIENCE_S) == 0
    finally:
        for program in (worker, watcher):
            program.kill()
            program.wait()


def _program(command: list[str], token: str) -> subprocess.Popen[str]:
    # The commands are ours; node is found on the PATH, as make arranged it.
    program = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, text=True)  # noqa: S603
    assert program.stdin is not None  # noqa: S101 - asked for above
    program.stdin.write(f"{token}\n")
    program.stdin.close()
    return program


def _tell(execution: dict[str, Any]) -> None:
    outputs = execution["outputs"]
    land, all_of_it = outputs["land"]["areaKm2"], outputs["measure"]["areaKm2"]
    file, size = outputs["write"]["file"], outputs["write"]["bytes"]
    result = json.loads((REPOSITORY / file).read_text())
    _say(f"\nland            {land:>14,.0f} km²")
    _say(f"territorial sea {all_of_it - land:>14,.0f} km²")
    _say(f"countries       {', '.join(result['features'][0]['properties']['members'])}")
    _say(f"result          {file} ({size:,.0f} bytes of GeoJSON)")


def _tell_log(lines: list[dict[str, Any]]) -> None:
    last = lines[-1]
    _say(
        f"log             {len(lines)} lines, the last: {last['nodeId']} {last['message']}"
    )


def _token(*about: str) -> str:
    command = [sys.executable, "-m", "local.token", *about]
    printed = subprocess.run(  # noqa: S603 - our own program
        command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True
    )
    return printed.stdout.strip()


def _ready(url: str) -> bool:
    """Return whether the server answers, giving one that was just started a moment."""
    for _ in range(20):
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=5):  # noqa: S310 - given by the user
                return True
        except OSError:
            time.sleep(0.25)
    return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--url", default="http://127.0.0.1:3210", help="of the running server"
    )
    parser.add_argument("--user", default="alice", help="in whose name the workflow is run")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
