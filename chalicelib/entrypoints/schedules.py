"""What time alone sets going."""

from collections.abc import Mapping
from typing import Any, Final

from chalicelib.bootstrap import Deployment

PERIOD_MS: Final = 60_000.0
"""How often the heartbeat comes. Source: the shortest period of an EventBridge rule."""


DEPLOY_WAIT_MS: Final = 240_000.0
"""How long the deploy step does the work itself; then the heartbeat
has jobs go on. Lambda gives it 300 s."""


def heartbeat(deployment: Deployment) -> dict[str, int]:
    """Send the ticks of the next minute, and for sweeps and the housekeeper.

    Nothing renews itself: a tick that is lost is one tick lost.
    """
    deployment.backend.send_sweep()
    sessions = deployment.backend.send_ticks(PERIOD_MS)
    deployment.backend.send_house_job()
    deployment.telemetry.count(Sessions=sessions)
    return {"sessions": sessions}


def deploy(deployment: Deployment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Make the code and the schema of this version the ones that are served.

    An event ``{"ask": true}`` changes nothing and tells how far the last one is.

    Raises:
        SchemaRefused: documents do not satisfy the schema; nothing was changed.
    """
    backend = deployment.backend
    if event.get("ask"):
        progress = backend.upkeep.progress()
    else:
        progress = backend.deploy(deployment.code_version, wait_ms=DEPLOY_WAIT_MS)
    told = {"codeVersion": progress.code_version, "state": progress.state}
    return {**told, "doing": progress.lines(), "refused": progress.refused}
