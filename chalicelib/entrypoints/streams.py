"""The commit log's stream: wakes the sessions that commits concern, moves the rows along."""

from collections.abc import Mapping
from typing import Any

from chalicelib.bootstrap import Deployment


def commit_log(deployment: Deployment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Handle a batch of new entries. Records come at least once, in order at best.

    Nothing of a record is used but its position: the log itself says the rest.

    Returns:
        Lambda's partial batch response: on an error the whole batch comes again.
    """
    positions = [int(record["dynamodb"]["Keys"]["ts"]["N"]) for record in event["Records"]]
    if positions:
        woken = deployment.backend.commits(min(positions), max(positions))
        deployment.telemetry.count(Commits=len(positions), SessionsWoken=woken)
    return {"batchItemFailures": []}
