"""Functions that answer, fail, log, and call each other."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from chalicelib.engine.server import (
    ActionCtx,
    AppError,
    Conflict,
    MutationCtx,
    QueryCtx,
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from tests.apps.trial import items
from tests.apps.trial.schema import Diary, Item

RUNS: list[str] = []
"""What ran outside of any transaction, in order: tests empty it first."""


class NullData(AppError):
    """An error whose data is null, which is not the same as no data."""

    @property
    @override
    def data(self) -> Any:
        """Nothing."""
        return None


@query
def whoami(ctx: QueryCtx) -> str | None:
    """Return the caller's subject."""
    identity = ctx.auth.identity()
    return identity.subject if identity is not None else None


@query
def role_of(ctx: QueryCtx) -> str | None:
    """Return one claim."""
    role: str | None = ctx.auth.require().attributes.get("role", "absent")
    return role


@query
def is_signed_in(ctx: QueryCtx) -> bool:
    """Tell whether anybody is signed in, whoever it is."""
    return ctx.auth.identity() is not None


@query
def claim_names(ctx: QueryCtx) -> list[str]:
    """Return the names of all claims."""
    return sorted(ctx.auth.require().attributes)


@query
def name_if_boss(ctx: QueryCtx) -> str | None:
    """Read a second claim by the first one."""
    caller = ctx.auth.require()
    return caller.subject if caller.attributes.get("role") == "boss" else None


@query
def diaries(ctx: QueryCtx) -> list[str]:
    """Return what the caller may read, without asking who that is."""
    return [diary.text for diary in ctx.db.query(Diary).collect()]


@query
def constant(ctx: QueryCtx) -> int:
    """Return the same to everybody."""
    return 42


@query
def now(ctx: QueryCtx) -> list[float]:
    """Return the time, twice."""
    return [ctx.now, ctx.now]


@query
def chance(ctx: QueryCtx) -> float:
    """Return something that nobody can guess."""
    return ctx.random.random()


@query
def log(ctx: QueryCtx) -> None:
    """Say something on every level."""
    say = ctx.log
    say.debug("it's", 1)
    say.info("hi", None, True)
    say.warn([1, "a"])
    say.error({"a": 1.5})


@query
def long(ctx: QueryCtx, text: str, times: int) -> str:
    """Return a long text."""
    return text * times


@query
def crash(ctx: QueryCtx) -> None:
    """Fail as a bug does."""
    raise ZeroDivisionError("password=hunter2")


@query
def refuse(ctx: QueryCtx, group: str) -> None:
    """Fail with data once there is an item in a group."""
    if ctx.db.query(Item.by_group.eq(group)).first() is not None:
        raise Conflict("in use", group=group)


@query
def refuse_with_null(ctx: QueryCtx) -> None:
    """Fail with data that is null."""
    raise NullData("nothing to say")


@internal_query
def secret(ctx: QueryCtx) -> str:
    """Return what clients may not know."""
    return "the secret"


@internal_mutation
def erase(ctx: MutationCtx) -> None:
    """Do what clients may not do."""
    for item in ctx.db.query(Item).collect():
        ctx.db.delete(item.id)


@internal_action
def hide(ctx: ActionCtx) -> None:
    """Do what clients may not do, outside."""
    RUNS.append("hide")


@mutation
def write_and_refuse(ctx: MutationCtx, group: str) -> None:
    """Write, and fail with data."""
    ctx.db.insert(Item(group=group, label="never"))
    raise Conflict("not today", group=group)


@mutation
def write_and_crash(ctx: MutationCtx, group: str) -> None:
    """Write, and fail as a bug does."""
    ctx.db.insert(Item(group=group, label="never"))
    raise ZeroDivisionError("password=hunter2")


@mutation
def write_and_boast(ctx: MutationCtx, group: str, size: int) -> str:
    """Write, and return a long text."""
    ctx.db.insert(Item(group=group, label="boast"))
    return "x" * size


@mutation
def write_and_chatter(ctx: MutationCtx, group: str, lines: int) -> str:
    """Write, and log long lines."""
    ctx.db.insert(Item(group=group, label="chatter"))
    for _ in range(lines):
        ctx.log.info("x" * 10_000)
    return "done"


@mutation
def complain(ctx: MutationCtx, size: int) -> None:
    """Fail with a lot of data."""
    raise Conflict("x" * size)


@mutation
def nothing(ctx: MutationCtx) -> str:
    """Write nothing."""
    return "nothing"


@mutation
def roll(ctx: MutationCtx) -> list[Any]:
    """Return time and chance, as often as they are asked for."""
    return [ctx.now, ctx.now, ctx.random.random(), ctx.random.random()]


@action
def run(ctx: ActionCtx, name: str) -> int:
    """Note that it ran; add an item and count."""
    RUNS.append(name)
    say = ctx.log
    say.info("running", name)
    ctx.run_mutation(items.add, group=name, label="by an action")
    return len(ctx.run_query(items.list_, group=name))


@action
def fail_outside(ctx: ActionCtx, name: str) -> None:
    """Note that it ran, and fail with data."""
    RUNS.append(name)
    raise Conflict("outside", name=name)


@action
def boast(ctx: ActionCtx, size: int) -> str:
    """Return a long text."""
    return "x" * size


@action
def peek(ctx: ActionCtx) -> str:
    """Return what an internal query knows."""
    return ctx.run_query(secret)


@action
def catch(ctx: ActionCtx, group: str) -> str:
    """Call a mutation that fails, and return what its error said."""
    try:
        ctx.run_mutation(write_and_refuse, group=group)
    except Conflict as error:
        return error.message
    return "no error"


@action
def nested(ctx: ActionCtx, name: str) -> int:
    """Call an action."""
    return ctx.run_action(run, name=name)


@action
def author(ctx: ActionCtx) -> str | None:
    """Return the caller's subject, as a query sees it."""
    return ctx.run_query(whoami)
