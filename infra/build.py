"""Makes the templates of the app: ``python -m infra.build --stage dev``.

``chalice package`` writes the template of what ``app.py`` declares and merges
``app.merge.yaml`` over it (``sam.yaml``); SAM's own translator turns that into what
CloudFormation will work with (``cfn.json``), which is where some mistakes first show.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import yaml  # type: ignore[import-untyped]
from chalice.package import TemplateDeepMerger, YAMLTemplateSerializer
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

from infra.snapstart import TooOldForSnapStart, check_python, with_snapstart

ROOT: Final = Path(__file__).resolve().parent.parent
"""The directory of ``app.py``."""

STAGES: Final = ("dev", "staging", "prod")
"""Stages that ``.chalice/config.json`` describes."""

MERGED: Final = (ROOT / "infra/app.merge.yaml", ROOT / "infra/watch.merge.yaml")
"""What is merged over Chalice's template: the functions and queues; how they are watched."""

_SOURCES: Final = ("app.py", "chalicelib", ".chalice")
_NOT_SOURCES: Final = shutil.ignore_patterns(
    "__pycache__", "deployed", "deployments", "venv"
)
_CHALICE: Final = "import sys; from chalice.cli import main; sys.exit(main())"
_REGION: Final = "us-east-1"
"""Any region: templates name none, but the tools do not start without."""


class BuildFailed(Exception):
    """A tool refused; the message is what it said."""


class _NoManagedPolicies:
    """SAM asks AWS for managed policies; our roles name none."""

    def load(self) -> dict[str, str]:
        """Know no policy."""
        return {}


def build(stage: str, project: Path, out: Path, *, snapstart: bool = False) -> None:
    """Write ``deployment.zip``, ``sam.yaml`` and ``cfn.json`` into ``out``.

    The packages of ``requirements.txt`` are fetched as wheels for Lambda's processor.

    Raises:
        BuildFailed: Chalice or pip refused.
    """
    _package(stage, project, out)
    sam = yaml.safe_load((out / "sam.yaml").read_text())
    if snapstart:
        sam = with_snapstart(sam)
        (out / "sam.yaml").write_text(yaml.safe_dump(sam, allow_unicode=True))
    (out / "cfn.json").write_text(json.dumps(transformed(sam), indent=1) + "\n")


def build_templates(stage: str, workspace: Path) -> Path:
    """Build in ``workspace``, without the packages of ``requirements.txt``, offline.

    Returns:
        The directory of ``sam.yaml`` and ``cfn.json``, which are those of :func:`build`.
    """
    project = workspace / "project"
    for name in _SOURCES:
        source, copy = ROOT / name, project / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=_NOT_SOURCES, dirs_exist_ok=True)
        else:
            project.mkdir(exist_ok=True)
            shutil.copy(source, copy)
    (project / "requirements.txt").write_text("")
    out = workspace / stage
    build(stage, project, out)
    return out


def transformed(sam: dict[str, Any]) -> dict[str, Any]:
    """Return a SAM template as CloudFormation gets it after the transform."""
    fragment: dict[str, Any] = json.loads(json.dumps(sam))
    for resource in fragment["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The translator takes no local path; the upload would put an address here.
            resource["Properties"]["CodeUri"] = "s3://bucket/deployment.zip"
    # It warns of figures about itself that nobody collects here.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    with patch.dict("os.environ", _environment(), clear=True):
        result: dict[str, Any] = transform(fragment, {}, _NoManagedPolicies())
    return result


def _package(stage: str, project: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    merge = out / "merge.yaml"
    merge.write_text(yaml.safe_dump(merged(stage), allow_unicode=True))
    command = [sys.executable, "-c", _CHALICE, "--project-dir", str(project), "package"]
    command += ["--stage", stage, "--merge-template", str(merge), str(out)]
    run = subprocess.run(  # noqa: S603 - every word of it is ours
        command,
        env=_environment(),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BuildFailed(run.stdout + run.stderr)


def merged(stage: str) -> dict[str, Any]:
    """Chalice takes one file to merge: put ours into one, and say which stage it is."""
    chalice = YAMLTemplateSerializer()
    one: dict[str, Any] = {}
    for path in MERGED:
        one = TemplateDeepMerger().merge(chalice.load_template(path.read_text()), one)
    one["Parameters"]["StageName"]["Default"] = stage
    return one


def _environment() -> dict[str, str]:
    """The environment for tools, without our settings: a developer's stay out of templates."""
    inherited = os.environ  # noqa: TID251 - not a setting is read
    kept = {k: v for k, v in inherited.items() if not k.startswith("GEOFLOW_")}
    return {"AWS_DEFAULT_REGION": _REGION} | kept


def main() -> None:
    """Build one stage into a directory."""
    parser = argparse.ArgumentParser(prog="python -m infra.build", description=__doc__)
    parser.add_argument("--stage", choices=STAGES, default="dev")
    parser.add_argument("--out", type=Path, default=ROOT / "out")
    parser.add_argument(
        "--snapstart", action="store_true", help="start functions from snapshots"
    )
    chosen = parser.parse_args()
    try:
        if chosen.snapstart:
            check_python()
        build(chosen.stage, ROOT, chosen.out, snapstart=chosen.snapstart)
    except (BuildFailed, TooOldForSnapStart) as failed:
        sys.exit(str(failed))
    sys.stdout.write(f"{chosen.out}: deployment.zip, sam.yaml, cfn.json\n")


if __name__ == "__main__":
    main()
