"""Stream records in the form that Lambda gives to a function."""

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

Record = dict[str, Any]


def sequence_number(record: Record) -> str:
    """Return the position of a record in its shard."""
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def lambda_record(record: Mapping[str, Any], arn: str) -> Record:
    """Return a record of ``GetRecords`` as Lambda sends it.

    boto3 gives bytes and a ``datetime``; an event is JSON: base64 texts, and seconds since
    1970.
    """
    change = dict(record["dynamodb"])
    created = change.get("ApproximateCreationDateTime")
    if isinstance(created, dt.datetime):
        change["ApproximateCreationDateTime"] = created.timestamp()
    for image in ("OldImage", "NewImage"):
        if image in change:
            # moto encodes binary keys once too often in "Keys"; the image has them right.
            change["Keys"] = {
                name: change[image].get(name, key) for name, key in change["Keys"].items()
            }
    for image in ("Keys", "NewImage", "OldImage"):
        if image in change:
            change[image] = {name: _json(value) for name, value in change[image].items()}
    return {**record, "dynamodb": change, "eventSourceARN": arn}


def _json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute value with its bytes as base64."""
    match dict(value):
        case {"B": data}:
            return {"B": _base64(data)}
        case {"BS": datas}:
            return {"BS": [_base64(data) for data in datas]}
        case {"M": fields}:
            return {"M": {name: _json(inner) for name, inner in fields.items()}}
        case {"L": items}:
            return {"L": [_json(item) for item in items]}
        case plain:
            return plain


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
