"""Transfers between accounts."""

from __future__ import annotations

from benchmarks.app.schema import Account
from chalicelib.engine.server import MutationCtx, NotFound, QueryCtx, mutation, query

MOST_SUMMED = 1000


@mutation
def open_(ctx: MutationCtx, first: int, how_many: int, balance: int) -> None:
    """Open the accounts ``first`` to ``first + how_many - 1``."""
    for number in range(first, first + how_many):
        ctx.db.insert(Account(number=number, balance=balance))


@mutation
def transfer(ctx: MutationCtx, source: int, target: int, amount: int) -> None:
    """Move money; an account may go into the red."""
    giver, taker = _require(ctx, source), _require(ctx, target)
    ctx.db.patch(giver.id, balance=giver.balance - amount)
    ctx.db.patch(taker.id, balance=taker.balance + amount)


@query
def sum_of_first(ctx: QueryCtx, how_many: int) -> int:
    """Return the money in the accounts 0 to ``how_many - 1``."""
    first = ctx.db.query(Account.by_number.lt(how_many))
    return sum(account.balance for account in first.take(MOST_SUMMED))


def _require(ctx: QueryCtx, number: int) -> Account:
    account = ctx.db.query(Account.by_number.eq(number)).unique()
    if account is None:
        raise NotFound(f"no account {number}")
    return account
