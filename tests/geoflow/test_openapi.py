"""The description of the REST view: it is right, and schemathesis finds nothing in it."""

from __future__ import annotations

import json
import os
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case, CheckContext, Config, GenerationMode, Response

from chalicelib import geoflow
from chalicelib.geoflow.openapi import description
from chalicelib.geoflow.rest import OPERATIONS
from tests.geoflow.wsgi import TOKEN, WsgiApp

ASKED: Final = os.environ.get("GEOFLOW_SCHEMATHESIS_EXAMPLES")
EXAMPLES: Final = int(ASKED or "2")
"""Requests of chance to each operation: a few, always the same, in `make test`; more, and others
each time, by the environment."""

CONFIG: Final = Config.from_dict(
    {
        "checks": {
            # What the schema cannot say: that a graph has no cycle, that a cursor was handed
            # out. `types_agree` below holds what is refused to that.
            "positive_data_acceptance": {
                "expected-statuses": [
                    "2xx",
                    "400",
                    "401",
                    "403",
                    "404",
                    "409",
                    "422",
                    "429",
                ]
            },
        },
        "generation": {
            "max-examples": EXAMPLES,
            "with-security-parameters": False,
            "deterministic": ASKED is None,
        },
        # What comes to an app at all: API Gateway refuses other methods itself.
        "phases": {
            "coverage": {"unexpected-methods": ["GET", "POST", "PUT", "PATCH", "DELETE"]}
        },
    }
)

APP: Final = WsgiApp(geoflow)
schema = schemathesis.openapi.from_wsgi("/api/openapi.json", APP, config=CONFIG)


@pytest.fixture(autouse=True)
def fresh() -> None:
    APP.begin_anew()


@schemathesis.check
def types_agree(_ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the description allows is of the right type to the function, too; ids aside."""
    generation = case.meta.generation if case.meta else None
    if generation is None or generation.mode is not GenerationMode.POSITIVE:
        return
    if response.status_code == 400:
        message = response.json()["error"]["message"]
        assert "v.id(" in message or not message.startswith("ArgumentValidationError"), (
            message
        )
        assert "field name" not in message, message


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=ASKED is None,
    suppress_health_check=list(HealthCheck),
)
def test_schemathesis_finds_nothing(case: Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})


def test_it_is_openapi() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(description()))).validate()


def test_it_describes_each_operation_once() -> None:
    paths: dict[str, dict[str, Any]] = description()["paths"]

    described = [op["operationId"] for path in paths.values() for op in path.values()]

    assert len(set(described)) == len(described) == len(OPERATIONS) + 7
    assert all(op["summary"] for path in paths.values() for op in path.values())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_can_be_asked_for(operation: Any) -> None:
    operation.endpoint.build()
