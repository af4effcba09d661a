"""The type checker is part of the API: mypy must pass right lines and refuse wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]

RIGHT = """
from __future__ import annotations

from typing import Literal, ParamSpec, TypeVar

from chalicelib.engine.functions.registration import Schedulable
from chalicelib.engine.schema import IndexRange
from chalicelib.engine.server import (
    UNSET, ActionCtx, Crons, Document, Http, Id, MutationCtx, Page, PaginationOptions, QueryCtx,
    Request, Response, ScheduledFunction, Struct, Unset, action, index, indexed, internal_mutation, mutation, query,
)
from testing import Client, TestBackend

P = ParamSpec("P")
R = TypeVar("R")
Status = Literal["queued", "running"]


class Place(Struct):
    x: float
    label: str = ""


class User(Document, table="users"):
    email: str = indexed()
    role: Literal["member", "admin"] = "member"
    avatar: str | Unset = UNSET
    by_email = index(email)

    def can_read(self, ctx: QueryCtx) -> bool:
        return self.role == "admin"

    can_write = can_read


class Run(Document, table="runs"):
    owner: Id[User] = indexed()
    status: Status = indexed(default="queued")
    place: Place = indexed()
    by_owner_status = index(owner, status)
    by_label = index(place.label)


def part(found: IndexRange[Run]) -> None: ...


def schedule(function: Schedulable[P, R], *args: P.args, **kwargs: P.kwargs) -> None: ...


@query
def count(ctx: QueryCtx, owner: Id[User], status: Status | None = None) -> int:
    return 0


@query(name="everything")
def list_(ctx: QueryCtx) -> list[Run]:
    return []


@mutation
def start(ctx: MutationCtx, owner: Id[User], note: str = "") -> Id[Run]:
    total: int = count(ctx, owner, status="queued")
    schedule(expire, "run", times=total)
    schedule(start, owner)
    raise NotImplementedError


@internal_mutation
def expire(ctx: MutationCtx, run: str, times: int = 1) -> None: ...


@action
def send(ctx: ActionCtx, address: str) -> None: ...


@query
def page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[Run]:
    return ctx.db.query(Run).paginate(pagination_opts)


http = Http()
crons = Crons()


@http.get("/runs/{run_id}")
def show(ctx: ActionCtx, request: Request, run_id: Id[Run]) -> Response:
    return Response.json(None)


crons.interval("expire", 30, expire, "run", times=2)


def right(
    user: User, run: Run, query_ctx: QueryCtx, mutation_ctx: MutationCtx, action_ctx: ActionCtx,
    client: Client,
) -> None:
    id_: Id[User] = user.id
    time: float = run.creation_time
    text: str = id_
    part(Run.by_owner_status.eq(id_).eq("running").gte(time).lt(2.0))
    part(Run.by_owner_status)
    part(Run.by_creation_time.gt(3.0))
    part(Run.by_label.eq("here"))
    run.status = "running"
    User(email="a")
    Run(owner=id_, place=Place(x=1))
    amount: int = count(mutation_ctx, id_)
    job: Id[ScheduledFunction] = mutation_ctx.scheduler.run_after(5, expire, "run", times=2)
    action_ctx.scheduler.run_at(5, send, address="a")
    mutation_ctx.scheduler.cancel(job)
    Crons().interval("a", 5, expire, run="run")
    Crons().weekly("a", "monday", "03:10", send, "a")
    runs: list[Run] = list_(query_ctx)
    read, write = query_ctx.db, mutation_ctx.db
    found: User | None = read.get(id_)
    there: User = read.require(id_)
    first: Run | None = read.query(Run.by_owner_status.eq(id_)).order("desc").first()
    late: list[Run] = read.query(Run).filter(lambda each: each.creation_time > 1).take(3)
    places: list[Place] = read.query(Run).only(Place).filter(lambda p: p.x > 1).take(3)
    one: Place | None = read.get(run.id, only=Place)
    for each in read.query(User):
        text = each.email
    made: Id[User] = write.insert(User(email="a"))
    with write.edit(run.id) as draft:
        draft.status = "running"
    write.patch(id_, email="a", role="admin", avatar=UNSET)
    write.patch(run.id)
    write.replace(id_, User(email="b"))
    write.delete(run.id)
    total: int = mutation_ctx.run_query(count, id_)
    run_id: Id[Run] = mutation_ctx.run_mutation(start, id_, note="a")
    total = action_ctx.run_query(count, id_, status="queued")
    run_id = action_ctx.run_mutation(start, owner=id_)
    action_ctx.run_action(send, "a")
    total = client.query(count, id_)
    run_id = client.mutation(start, id_, note="a")
    client.action(send, address="a")
    told: list[list[Run]] = client.watch(list_).results
    backend = TestBackend("app")
    with backend.db() as db:
        db.patch(id_, email="a")
