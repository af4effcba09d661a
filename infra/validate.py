"""Holds the templates to cfn-lint and to our own laws: ``python -m infra.validate``.

Needs neither AWS nor the network.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from cfnlint.api import lint_file  # type: ignore[import-untyped]
from cfnlint.decode import decode  # type: ignore[import-untyped]

from infra.build import ROOT, STAGES, build_templates
from infra.checks import (
    Template,
    check_buckets,
    check_event_sources,
    check_functions,
    check_gateways,
    check_policies,
    check_tables,
)

DATA: Final = ROOT / "infra" / "data.yaml"
"""The template of the data stack."""


def problems(workspace: Path) -> Iterator[str]:
    """Build the templates of all stages in ``workspace``; yield what is wrong with them."""
    data = load(DATA)
    yield from chain(
        lint(DATA),
        check_tables(data),
        check_buckets(data),
        check_policies(ROOT / ".chalice", data),
    )
    built = {stage: build_templates(stage, workspace) for stage in STAGES}
    for stage, out in built.items():
        found = check_app(load(out / "cfn.json"))
        yield from (f"{stage}: {problem}" for problem in found)
    # One stage speaks for all: they differ in values of variables. And both forms of it,
    # because some rules see nothing in SAM's own resources.
    out = built[STAGES[-1]]
    yield from chain(lint(out / "sam.yaml"), lint(out / "cfn.json"))


def check_app(app: Template) -> Iterator[str]:
    """Yield what breaks a law in the app's template, as CloudFormation gets it."""
    return chain(check_event_sources(app), check_functions(app), check_gateways(app))


def lint(template: Path) -> Iterator[str]:
    """Yield what cfn-lint has against a template."""
    for match in lint_file(template):
        path = "/".join(map(str, getattr(match, "path", None) or ()))
        yield f"{template.name}: {match.rule.id} {match.message} (at {path})"


def load(template: Path) -> dict[str, Any]:
    """Read a template with the short forms of intrinsic functions written out."""
    read: dict[str, Any] = json.loads(json.dumps(decode(str(template))[0]))
    return read


def main() -> None:
    """Print the problems; fail if there are any."""
    with tempfile.TemporaryDirectory() as workspace:
        found = list(problems(Path(workspace)))
    sys.exit("\n".join(found) if found else None)


if __name__ == "__main__":
    main()
