"""What clients are told of a failure, and how outcomes are told apart."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from chalicelib.engine.errors import AppError, Conflict, FunctionNotFound
from chalicelib.engine.functions.outcome import DIGEST_BYTES, Failure, Outcome, failure_of


class WithNull(AppError):
    @property
    @override
    def data(self) -> Any:
        return None


class TestFailureOf:
    def test_an_application_error_carries_its_data(self) -> None:
        failure = failure_of(Conflict("in use", by="ann"), "1f")

        assert failure.data == (
            b'{"code":"CONFLICT","details":{"by":"ann"},"message":"in use"}'
        )

    def test_data_that_is_null_is_data(self) -> None:
        assert failure_of(WithNull("nothing"), "1f").data == b"null"

    def test_data_that_is_no_value_is_named_and_left_out(self) -> None:
        failure = failure_of(Conflict("in use", by=object()), "1f")

        assert failure.data is None
        assert failure.reason.startswith("Uncaught Conflict: its details are not values: ")

    def test_half_a_character_does_not_keep_a_failure_from_being_sent(self) -> None:
        assert failure_of(ValueError("\ud800"), "1f").reason == "Uncaught ValueError: ?"

    def test_an_engine_error_says_what_it_says(self) -> None:
        failure = failure_of(FunctionNotFound("no such function"), "1f")

        assert (failure.reason, failure.data) == ("no such function", None)

    def test_anything_else_is_uncaught(self) -> None:
        failure = failure_of(ValueError("oh"), "1f")

        assert (failure.reason, failure.data) == ("Uncaught ValueError: oh", None)


class TestMessage:
    def test_names_the_request_and_then_the_reason(self) -> None:
        message = Failure("1f", "Uncaught ValueError: oh").message(redacted=False)

        assert message == "[Request ID: 1f] Server Error\nUncaught ValueError: oh"

    def test_redacted_names_the_request_alone(self) -> None:
        message = Failure("1f", "Uncaught ValueError: oh").message(redacted=True)

        assert message == "[Request ID: 1f] Server Error"


class TestDigest:
    def test_is_short_and_equal_for_equal_values(self) -> None:
        one, other = Outcome(1, b'"a"', log_lines=("x",)), Outcome(2, b'"a"')

        assert one.digest == other.digest
        assert len(one.digest) == DIGEST_BYTES

    def test_tells_values_apart(self) -> None:
        assert Outcome(1, b"1").digest != Outcome(1, b"2").digest

    def test_does_not_change_with_the_request_that_failed(self) -> None:
        one, other = (Outcome(1, failure=Failure(i, "oh")) for i in ("1", "2"))

        assert one.digest == other.digest

    def test_tells_null_data_from_none(self) -> None:
        one = Outcome(1, failure=Failure("1", "oh", b"null"))
        other = Outcome(1, failure=Failure("1", "oh"))

        assert one.digest != other.digest

    def test_tells_a_failure_from_a_value_that_looks_like_it(self) -> None:
        failed = Outcome(1, failure=Failure("1", "oh"))

        assert failed.digest != Outcome(1, b"oh").digest