"""

WRONG = [
    "User(email=1)",
    "User()",
    'User(email="a", nothing=1)',
    'User("a")',
    'User(email="a", role="owner")',
    'User(email="a", avatar=None)',
    "Run(owner=run.id, place=Place(x=1))",
    'Run(owner="u1", place=Place(x=1))',
    'Place(x="a")',
    'run.status = "done"',
    "run.owner = run.id",
    "user.id = user.id",
    "run.nothing",
    "user_id: Id[User] = run.id",
    'Run.by_owner_status.eq("running")',
    "Run.by_owner_status.eq(run.id)",
    'Run.by_owner_status.eq(user.id).eq("done")',
    'Run.by_owner_status.eq(user.id).eq("running").eq("late")',
    'Run.by_owner_status.eq(user.id).eq("running").eq(1.0).eq(2.0)',
    'Run.by_owner_status.eq(user.id).gte("queued").eq(1.0)',
    'Run.by_owner_status.eq(user.id).eq("running").gte(1.0).lt("z")',
    "Run.by_label.eq(3)",
    "Run.by_creation_time.eq(user.id)",
    "Run.by_nothing",
    "part(User.by_email)",
    "count(query_ctx)",
    "count(query_ctx, run.id)",
    'count(query_ctx, user.id, status="done")',
    "count(query_ctx, user.id, limit=3)",
    "start(query_ctx, user.id)",
    "send(mutation_ctx, 'a')",
    "amount: str = count(query_ctx, user.id)",
    "schedule(count, user.id)",
    "schedule(expire)",
    "schedule(expire, 1)",
    "schedule(expire, 'run', often=2)",
    "mutation_ctx.scheduler.run_after(5, expire)",
    "mutation_ctx.scheduler.run_after(5, expire, run=3)",
    "mutation_ctx.scheduler.run_after(5, expire, 'run', often=2)",
    "mutation_ctx.scheduler.run_after(5, count, user.id)",
    "action_ctx.scheduler.run_at(5, send, address=5)",
    "mutation_ctx.scheduler.cancel(user.id)",
    "query_ctx.scheduler.run_after(5, expire, 'run')",
    "Crons().interval('a', 5, expire)",
    "Crons().interval('a', '5', expire, 'run')",
    "Crons().weekly('a', 'noday', '03:10', expire, 'run')",
    "Crons().daily('a', '03:10', count, user.id)",
    # What an id is of.
    "wrong: User | None = query_ctx.db.get(run.id)",
    "query_ctx.db.get('u1')",
    "mutation_ctx.db.replace(run.id, user)",
    "wrong_id: Id[User] = mutation_ctx.db.insert(run)",
    # What a context can do.
    "query_ctx.db.insert(user)",
    "query_ctx.db.patch(user.id, email='a')",
    "query_ctx.db.delete(user.id)",
    "query_ctx.scheduler",
    "query_ctx.run_mutation(start, user.id)",
    "action_ctx.db",
    "action_ctx.random",
    # Queries.
    "query_ctx.db.query(User.by_email.eq(1))",
    "query_ctx.db.query(Run.by_owner_status.eq('queued'))",
    "query_ctx.db.query(Run).order('down')",
    "query_ctx.db.query(Run).take('3')",
    "query_ctx.db.query(Run).only(User)",
    "wrong_runs: list[Run] = query_ctx.db.query(Run).only(Place).collect()",
    "wrong_run: Run | None = query_ctx.db.get(run.id, only=Place)",
    "query_ctx.db.query(Run).filter(lambda each: each.nothing)",
    "wrong_run: Run = query_ctx.db.query(Run).first()",
    "wrong_users: list[User] = query_ctx.db.query(Run).collect()",
    # Changes.
    "with mutation_ctx.db.edit(run.id) as draft: draft.status = 'done'",
    "with mutation_ctx.db.edit(run.id) as draft: draft.nothing = 1",
    "mutation_ctx.db.patch(user.id, email=1)",
    "mutation_ctx.db.patch(user.id, emial='a')",
    "mutation_ctx.db.patch(user.id, role='owner')",
    "mutation_ctx.db.patch(user.id, email=UNSET)",
    "mutation_ctx.db.patch(run.id, owner=run.id)",
    "mutation_ctx.db.patch(run.id, email='a')",
    "mutation_ctx.db.patch(run.id, id=run.id)",
    "mutation_ctx.db.patch(run.id, 'queued')",
    "mutation_ctx.db.patch('r1', status='queued')",
    "mutation_ctx.db.unrestricted.patch(user.id, email=1)",
    # Calls of other functions, now and later.
    "action_ctx.run_query(start, user.id)",
    "action_ctx.run_mutation(count, user.id)",
    "action_ctx.run_mutation(start)",
    "action_ctx.run_action(send, 1)",
    "wrong_text: str = action_ctx.run_query(count, user.id)",
    "mutation_ctx.run_mutation(start, run.id)",
    "mutation_ctx.scheduler.run_after('1', expire, 'run')",
    "crons.interval('a', 30, count, user.id)",
    "crons.daily('a', '03:10', expire, run=1)",
    # Tests.
    "client.query(start, user.id)",
    "client.mutation(count, user.id)",
    "client.mutation(start, run.id)",
    "client.mutation(start, user.id, nothing=1)",
    "client.watch(start, user.id)",
    "wrong_told: list[int] = client.watch(list_).results",
    "wrong_count: str = client.query(count, user.id)",
]

DECLARED_WRONG = [
    """
