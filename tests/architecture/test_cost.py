"""What a month costs: counted units times prices, with nothing forgotten."""

from pathlib import Path

import pytest

from infra.build import ROOT
from infra.cost import FIXED, LOADS, Load, bill, counted, table, units
from infra.prices import PRICES
from infra.validate import load

COSTS = {
    "query, cached": (1.0, 0.0),
    "query, warm, one range ≤ 4 KB": (2.0, 0.0),
    "mutation over HTTP, keys stay": (13.0, 6.0),
    "mutation over a socket, keys stay": (19.0, 10.0),
    "push to one client, result shared": (0.0, 2.0),
}


def test_each_priced_unit_is_used_by_some_load_and_each_used_one_is_priced() -> None:
    used = {name for each in LOADS.values() for name in units(each, COSTS)}

    assert used == set(PRICES)


def test_twice_the_mutations_cost_twice_as_much_beyond_what_nobody_causes() -> None:
    def beyond(load: Load) -> float:
        return sum(bill(units(load, COSTS)).values()) - sum(
            bill(units(Load(), COSTS)).values()
        )

    once, twice = (beyond(Load(mutations_per_s=rate)) for rate in (1, 2))

    assert twice == pytest.approx(2 * once)


def test_a_mutation_a_second_costs_what_its_units_cost() -> None:
    alone = units(Load(watchers=0), COSTS)
    busy = units(Load(watchers=0, mutations_per_s=1), COSTS)

    more = {name: busy[name] - alone[name] for name in ("write_unit", "socket_message")}

    assert more == pytest.approx(
        {"write_unit": 10 * 2_628_000, "socket_message": 3 * 2_628_000}
    )


def test_the_alarms_that_are_paid_for_are_those_of_the_template() -> None:
    watched = load(ROOT / "infra/watch.merge.yaml")["Resources"].values()

    kinds = [resource["Type"] for resource in watched]

    assert kinds.count("AWS::CloudWatch::Alarm") == FIXED["alarm"]
    assert kinds.count("AWS::CloudWatch::Dashboard") == FIXED["dashboard"]


def test_the_table_of_the_docs_is_what_the_command_prints() -> None:
    page = Path(ROOT / "docs/operations.md").read_text()

    assert table(LOADS, counted()) in page
