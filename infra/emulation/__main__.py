"""``python -m infra.emulation --ministack PROGRAM``: deploy to MiniStack, and drive it.

Prints a transcript; infra/README.md keeps one. Takes a minute or two.
"""

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from infra.build import ROOT
from infra.emulation.stage import (
    Account,
    DidNotStart,
    bundle,
    edge,
    free_port,
    ministack,
)
from infra.stacks import StackFailed
from local.identity import issue_token, local_provider

CLIENT: Final = Path(__file__).resolve().parent / "drive.mjs"
ISSUER: Final = "https://emulated.example"
"""Who vouches for the client's user; its key goes along, so that nobody is asked."""

CLIENTS: Final = ROOT / "tests/clients"
"""Where the stock client is installed."""


def main() -> int:
    """Return 0 if the client came to its end."""
    parser = argparse.ArgumentParser(prog="python -m infra.emulation", description=__doc__)
    parser.add_argument("--ministack", type=Path, required=True, help="its program")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        try:
            return _run(chosen.ministack, Path(directory), stack)
        except (DidNotStart, StackFailed) as failed:
            sys.stdout.write(f"did not start: {failed}\n")
            return 1


def _run(program: Path, directory: Path, stack: ExitStack) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {text}\n")
        sys.stdout.flush()

    out = bundle(directory)
    megabytes = (out / "deployment.zip").stat().st_size / 1e6
    say(f"chalice package: a bundle of {megabytes:.0f} MB, for this machine's processor")
    address = stack.enter_context(ministack(program, directory / "ministack.log"))
    say("MiniStack runs")
    keys = directory / "keys"
    keys.mkdir()
    port, secret = free_port(), secrets.token_hex(32)
    account = Account(address)
    outputs = account.create(
        out,
        {
            "Secret": secrets.token_hex(32),
            "EdgeSecret": secret,
            "CodeVersion": "emulated",
            "CloudUrl": f"http://127.0.0.1:{port}",
            "AuthProviders": msgspec.json.encode([local_provider(keys, ISSUER)]).decode(),
        },
    )
    for name in ("data", "app"):
        say(f"stack {name}: CREATE_COMPLETE, {account.count(name)} resources")
    say(f"the step after a deployment: {account.deploy(outputs['DeployFunctionName'])}")
    stack.enter_context(edge(address, outputs, secret, port))
    url = f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{url}/ready", timeout=60) as ready:  # noqa: S310 - our own
        say(f"GET /ready through the edge: {ready.status} {ready.read().decode()}")
    token = issue_token(keys, "alice", issuer=ISSUER, name="Alice")
    say("the stock npm client connects to the edge, and reaches the WebSocket API")
    given = json.dumps({"url": url, "token": token})
    return subprocess.run(  # noqa: S603
        ["node", "--input-type=module", "-", given],  # noqa: S607
        input=CLIENT.read_text(),
        text=True,
        cwd=CLIENTS,
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
