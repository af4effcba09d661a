"""Every error that a transport answers has a status; anything else is opaque."""

from __future__ import annotations

import pytest

from chalicelib.engine.auth import parse_authorization
from chalicelib.engine.errors import (
    BaseVersionMismatch,
    BelowHorizon,
    EngineError,
    InvalidAuthHeader,
    NotDeployed,
)
from chalicelib.entrypoints.faults import STATUS, BadJsonBody, Fault, fault


def every(kind: type[EngineError]) -> list[type[EngineError]]:
    """All classes of errors below one."""
    return [kind, *(below for child in kind.__subclasses__() for below in every(child))]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadJsonBody("no"), 400, "BadJsonBody"),
        (BaseVersionMismatch(expected=1, received=0), 400, "BaseVersionMismatch"),
        (InvalidAuthHeader("no"), 401, "InvalidAuthHeader"),
        (BelowHorizon("too old"), 503, "OutOfRetention"),
        (NotDeployed("run the deploy step"), 503, "NotDeployed"),
    ],
)
def test_a_listed_error_has_its_status_code_and_message(
    error: EngineError, status: int, code: str
) -> None:
    assert fault(error) == (status, Fault(code, error.told))


@pytest.mark.parametrize("error", [ValueError("hunter2"), KeyError("x"), RecursionError()])
def test_anything_else_is_an_internal_error_that_says_nothing(error: Exception) -> None:
    status, body = fault(error)

    assert (status, body.code) == (500, "InternalServerError")
    assert str(error) not in body.message or not str(error)


def test_every_status_belongs_to_an_error_that_there_is() -> None:
    codes = {kind.code for kind in every(EngineError) if hasattr(kind, "code")}

    assert set(STATUS) <= codes


def test_every_error_that_may_be_retried_is_answered_as_such() -> None:
    for kind in every(EngineError):
        if kind.retryable and kind.__module__.startswith("chalicelib.engine.errors."):
            assert kind.code in STATUS, kind
            assert STATUS[kind.code] in {400, 429, 503}


def test_no_message_repeats_what_was_presented() -> None:
    with pytest.raises(InvalidAuthHeader) as refused:
        parse_authorization("Basic hunter2")

    assert "hunter2" not in fault(refused.value)[1].message
