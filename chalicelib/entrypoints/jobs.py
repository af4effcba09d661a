"""The job queue: actions, sessions handed over, ticks."""

from collections.abc import Mapping
from typing import Any

from chalicelib.bootstrap import Deployment


def run(deployment: Deployment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Do the jobs of a batch; those that raise come again.

    Returns:
        Lambda's partial batch response.
    """
    failed: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            deployment.backend.job(record["body"].encode())
        except Exception as error:  # noqa: BLE001 - one job must not take others along
            deployment.report(error, "jobs", record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
