"""The one way to DynamoDB: named tables, retries that cannot lie, and the bill."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from random import random
from threading import Lock
from typing import Any, Final, TypeVar

from botocore.config import Config

from chalicelib.adapters import aws
from chalicelib.adapters.dynamodb.refusals import Refused, typed_errors
from chalicelib.adapters.dynamodb.usage import Item, Usage
from chalicelib.engine.errors import StorageUnavailable

CONNECT_S: Final = 1.0
"""How long a connection may take, in seconds; without one no request was sent."""

READ_S: Final = 3.0
"""How long an answer may take, in seconds: hundreds of times DynamoDB's usual."""

ATTEMPTS: Final = 5
"""How often the SDK tries what may be done twice."""

REFUSED_PATIENCE_S: Final = 8.0
"""How long a call that was surely not executed is repeated, in seconds."""

PARALLEL: Final = 16
"""Calls that are made at the same time."""

BATCH_KEYS: Final = 100
"""Items that are read in one call. Source: DynamoDB API reference, BatchGetItem."""

_FIRST_PAUSE_S: Final = 0.025

T = TypeVar("T")


class DynamoClient:
    """A thin port over two botocore clients: one that retries, and one that never does.

    Methods take the names of tables without the deployment's prefix, and items as the API
    writes them. All reads are strongly consistent. Safe under threads.

    A write with ``once`` is sent again only if it was surely not executed; if that cannot
    be known it raises OutcomeUnknown. Any other write may be executed twice: a condition
    that its own first execution makes false is then reported as failed.
    """

    def __init__(
        self,
        prefix: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        usage: Usage | None = None,
    ) -> None:
        self._prefix = prefix
        session = aws.session()
        self._patient = _make_client(session, endpoint, region, ATTEMPTS)
        self._once = _make_client(session, endpoint, region, 1)
        self._usage = usage
        if usage is not None:
            usage.watch(self._patient)
            usage.watch(self._once)
        self._threads: ThreadPoolExecutor | None = None
        self._lock = Lock()

    @property
    def raw(self) -> Any:
        """The botocore client that retries, for what this port does not cover."""
        return self._patient

    def table(self, name: str) -> str:
        """The full name of a table."""
        return self._prefix + name

    def get(self, table: str, key: Item) -> Item | None:
        """Read one item."""
        answer = self._call("get_item", table, Key=key, ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def get_all(self, table: str, keys: Sequence[Item]) -> list[Item]:
        """Read items by their keys, which must differ; in any order, absent ones left out."""
        name, found, left = self.table(table), list[Item](), list(keys)
        give_up = time.monotonic() + REFUSED_PATIENCE_S
        while left:
            asked = {name: {"Keys": left[:BATCH_KEYS], "ConsistentRead": True}}
            answer = self._repeated("batch_get_item", RequestItems=asked)
            found += answer["Responses"].get(name, ())
            undone = answer["UnprocessedKeys"].get(name, {}).get("Keys", [])
            left[:BATCH_KEYS] = undone
            if undone:
                # It leaves parts of a batch undone under load, and asks for patience.
                if time.monotonic() > give_up:
                    raise StorageUnavailable("a batch of reads was not done in time")
                time.sleep(_FIRST_PAUSE_S)
        return found

    def query(
        self,
        table: str,
        condition: str,
        values: Item,
        *,
        reverse: bool = False,
        limit: int | None = None,
        start: Item | None = None,
        consistent: bool = True,
    ) -> tuple[list[Item], Item | None]:
        """Read one page: its items, and the key after which the next one starts."""
        clauses: dict[str, Any] = {} if limit is None else {"Limit": limit}
        if start is not None:
            clauses["ExclusiveStartKey"] = start
        answer = self._call(
            "query",
            table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=not reverse,
            ConsistentRead=consistent,
            **clauses,
        )
        items: list[Item] = answer["Items"]
        return items, answer.get("LastEvaluatedKey")

    def put(
        self,
        table: str,
        item: Item,
        *,
        condition: str | None = None,
        values: Item | None = None,
        once: bool = False,
    ) -> None:
        """Write one item.

        Raises:
            ConditionFailed: Nothing was written.
            OutcomeUnknown: See the class.
            StorageUnavailable: Nothing was written, unless ``once`` is False.
        """
        self._write("put_item", table, condition, values, once=once, Item=item)

    def update(
        self,
        table: str,
        key: Item,
        expression: str,
        values: Item,
        *,
        condition: str | None = None,
        once: bool = False,
    ) -> Item:
        """Change one item and return it as it is then; raises as :meth:`put`."""
        answer = self._write(
            "update_item",
            table,
            condition,
            values,
            once=once,
            Key=key,
            UpdateExpression=expression,
            ReturnValues="ALL_NEW",
        )
        item: Item = answer["Attributes"]
        return item

    def delete(
        self,
        table: str,
        key: Item,
        *,
        condition: str | None = None,
        values: Item | None = None,
    ) -> None:
        """Remove one item, or nothing if it is absent; raises as :meth:`put`."""
        self._write("delete_item", table, condition, values, once=False, Key=key)

    def scan(
        self, table: str, names: Sequence[str], *, limit: int, start: Item | None = None
    ) -> tuple[list[Item], Item | None]:
        """Read some attributes of some items of a table, in no order, as of a moment ago."""
        placeholders = {f"#{place}": name for place, name in enumerate(names)}
        clauses: dict[str, Any] = {} if start is None else {"ExclusiveStartKey": start}
        answer = self._call(
            "scan",
            table,
            Limit=limit,
            ProjectionExpression=", ".join(placeholders),
            ExpressionAttributeNames=placeholders,
            **clauses,
        )
        items: list[Item] = answer["Items"]
        return items, answer.get("LastEvaluatedKey")

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Make several calls at the same time; they must not call this method themselves.

        All are made, whatever becomes of the others; then the first error is raised.
        """
        if len(calls) <= 1:
            return [call() for call in calls]
        futures = [self._pool().submit(self._alongside, call) for call in calls]
        if self._usage is not None:
            self._usage.together()
        for future in futures:
            future.exception()
        return [future.result() for future in futures]

    def beside(self, call: Callable[[], T], own: Callable[[], None]) -> T:
        """Make a call while ``own`` is done in this thread, which may make calls in turn.

        They count as the longer of the two: one round trip, or as many as ``own`` took.
        """
        usage = self._usage
        before = usage.spent().round_trips if usage is not None else 0
        answer = self._pool().submit(self._alongside, call)
        own()
        if usage is not None and usage.spent().round_trips == before:
            usage.together()
        return answer.result()

    def close(self) -> None:
        """Let go of connections and threads."""
        if self._threads is not None:
            self._threads.shutdown()
        self._patient.close()
        self._once.close()

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(PARALLEL, "dynamodb")
            return self._threads

    def _alongside(self, call: Callable[[], T]) -> T:
        with nullcontext() if self._usage is None else self._usage.alongside():
            return call()

    def _write(
        self,
        operation: str,
        table: str,
        condition: str | None,
        values: Item | None,
        *,
        once: bool,
        **clauses: Any,
    ) -> Any:
        if condition is not None:
            clauses["ConditionExpression"] = condition
            clauses["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if values:
            clauses["ExpressionAttributeValues"] = values
        return self._call(operation, table, once=once, **clauses)

    def _call(
        self, operation: str, table: str, *, once: bool = False, **clauses: Any
    ) -> Any:
        return self._repeated(operation, once=once, TableName=self.table(table), **clauses)

    def _repeated(self, operation: str, *, once: bool = False, **clauses: Any) -> Any:
        call = getattr(self._once if once else self._patient, operation)
        give_up = time.monotonic() + REFUSED_PATIENCE_S
        pause = _FIRST_PAUSE_S
        while True:
            try:
                with typed_errors(once=once):
                    return call(**clauses)
            except Refused as refused:
                if time.monotonic() > give_up:
                    raise StorageUnavailable(str(refused)) from refused
                # Jitter, or all who were throttled together come back together.
                time.sleep(pause * (0.5 + random()))  # noqa: S311 - not a secret
                pause = min(pause * 2, 1.0)


def _make_client(
    session: Any, endpoint: str | None, region: str | None, attempts: int
) -> Any:
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=8 * PARALLEL,
        tcp_keepalive=True,
        # Our own calls are the only ones: validating each costs a fifth of its CPU.
        parameter_validation=False,
        # Emulators do not know the account's own endpoint, and nothing here needs it.
        account_id_endpoint_mode="disabled",
    )
    return session.create_client(
        "dynamodb", region_name=region, endpoint_url=endpoint, config=config
    )
