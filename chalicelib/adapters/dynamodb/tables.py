"""What tables there are, for emulators to make and templates to declare."""

import time
from collections.abc import Sequence
from typing import Any, Final

from botocore.exceptions import ClientError
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.models import MODELS

CREATION_PATIENCE_S: Final = 60.0
"""How long a new table may take until it is ready, in seconds."""


def definition(model: type[Model], prefix: str) -> dict[str, Any]:
    """Return the parameters of ``CreateTable`` that make the table of ``model``."""
    keys = sorted(
        (
            name
            for name in model.get_attributes().values()
            if name.is_hash_key or name.is_range_key
        ),
        key=lambda attribute: not attribute.is_hash_key,
    )
    table: dict[str, Any] = {
        "TableName": prefix + model.Meta.table_name,
        "BillingMode": model.Meta.billing_mode,
        "KeySchema": [
            {
                "AttributeName": key.attr_name,
                "KeyType": "HASH" if key.is_hash_key else "RANGE",
            }
            for key in keys
        ],
        "AttributeDefinitions": [
            {"AttributeName": key.attr_name, "AttributeType": key.attr_type} for key in keys
        ],
    }
    view: str | None = getattr(model.Meta, "stream_view_type", None)
    if view is not None:
        table["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    return table


def create_tables(client: Any, prefix: str, models: Sequence[type[Model]] = MODELS) -> None:
    """Make the tables that are missing, streams included, and wait until they are ready.

    ``client`` is a botocore client of DynamoDB; ``prefix`` comes before each name.
    """
    for model in models:
        try:
            client.create_table(**definition(model, prefix))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
    for model in models:
        _wait_until_ready(client, prefix + model.Meta.table_name)


def stream_arn(client: Any, table: str) -> str:
    """Return the address of a table's stream; ``table`` is its full name."""
    arn: str = client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    return arn


def _wait_until_ready(client: Any, table: str) -> None:
    give_up = time.monotonic() + CREATION_PATIENCE_S
    while client.describe_table(TableName=table)["Table"]["TableStatus"] != "ACTIVE":
        if time.monotonic() > give_up:
            raise TimeoutError(f"the table {table} did not become ready")
        time.sleep(0.1)
