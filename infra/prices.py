"""What AWS asks for each unit: us-east-1, USD, on demand, without the free tier.

``CHECKED`` are figures that were read off AWS's price pages in November 2026; the others are
from memory of the same pages, and to be checked before somebody relies on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

MILLION: Final = 1_000_000
DATE: Final = "November 2026"
REGION: Final = "us-east-1"

Status = Literal["checked", "to be checked"]
CHECKED: Final = "checked"


class Price(msgspec.Struct, frozen=True):
    """One unit's price in USD, who asks it, and how sure that is.

    ``page`` is below ``aws.amazon.com/``.
    """

    service: str
    unit: str
    usd: float
    page: str
    status: Status = "to be checked"


_GATEWAY: Final = "api-gateway/pricing"
_TABLES: Final = "dynamodb/pricing/on-demand"
_WATCH: Final = "cloudwatch/pricing"

PRICES: Final[Mapping[str, Price]] = MappingProxyType(
    {
        "rest_request": Price(
            "API Gateway", "REST request", 3.50 / MILLION, _GATEWAY, CHECKED
        ),
        "socket_message": Price(
            "API Gateway", "message of 32 KB, either way", 1.0 / MILLION, _GATEWAY, CHECKED
        ),
        "socket_minute": Price(
            "API Gateway", "minute of a connection", 0.25 / MILLION, _GATEWAY, CHECKED
        ),
        "invocation": Price("Lambda", "invocation", 0.20 / MILLION, "lambda/pricing"),
        "gb_second": Price(
            "Lambda", "GB-second, arm64", 13.3334 / MILLION, "lambda/pricing"
        ),
        "write_unit": Price("DynamoDB", "write request unit", 0.625 / MILLION, _TABLES),
        "read_unit": Price("DynamoDB", "read request unit", 0.125 / MILLION, _TABLES),
        "table_gb": Price("DynamoDB", "GB-month", 0.25, _TABLES),
        "backup_gb": Price("DynamoDB", "GB-month of recovery", 0.20, _TABLES),
        "queue_request": Price("SQS", "request", 0.40 / MILLION, "sqs/pricing"),
        "file_gb": Price("S3", "GB-month", 0.023, "s3/pricing"),
        "file_get": Price("S3", "get", 0.4 / MILLION, "s3/pricing"),
        "edge_request": Price(
            "CloudFront", "HTTPS request", 1.00 / MILLION, "cloudfront/pricing"
        ),
        "edge_gb": Price("CloudFront", "GB out", 0.085, "cloudfront/pricing"),
        "log_gb": Price("CloudWatch", "GB of logs taken in", 0.50, _WATCH),
        "alarm": Price("CloudWatch", "alarm-month", 0.10, _WATCH),
        "dashboard": Price("CloudWatch", "dashboard-month", 3.00, _WATCH),
        "metric": Price("CloudWatch", "metric-month", 0.30, _WATCH),
        "key": Price("KMS", "key-month", 1.00, "kms/pricing"),
    }
)
"""Prices by the name of their unit."""
