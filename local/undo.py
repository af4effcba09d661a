"""Undo what was committed since some moment: ``python -m local.undo``, or ``make undo``.

``plan`` finds out what would change, and writes nothing; ``apply`` does what was planned. Both
are done by jobs of the deployment: this waits, and prints how far they are. ``status`` only
looks, ``cancel`` gives an undo up, ``resume`` goes on where a job has failed. It asks a running
deployment, this machine's or one on AWS, with the admin key. See docs/restore.md.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from chalicelib.config import BadSetting, from_environment
from local.audit import Deployment, NotAnswered
from local.identity import admin_key

AT_WORK: Final = frozenset({"reading", "restoring", "canceling"})
"""States in which a job is doing something."""

PAUSE_S: Final = 1.0

ENDED: Final = frozenset({"planned", "done", "canceled"})
"""States that a command may end in; in any other one, its exit status is 1."""

Tell = Callable[[str], object]


def arguments_of(given: argparse.Namespace) -> dict[str, Any]:
    """What the function of a command is called with."""
    match given.command:
        case "plan":
            since = {"ts": given.ts} if given.ts is not None else {"time": given.time}
            batch = {} if given.batch is None else {"batch": given.batch}
            return {**since, **batch, "tables": given.table}
        case "apply":
            return {"overwrite": given.overwrite, "leave": given.leave}
        case _:
            return {}


def follow(deployment: Deployment, tell: Tell) -> Mapping[str, Any] | None:
    """Wait until no job is at work; tell how far it is whenever that has changed."""
    told = ""
    while True:
        undo = deployment.ask("_system/undo:status")
        if undo is None or undo["state"] not in AT_WORK:
            return undo  # type: ignore[no-any-return]  # JSON
        if (line := progress(undo)) != told:
            tell(line)
            told = line
        time.sleep(PAUSE_S)


def progress(undo: Mapping[str, Any]) -> str:
    """One line on what is being done."""
    if undo["state"] == "reading":
        begin = undo["target"]
        done, of = int(undo["position"] - begin), int((undo["until"] or begin) - begin)
        return f"reading: {done:,} of {of:,} commits, {int(undo['marks']):,} documents"
    left, restored = int(undo["marks"]), int(undo["restored"])
    return f"{undo['state']}: {restored:,} documents restored, {left:,} to be looked at"


def summary(undo: Mapping[str, Any]) -> Iterator[str]:
    """What an undo is about, and how it stands."""
    yield f"{undo['state']}: back to the commit {int(undo['target'])} {undo['why']}".rstrip()
    for one in undo["found"]:
        changes = (f"{int(one[n]):,} {n}" for n in ("deleted", "changed", "inserted"))
        yield f"  {one['table']}: since then {', '.join(changes)}"
    yield f"  restored: {int(undo['restored']):,}"
    for what, field, examples in (
        ("not allowed by the schema any more", "misfits", "misfitExamples"),
        ("naming files or jobs that are gone", "dangling", "danglingExamples"),
        ("left as they are", "left", "leftExamples"),
    ):
        if undo[field]:
            yield f"  {what}: {int(undo[field]):,}"
            yield from (
                f"    {m['document']}{m['path']}: {m['reason']}" for m in undo[examples]
            )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m local.undo", description=__doc__)
    made.add_argument("--url", help="where the deployment is; default: this machine's")
    made.add_argument("--admin-key", help="default: GEOFLOW_ADMIN_KEY, or the local one")
    commands = made.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="find out what would change")
    since = plan.add_mutually_exclusive_group(required=True)
    since.add_argument(
        "--time", help="back to the last commit by then: 2026-01-31T12:00:00Z"
    )
    since.add_argument("--ts", type=int, help="back to the commit at this timestamp")
    plan.add_argument("--table", action="append", help="this table alone; may be repeated")
    plan.add_argument("--batch", type=int, help="documents in one commit; 200")
    apply = commands.add_parser("apply", help="do what was planned")
    overwrite = "also what others have written since the plan was made"
    apply.add_argument("--overwrite", action="store_true", help=overwrite)
    leave = "leave documents that the schema does not allow, and do the others"
    apply.add_argument("--leave", action="store_true", help=leave)
    for name in ("status", "cancel", "resume"):
        commands.add_parser(name)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked, wait for its end, and return the exit status."""
    given = parser().parse_args(arguments)
    try:
        settings = from_environment(os.environ)
        key = given.admin_key or settings.admin_key or admin_key(settings.directory)
        url = given.url or settings.cloud_url or f"http://127.0.0.1:{settings.port}"
        deployment = Deployment(url, key)
        if given.command != "status":
            deployment.ask(f"_system/undo:{given.command}", **arguments_of(given))
        undo = follow(deployment, print)
    except (BadSetting, NotAnswered) as error:
        print(error, file=sys.stderr)
        return 2
    if undo is None:
        print("Nothing was ever undone here.")
        return 0
    print("\n".join(summary(undo)))
    return 0 if undo["state"] in ENDED else 1


if __name__ == "__main__":
    sys.exit(main())
