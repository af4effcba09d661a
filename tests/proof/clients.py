"""Stock clients over real sockets: their histories are judged, without faults and with them."""

from collections.abc import Sequence
from dataclasses import replace

from tests.proof.histories.field import Outcome, Plan
from tests.proof.histories.field import run as carry_out
from tests.proof.report import Budget, Report, Table

MANY = Plan(
    store="sqlite",
    operations=1000,
    changes=0,
    wishes=(),
    faults=False,
    sockets=24,
    https=4,
    operations_of_an_epoch=160,
)


def plans(operations: int) -> Sequence[tuple[str, Plan]]:
    """All operations meet all faults over SQLite, and a share of as many goes to other runs.

    DynamoDB has few: its emulation does one thing at a time.
    """
    faulty = replace(MANY, faults=True, wishes=("kill", "restart", "kill", "kill"))
    return (
        ("SQLite, no faults", replace(MANY, operations=operations // 8)),
        (
            "SQLite, server killed",
            replace(MANY, operations=operations // 8, wishes=("kill", "kill")),
        ),
        (
            "SQLite, all faults",
            replace(
                faulty,
                operations=operations,
                changes=operations // 16,
                python_operations=operations // 16,
                python_watches=True,
            ),
        ),
        (
            "SQLite, connections fall silent",
            replace(
                MANY,
                operations=operations // 32,
                silent=8,
                sockets=8,
                https=0,
                python_operations=operations // 320,
                python_watches=True,
            ),
        ),
        (
            "DynamoDB, all faults",
            replace(
                faulty,
                store="dynamodb",
                operations=operations // 32,
                changes=operations // 320,
                python_operations=operations // 320,
                sockets=6,
                https=2,
                wishes=("kill", "restart"),
            ),
        ),
    )


def run(budget: Budget) -> Report:
    """Carry out every plan, one after another: each has the machine to itself."""
    outcomes: list[tuple[str, Outcome]] = []
    for name, plan in plans(budget.operations):
        budget.say(f"clients: {name}, {plan.operations:,} operations")
        outcomes.append((name, carry_out(plan)))
    broken = [f"{name}: {why}" for name, told in outcomes for why in told.broken()]
    return Report([_histories(outcomes), _faults(outcomes)], broken)


def _histories(outcomes: Sequence[tuple[str, Outcome]]) -> Table:
    return Table(
        title="Histories",
        columns=(
            "run",
            "operations",
            "transitions",
            "pages shown",
            "outcome unknown, and said so",
            "committed all the same",
            "ran twice (PyPI)",
            "lost",
            "anomalies",
            "inconsistent pages",
            "s",
        ),
        rows=[_row(name, told) for name, told in outcomes],
        note="Numbers differ from run to run: the operating system orders the work.",
        printed_only=frozenset({"s"}),
    )


def _row(name: str, told: Outcome) -> Sequence[object]:
    return (
        name,
        told.operations,
        told.told["transitions"] + told.watched.get("shown", 0),
        told.told["shown"],
        told.told["unknown"] + told.python.get("closed", 0),
        told.late,
        told.repeated,
        len(told.told["lost"]),
        len(told.anomalies),
        len(told.told["inconsistent"]),
        f"{told.seconds:.0f}",
    )


def _faults(outcomes: Sequence[tuple[str, Outcome]]) -> Table:
    kinds = sorted({kind for _, told in outcomes for kind in told.faults})
    faulty = [(name, told) for name, told in outcomes if told.faults]
    counts = [[kind, *(told.faults[kind] for _, told in faulty)] for kind in kinds]
    sockets = [
        "sockets opened by npm clients",
        *(told.told["sockets"] for _, told in faulty),
    ]
    return Table(
        title="What was done to them",
        columns=("fault", *(name for name, _ in faulty)),
        rows=[*counts, sockets],
    )
