"""Time, chance and threads of the machine are found in the code, before it is served."""

# ruff: noqa: PLW0108 - the code of each lambda is what is looked through

from __future__ import annotations

import datetime as dt
import random
import secrets
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from os import urandom
from random import Random, choice
from typing import Any

import pytest

from chalicelib.engine.errors import InvalidFunction
from chalicelib.engine.functions.purity import check_purity
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.server import (
    ActionCtx,
    Document,
    PolicyCtx,
    QueryCtx,
    action,
    query,
)


def _reads_clock() -> float:
    return time.time()


def _imports_here() -> str:
    import secrets as chance  # noqa: PLC0415 - what is tested

    return chance.token_hex()


def _imports_one_name_here() -> uuid.UUID:
    from uuid import uuid4  # noqa: PLC0415 - what is tested

    return uuid4()


def _names_it_far_down() -> list[list[float]]:
    return [[random.random() for _ in range(2)] for _ in range(2)]


IMPURE: list[tuple[Callable[..., Any], str, str]] = [
    (_reads_clock, "time.time", "ctx.now"),
    (lambda: _reads_clock(), "time.time", "ctx.now"),
    (lambda: time.sleep(1), "time.sleep", "an action"),
    (lambda: time.monotonic(), "time.monotonic", "ctx.now"),
    (lambda: datetime.now(UTC), "datetime.datetime.now", "ctx.now"),
    (lambda: dt.datetime.now(UTC), "datetime.datetime.now", "ctx.now"),
    (lambda: date.today(), "datetime.date.today", "ctx.now"),  # noqa: DTZ011 - what is tested
    (lambda: choice([1]), "random.choice", "ctx.random"),
    (_names_it_far_down, "random.random", "ctx.random"),
    (lambda: urandom(4), "os.urandom", "ctx.random"),
    (lambda: uuid.uuid4(), "uuid.uuid4", "ctx.random"),
    (lambda: secrets.token_hex(), "secrets.token_hex", "ctx.random"),
    (_imports_here, "secrets.token_hex", "ctx.random"),
    (_imports_one_name_here, "uuid.uuid4", "ctx.random"),
    (lambda: threading.Thread(), "threading.Thread", "an action"),
    (lambda: ThreadPoolExecutor(), "ThreadPoolExecutor", "an action"),
    (lambda xs: sorted(xs, key=lambda _: random.random()), "random.random", "ctx.random"),
]

PURE: list[Callable[..., Any]] = [
    lambda ctx: (ctx.now, ctx.random.random()),
    lambda ctx: datetime.fromtimestamp(ctx.now / 1000, UTC),
    lambda ctx: time.strftime("%H", time.gmtime(ctx.now / 1000)),
    lambda text: uuid.UUID(text),
    lambda: Random(3).random(),
    lambda time: time.time(),
    lambda: secrets.compare_digest("a", "b"),
]


@pytest.mark.parametrize(("function", "name", "instead"), IMPURE)
def test_what_is_impure_is_refused_by_name_with_what_to_use_instead(
    function: Callable[..., Any], name: str, instead: str
) -> None:
    with pytest.raises(InvalidFunction) as refused:
        check_purity(function, (__name__,))

    assert f"uses {name}, " in str(refused.value) or f".{name}, " in str(refused.value)
    assert f"use {instead}, which" in str(refused.value)


@pytest.mark.parametrize("function", PURE)
def test_what_is_pure_is_not_refused(function: Callable[..., Any]) -> None:
    check_purity(function, (__name__,))


def test_functions_of_other_packages_are_not_looked_through() -> None:
    check_purity(lambda: _reads_clock(), ("chalicelib.geoflow",))


class TestRegistry:
    def app(self, monkeypatch: pytest.MonkeyPatch, *declared: Any) -> str:
        module = types.ModuleType("clockwork")
        for thing in declared:
            thing.__module__ = "clockwork"
            setattr(module, thing.__name__, thing)
        monkeypatch.setitem(sys.modules, "clockwork", module)
        return "clockwork"

    def test_refuses_a_query_that_reads_the_clock(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @query
        def age(ctx: QueryCtx) -> float:
            return time.time()

        with pytest.raises(InvalidFunction, match=r"clockwork\.age: .*uses time\.time"):
            Registry([self.app(monkeypatch, age)])

    def test_lets_an_action_do_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @action
        def age(ctx: ActionCtx) -> float:
            return time.time()

        assert "clockwork:age" in Registry([self.app(monkeypatch, age)]).functions

    def test_refuses_a_row_policy_that_reads_the_clock(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Ticket(Document, table="tickets"):
            ends: float

            def can_read(self, ctx: PolicyCtx) -> bool:
                return self.ends > time.time()

        with pytest.raises(InvalidFunction, match=r"can_read uses time\.time"):
            Registry([self.app(monkeypatch, Ticket)])