@query
def writes(ctx: MutationCtx) -> None: ...
""",
    """
@mutation
def reads(ctx: ActionCtx) -> None: ...
""",
    """
class Other(Document, table="others"):
    name: str = indexed()
    by_name = index(nmae)
""",
    """
class Other(Document, table="others"):
    place: Place = indexed()
    by_z = index(place.z)
""",
    """
@http.get("/a")
def answers(ctx: QueryCtx, request: Request) -> Response: ...
""",
    """
@http.get("/a")
def speaks(ctx: ActionCtx, request: Request) -> str: ...
""",
    """
@mutation
def returns(ctx: MutationCtx) -> Id[User]:
    return ctx.db.insert(Run(owner=ctx.db.require("u").id, place=Place(x=1)))
""",
]


def refusals(path: Path, cache: Path) -> dict[int, str]:
    """Run mypy as the project does; return its errors by line."""
    out, complaint, _ = api.run(
        [
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--cache-dir={cache}",
            "--no-error-summary",
            "--follow-imports=silent",
            str(path),
        ]
    )
    assert not complaint
    found = re.findall(rf"{re.escape(path.name)}:(\d+): error: (.*)", out)
    return {int(line): message for line, message in found}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """What mypy says to each statement; None if it lets it pass."""
    folder = tmp_path_factory.mktemp("typing")
    text, spans = RIGHT, dict[str, tuple[int, int]]()
    for statement in WRONG:
        first = text.count("\n") + 1
        text += f"    {statement}\n"
        spans[statement] = first, first
    for declaration in DECLARED_WRONG:
        first = text.count("\n") + 1
        text += declaration
        spans[declaration] = first, text.count("\n")
    spans["right"] = 1, RIGHT.count("\n")
    path = folder / "typing_contract.py"
    path.write_text(text)
    found = refusals(path, ROOT / ".mypy_cache")
    return {
        statement: next((m for line, m in found.items() if first <= line <= last), None)
        for statement, (first, last) in spans.items()
    }


def test_right_lines_pass(checked: dict[str, str | None]) -> None:
    assert checked["right"] is None


@pytest.mark.parametrize("statement", WRONG + DECLARED_WRONG)
def test_wrong_lines_are_refused(checked: dict[str, str | None], statement: str) -> None:
    assert checked[statement] is not None
