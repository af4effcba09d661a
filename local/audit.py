"""Walk along the chain of the audit: ``python -m local.audit``, or ``make audit-verify``.

It asks a running deployment, this machine's or one on AWS, with the admin key, and computes every
hash itself. It exits with 1 at the first link that is broken, and prints which.

An anchor is what it printed earlier, kept where nobody who can write to the database can write:
``--anchor 57:3b1f…``. Without one, a chain that was computed anew from some event on, or cut off
together with its head, looks whole.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx

from chalicelib.config import BadSetting, from_environment
from chalicelib.geoflow.model.audit_chain import Anchor, Verdict, walk
from local.identity import admin_key

TIMEOUT_S: Final = 30


class NotAnswered(Exception):
    """The deployment did not answer, or not with what was asked for."""


class Deployment:
    """A deployment that answers internal queries to the holder of the admin key."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._headers = url.rstrip("/"), {"Authorization": f"Convex {key}"}

    def ask(self, path: str, **args: Any) -> Any:
        """Run a query.

        Raises:
            NotAnswered: it could not be run; the message says why.
        """
        body = {"path": path, "args": args, "format": "json"}
        try:
            response = httpx.post(
                f"{self._url}/api/function",
                json=body,
                headers=self._headers,
                timeout=TIMEOUT_S,
            )
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NotAnswered(f"{self._url} did not answer: {error}") from None
        if answer.get("status") != "success":
            told = answer.get("errorMessage") or answer.get("message") or "no reason given"
            raise NotAnswered(f"{self._url} refused {path}: {told}")
        return answer["value"]

    def events(self, after: int) -> Iterator[dict[str, Any]]:
        """Every event after one, oldest first."""
        while page := self.ask("audit:links", after=after):
            yield from page
            after = int(page[-1]["seq"])


def verify(deployment: Deployment, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Walk along the chain of a deployment.

    The head is asked for first: events that come meanwhile are not looked at.
    """
    chain = deployment.ask("audit:chain")
    head = Anchor(int(chain["seq"]), chain["hash"])
    base = Anchor(int(chain["baseSeq"]), chain["baseHash"])
    events = (e for e in deployment.events(base.seq) if int(e["seq"]) <= head.seq)
    return walk(events, base=base, head=head, anchors=anchors)


def anchor(text: str) -> Anchor:
    """Read ``<number>:<hash>``."""
    seq, _, digest = text.partition(":")
    if not seq.isdigit() or not digest:
        raise argparse.ArgumentTypeError(f"{text!r} is no anchor: <number>:<hash>")
    return Anchor(int(seq), digest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, print what came of it, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.audit", description=__doc__)
    parser.add_argument("--url", help="where the deployment is; default: this machine's")
    parser.add_argument("--admin-key", help="default: GEOFLOW_ADMIN_KEY, or the local one")
    parser.add_argument("--anchor", type=anchor, action="append", default=[])
    given = parser.parse_args(arguments)
    try:
        settings = from_environment(os.environ)
        key = given.admin_key or settings.admin_key or admin_key(settings.directory)
        url = given.url or settings.cloud_url or f"http://127.0.0.1:{settings.port}"
        found = verify(Deployment(url, key), given.anchor)
    except (BadSetting, NotAnswered) as error:
        print(error, file=sys.stderr)
        return 2
    if found.broken is not None:
        print(f"BROKEN: {found.broken} (it holds up to {found.end})", file=sys.stderr)
        return 1
    print(f"The chain holds. Write this down elsewhere: {found.end}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
