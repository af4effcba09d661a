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


def lambda_record(record: Mapping[str, Any], arn: str, *, twice_encoded: bool) -> Record:
    """Return a record of ``GetRecords`` as Lambda sends it.

    boto3 gives bytes and a ``datetime``; an event is JSON: base64 texts, and seconds since
    1970. With ``twice_encoded`` the bytes are base64 already, which is moto's mistake.
    """
    change = dict(record["dynamodb"])
    created = change.get("ApproximateCreationDateTime")
    if isinstance(created, dt.datetime):
        change["ApproximateCreationDateTime"] = created.timestamp()
    for image in ("Keys", "NewImage", "OldImage"):
        if image in change:
            change[image] = {
                name: _attribute(value, twice_encoded=twice_encoded)
                for name, value in change[image].items()
            }
    return {**record, "dynamodb": change, "eventSourceARN": arn}


def _attribute(value: Mapping[str, Any], *, twice_encoded: bool) -> dict[str, Any]:
    def text(data: bytes) -> str:
        return (data if twice_encoded else base64.b64encode(data)).decode()

    match dict(value):
        case {"B": bytes() as data}:
            return {"B": text(data)}
        case {"BS": datas}:
            return {"BS": [text(data) for data in datas]}
        case {"M": fields}:
            return {
                "M": {
                    name: _attribute(inner, twice_encoded=twice_encoded)
                    for name, inner in fields.items()
                }
            }
        case {"L": items}:
            return {"L": [_attribute(item, twice_encoded=twice_encoded) for item in items]}
        case plain:
            return plain
