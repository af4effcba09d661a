"""A decorated function: what it is called, and what it stays."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.functions.context import ActionCtx, MutationCtx, QueryCtx
from chalicelib.engine.functions.registration import (
    Function,
    Schedulable,
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)


@query
def count_words_(ctx: QueryCtx, text: str, least: int = 1) -> int:
    """Words of at least so many letters."""
    return sum(len(word) >= least for word in text.split())


@internal_query
def hidden(ctx: QueryCtx) -> None: ...


@mutation(name="removeAll")
def clear(ctx: MutationCtx) -> None: ...


@internal_mutation
def expire(ctx: MutationCtx) -> None: ...


@action
def send(ctx: ActionCtx) -> None: ...


@internal_action(name="sendLater")
def send_later(ctx: ActionCtx) -> None: ...


@pytest.mark.parametrize(
    ("function", "kind", "visibility", "name"),
    [
        (count_words_, "query", "public", "countWords"),
        (hidden, "query", "internal", "hidden"),
        (clear, "mutation", "public", "removeAll"),
        (expire, "mutation", "internal", "expire"),
        (send, "action", "public", "send"),
        (send_later, "action", "internal", "sendLater"),
    ],
)
def test_knows_its_kind_visibility_and_wire_name(
    function: Function[..., Any], kind: str, visibility: str, name: str
) -> None:
    assert (function.kind, function.visibility, function.wire_name) == (
        kind,
        visibility,
        name,
    )


def test_stays_a_function() -> None:
    ctx: Any = object()

    assert count_words_(ctx, "to be or not", least=3) == 1
    assert count_words_.__name__ == "count_words_"
    assert count_words_.__doc__ == "Words of at least so many letters."
    assert count_words_.__module__ == __name__


def test_mutations_and_actions_can_be_scheduled() -> None:
    assert [isinstance(f, Schedulable) for f in (count_words_, clear, send)] == [
        False,
        True,
        True,
    ]
