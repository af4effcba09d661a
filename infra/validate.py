"""Holds the templates to cfn-lint, checkov, moto and our own laws: ``python -m infra.validate``.

Needs neither AWS nor the network. checkov lives in an environment of its own, since it pins an
older boto3: ``make validate`` makes it; without ``--checkov`` it is left out, and that is said.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from cfnlint.api import lint_file  # type: ignore[import-untyped]
from cfnlint.decode import decode  # type: ignore[import-untyped]

from infra import moto_stacks
from infra.build import ROOT, STAGES, build_templates
from infra.checks import (
    Template,
    check_alarms,
    check_buckets,
    check_event_sources,
    check_functions,
    check_gateways,
    check_policies,
    check_tables,
)
from infra.edge_checks import check_edge

DATA: Final = ROOT / "infra/data.yaml"
"""The template of the data stack."""

EDGE: Final = ROOT / "infra/edge.yaml"
"""The template of the edge stack."""

CHECKOV: Final = ROOT / "infra/checkov.yaml"
"""What checkov is not asked about, and why."""

Check = tuple[str, list[str]]
"""What was checked, and what is wrong with it."""


def problems(workspace: Path) -> Iterator[str]:
    """Build the templates of all stages in ``workspace``; yield what is wrong with them."""
    for _, found in checks(workspace):
        yield from found


def checks(workspace: Path, checkov: Path | None = None) -> Iterator[Check]:
    """Build the templates of all stages in ``workspace``, and check them one by one."""
    data, edge = load(DATA), load(EDGE)
    yield _check("data.yaml: cfn-lint", lint(DATA))
    yield _check(
        "data.yaml: tables are those of the models, kept, encrypted", check_tables(data)
    )
    yield _check(
        "data.yaml, edge.yaml: buckets are private and kept",
        (*check_buckets(data), *check_buckets(edge)),
    )
    yield _check(
        "policies: named actions on named resources",
        check_policies(ROOT / ".chalice", data),
    )
    yield _check("edge.yaml: cfn-lint", lint(EDGE))
    yield _check(
        "edge.yaml: sync, files and everything else go where they belong, uncached",
        check_edge(edge),
    )
    built = {stage: build_templates(stage, workspace) for stage in STAGES}
    for stage, out in built.items():
        app = load(out / "cfn.json")
        yield _check(
            f"{stage}: sources, functions, gateways and alarms keep our laws",
            check_app(app),
        )
    stage, out = STAGES[-1], built[STAGES[-1]]
    # One stage speaks for all: they differ in values of variables. And both forms of it,
    # because some rules see nothing in SAM's own resources.
    yield _check(f"{stage}: cfn-lint as SAM has it", lint(out / "sam.yaml"))
    yield _check(f"{stage}: cfn-lint as CloudFormation gets it", lint(out / "cfn.json"))
    yield _moto(data, load(out / "cfn.json"))
    if checkov is not None:
        for template in (DATA, EDGE, out / "cfn.json"):
            yield _check(f"{template.name}: checkov", run_checkov(checkov, template))


def check_app(app: Template) -> Iterator[str]:
    """Yield what breaks a law in the app's template, as CloudFormation gets it."""
    return chain(
        check_event_sources(app),
        check_functions(app),
        check_gateways(app),
        check_alarms(app),
    )


def lint(template: Path) -> Iterator[str]:
    """Yield what cfn-lint has against a template."""
    for match in lint_file(template):
        path = "/".join(map(str, getattr(match, "path", None) or ()))
        yield f"{template.name}: {match.rule.id} {match.message} (at {path})"


def run_checkov(program: Path, template: Path) -> Iterator[str]:
    """Yield what checkov has against a template, but for what ``checkov.yaml`` lists."""
    command = [str(program), "-f", str(template), "--config-file", str(CHECKOV)]
    command += ["-o", "json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        told = json.loads(run.stdout)
    except ValueError:
        yield f"checkov did not run: {run.stderr.strip() or run.stdout.strip()}"
        return
    for failed in told.get("results", {}).get("failed_checks", ()):
        yield f"{failed['check_id']} {failed['check_name']} ({failed['resource']})"


def load(template: Path) -> dict[str, Any]:
    """Read a template with the short forms of intrinsic functions written out."""
    read: dict[str, Any] = json.loads(json.dumps(decode(str(template))[0]))
    return read


def _check(what: str, found: Iterable[str]) -> Check:
    return what, list(found)


def _moto(data: Template, app: Template) -> Check:
    made = moto_stacks.create(data, app)
    failed = [
        f"{name}: {is_}" for name, is_ in made.resources.items() if is_ != "CREATE_COMPLETE"
    ]
    kinds = sorted(
        {app["Resources"].get(name, {}).get("Type", "") for name in made.left_out} - {""}
    )
    what = (
        f"moto: created {len(made.resources)} resources of data and app; it does not know"
        f" {len(made.left_out)}: {', '.join(kinds)}"
    )
    return what, failed


def main() -> None:
    """Print what was checked, and the problems; fail if there are any."""
    parser = argparse.ArgumentParser(prog="python -m infra.validate", description=__doc__)
    parser.add_argument("--checkov", type=Path, help="checkov's program")
    chosen = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as workspace:
        for what, found in checks(Path(workspace), chosen.checkov):
            broken += len(found)
            told = (f"{'✗' if found else '✓'} {what}", *found)
            sys.stdout.write("\n    ".join(told) + "\n")
    if chosen.checkov is None:
        sys.stdout.write("- checkov: left out; make validate runs it\n")
    sys.exit(f"{broken} problems" if broken else None)


if __name__ == "__main__":
    main()
