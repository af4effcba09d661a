"""Histories of the stock clients have an order, also through a network that fails."""

from __future__ import annotations

import pytest

from tests.proof.histories.field import Plan, run

pytestmark = pytest.mark.clients

CALM = Plan(
    store="sqlite",
    operations=1200,
    changes=0,
    wishes=("kill",),
    faults=False,
    sockets=24,
    https=4,
)
FAULTY = Plan(
    store="sqlite",
    operations=240,
    changes=10,
    wishes=("kill", "restart"),
    faults=True,
    sockets=24,
    python_operations=10,
    python_watches=True,
)
OVER_DYNAMODB = Plan(
    store="dynamodb", operations=80, changes=5, wishes=("kill",), faults=False
)


@pytest.mark.parametrize(
    "plan", [CALM, FAULTY, OVER_DYNAMODB], ids=["calm", "faulty", "dynamodb"]
)
def test_no_promise_is_lost_and_everything_has_one_order(plan: Plan) -> None:
    outcome = run(plan)

    assert outcome.broken() == []
    assert outcome.operations >= plan.operations
    assert outcome.told["transitions"] > plan.operations / 10
    assert outcome.watched.get("shown", 0) > 3 or not plan.python_watches
    assert sum(outcome.faults.values()) > len(plan.wishes) or not plan.faults
