"""Prints a token for a user of the local server: ``python -m local.token --user alice``.

It signs with the key in the data directory, so the server need not be running.
"""

import argparse
import os
import sys
from pathlib import Path

from local.identity import DEFAULT_ISSUER, DEFAULT_LIFETIME_S, issue_token


def main(arguments: list[str] | None = None) -> int:
    """Print the token and nothing else; complaints go to standard error."""
    given = _parser().parse_args(arguments)
    user = given.user.strip()
    if not user:
        print("Name the user: --user alice", file=sys.stderr)
        return 2
    token = issue_token(
        given.directory,
        user,
        issuer=given.issuer,
        name=given.name or user,
        # example.com is reserved: no mail to a made-up developer reaches anybody.
        email=given.email or (user if "@" in user else f"{user}@example.com"),
        role=given.role,
        lifetime_s=given.lifetime_s,
    )
    print(token)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.token", description=__doc__)
    parser.add_argument("--user", required=True, help="subject of the token, as in alice")
    parser.add_argument("--name", help="name claim; the user unless given")
    parser.add_argument("--email", help="email claim; <user>@example.com unless given")
    parser.add_argument("--role", help="role claim, as in worker; none unless given")
    parser.add_argument("--lifetime-s", type=float, default=DEFAULT_LIFETIME_S)
    parser.add_argument(
        "--directory", type=Path, default=os.environ.get("GEOFLOW_DATA", "data")
    )
    parser.add_argument("--issuer", default=_issuer(), help="as the server is configured")
    return parser


def _issuer() -> str:
    """Return the issuer that a server with this environment has."""
    port = os.environ.get("GEOFLOW_PORT")
    address = f"http://127.0.0.1:{port}" if port else DEFAULT_ISSUER
    return os.environ.get("GEOFLOW_ISSUER", address)


if __name__ == "__main__":
    sys.exit(main())
