"""What ``make run`` prints first: where it is, how to get in, what to do next."""

from pathlib import Path
from typing import Final

from chalicelib.config import Settings
from local.identity import issue_token

ANEW: Final = "--anew"
"""Argument of a server that was started before, and told all of this then."""

DEVELOPERS: Final = "local"
"""The stage in which a developer reads the output; elsewhere it goes into a log."""


def greeting(settings: Settings) -> str:
    """The addresses and the next step; to a developer, a token too."""
    next_step = _for_a_developer if settings.stage == DEVELOPERS else _for_an_operator
    return f"""\
GeoFlow backend, {_kept(settings)}
  functions and sync   {settings.cloud_url}
  HTTP endpoints       {settings.site_url}
  serving              {", ".join(settings.apps)}

{next_step(settings)}"""


def _for_a_developer(settings: Settings) -> str:
    token = issue_token(
        Path(settings.data),
        "developer",
        issuer=settings.issuer,
        name="developer",
        email="developer@example.com",
    )
    return f"""\
A token, good for a day (another user: make -s token USER=alice):
  {token}

Next, in a second terminal:  make demo
Stop with Ctrl-C."""


def _for_an_operator(settings: Settings) -> str:
    return f"""\
A token of its own provider, for a user: python -m local.token --user alice
The key for npx convex: {Path(settings.data) / "admin_key"}"""


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
