"""What ``make run`` prints first: where it is, how to get in, what to do next."""

from pathlib import Path
from typing import Final

from chalicelib.config import Settings
from local.identity import issue_token

ANEW: Final = "--anew"
"""Argument of a server that was started before, and told all of this then."""


def greeting(settings: Settings) -> str:
    """The addresses, a developer's token and the next step."""
    token = issue_token(
        Path(settings.data),
        "developer",
        issuer=settings.issuer,
        name="developer",
        email="developer@example.com",
    )
    return f"""\
GeoFlow backend, {_kept(settings)}
  functions and sync   http://{settings.host}:{settings.port}
  HTTP endpoints       http://{settings.host}:{settings.site_port}
  serving              {", ".join(settings.apps)}

A token, good for a day (another user: make -s token USER=alice):
  {token}

Next, in a second terminal:  make demo
Stop with Ctrl-C."""


def _kept(settings: Settings) -> str:
    match settings.store:
        case "sqlite":
            return f"data in {Path(settings.data).resolve()}"
        case "dynamodb" if settings.dynamodb_endpoint:
            return f"data in the DynamoDB API at {settings.dynamodb_endpoint}"
        case "dynamodb":
            return "on an emulated DynamoDB: data is gone when it stops"
        case "memory":
            return "in memory: data is gone when it stops"
