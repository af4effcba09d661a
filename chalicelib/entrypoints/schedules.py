"""What time alone sets going."""

from typing import Final

from chalicelib.bootstrap import Deployment

PERIOD_MS: Final = 60_000.0
"""How often the heartbeat comes. Source: the shortest period of an EventBridge rule."""


def heartbeat(deployment: Deployment) -> dict[str, int]:
    """Send the ticks of the next minute, and sweeps of scheduled functions and of files.

    Nothing renews itself: a tick that is lost is one tick lost.
    """
    deployment.backend.send_sweep()
    sessions = deployment.backend.send_ticks(PERIOD_MS)
    deployment.telemetry.count(Sessions=sessions)
    return {"sessions": sessions}


def deploy(deployment: Deployment) -> dict[str, str]:
    """Make the code and the schema of this version the ones that are served."""
    deployment.backend.deploy(deployment.code_version)
    return {"codeVersion": deployment.code_version}
