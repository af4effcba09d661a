"""Accounts: a snapshot that is not one moment of the whole shows as a wrong sum."""

from __future__ import annotations

from chalicelib.engine.server import (
    Conflict,
    MutationCtx,
    NotFound,
    QueryCtx,
    mutation,
    query,
)
from tests.apps.chat.schema import Account

MOST_ACCOUNTS = 1000


@mutation
def open_(ctx: MutationCtx, how_many: int, balance: int) -> int:
    """Open accounts 0 … ``how_many - 1`` that do not exist yet; return how many were opened."""
    missing = [number for number in range(how_many) if _find(ctx, number) is None]
    for number in missing:
        ctx.db.insert(Account(number=number, balance=balance))
    return len(missing)


@query
def list_(ctx: QueryCtx) -> list[Account]:
    """Return all accounts by number."""
    return ctx.db.query(Account.by_number).take(MOST_ACCOUNTS)


@query
def sum_(ctx: QueryCtx) -> int:
    """Return the money in all accounts."""
    return sum(account.balance for account in list_(ctx))


@mutation
def transfer(ctx: MutationCtx, source: int, target: int, amount: int) -> None:
    """Move money from one account to another, or refuse when there is not enough."""
    giver, taker = _require(ctx, source), _require(ctx, target)
    if giver.balance < amount:
        raise Conflict("not enough money", balance=giver.balance)
    if source == target:
        return
    ctx.db.patch(giver.id, balance=giver.balance - amount)
    ctx.db.patch(taker.id, balance=taker.balance + amount)


def _find(ctx: QueryCtx, number: int) -> Account | None:
    return ctx.db.query(Account.by_number.eq(number)).unique()


def _require(ctx: QueryCtx, number: int) -> Account:
    account = _find(ctx, number)
    if account is None:
        raise NotFound(f"no account {number}")
    return account
