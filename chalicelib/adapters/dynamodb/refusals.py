"""What it means that DynamoDB, or the way there, has refused a call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
)

from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.engine.errors import OutcomeUnknown, StorageUnavailable

_REFUSALS: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_UNSENT: Final = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_SERVER_FAULT: Final = 500


class ConditionFailed(Exception):
    """The item was not as the condition wants it; ``item`` is how it was (None: absent)."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write was not met")
        self.item = item


class Refused(Exception):
    """The call was surely not executed, and may be if it is repeated."""


@contextmanager
def typed_errors(*, once: bool) -> Iterator[None]:
    """Raise what botocore raises as what it means for the caller."""
    try:
        yield
    except _UNSENT as error:
        raise Refused(str(error)) from error
    except BotoCoreError as error:
        raise _unanswered(error, once=once) from error
    except ClientError as error:
        answer = error.response
        code = answer["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            found: Any = answer.get("Item")
            raise ConditionFailed(found) from None
        if code in _REFUSALS:
            raise Refused(str(error)) from error
        if answer["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_FAULT:
            raise _unanswered(error, once=once) from error
        raise StorageUnavailable(str(error)) from error


def _unanswered(error: Exception, *, once: bool) -> Exception:
    """The call may have been executed, or may yet be."""
    return OutcomeUnknown(str(error)) if once else StorageUnavailable(str(error))
