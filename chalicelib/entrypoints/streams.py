"""The commit log's stream: wakes the sessions that commits concern, moves the rows along."""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.bootstrap import Deployment

Record = Mapping[str, Any]


def commit_log(deployment: Deployment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Handle a batch of new entries. Records come at least once, in order at best.

    Nothing of a record is used but its position: the log itself says the rest. If the batch fails,
    its records are handled one by one, so that one that always fails holds up no other.

    Returns:
        Lambda's partial batch response: the batch comes again from the first that failed on.
    """
    records = event["Records"]
    if not records:
        return {"batchItemFailures": []}
    try:
        _handle(deployment, records)
    except Exception as error:  # noqa: BLE001 - the records are tried one by one
        deployment.report(error, "stream:batch", _number(records[0]))
        return {"batchItemFailures": _one_by_one(deployment, records)}
    return {"batchItemFailures": []}


def _handle(deployment: Deployment, records: Sequence[Record]) -> None:
    positions = [int(record["dynamodb"]["Keys"]["ts"]["N"]) for record in records]
    woken = deployment.backend.commits(min(positions), max(positions))
    deployment.telemetry.count(Commits=len(positions), SessionsWoken=woken)


def _one_by_one(deployment: Deployment, records: Sequence[Record]) -> list[dict[str, str]]:
    failed = []
    for record in records:
        try:
            _handle(deployment, [record])
        except Exception as error:  # noqa: BLE001 - it is reported, and comes again
            deployment.report(error, "stream:record", _number(record))
            failed.append({"itemIdentifier": _number(record)})
    return failed


def _number(record: Record) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number
