"""The page of the proof, and how its tables come there."""

import pytest

from tests.proof import lists
from tests.proof.__main__ import PAGE, main
from tests.proof.markdown import rendered, replaced
from tests.proof.report import Budget, Table
from tests.simulation.profiles import PROFILES
from tests.simulation.seeds import SEEDS, spread

TABLE = Table(
    title="Seeds",
    note="Of a test.",
    columns=("profile", "seeds", "CPU s"),
    rows=[("calm", 1234, "5.6"), ("a | b", 1, "0.1")],
    printed_only=frozenset({"CPU s"}),
)


def section(part: str) -> str:
    begin, end = f"<!-- proof: {part} -->", f"<!-- end of proof: {part} -->"
    return PAGE.read_text().partition(begin)[2].partition(end)[0]


class TestTables:
    def test_leave_out_on_the_page_what_differs_from_run_to_run(self) -> None:
        on_page = rendered(TABLE)

        assert "| profile | seeds |\n| --- | --- |\n| calm | 1,234 |" in on_page
        assert "CPU" not in on_page

    def test_are_printed_whole_and_aligned(self) -> None:
        lines = rendered(TABLE, all_columns=True).splitlines()

        assert "| calm    | 1,234 | 5.6   |" in lines
        assert len({len(line) for line in lines[4:]}) == 1

    def test_keep_bars_in_cells_apart_from_columns(self) -> None:
        assert "| a \\| b | 1 |" in rendered(TABLE)


class TestReplacing:
    def test_changes_one_section_and_nothing_else(self) -> None:
        page = "a\n<!-- proof: x -->\nold\n<!-- end of proof: x -->\nz\n"

        once = replaced(page, "x", "new \\1")

        assert once.startswith("a\n<!-- proof: x -->\n\nnew \\1\n\n<!-- end")
        assert once.endswith("<!-- end of proof: x -->\nz\n")
        assert replaced(once, "x", "new \\1") == once

    def test_refuses_a_page_without_the_marks(self) -> None:
        with pytest.raises(ValueError, match="marks"):
            replaced("nothing", "x", "new")


class TestPage:
    def test_lists_the_faults_worlds_and_properties_that_the_code_declares(self) -> None:
        tables = lists.run(Budget()).tables

        told = "\n\n".join(map(rendered, tables))
        assert section("lists").strip() == told, "run: make proof PARTS=lists"


class TestBudget:
    def test_goes_to_every_world_and_is_spent(self) -> None:
        shares = spread(10_000)

        assert sum(shares.values()) == 10_000
        assert shares.keys() == PROFILES.keys() == SEEDS.keys()
        assert min(shares.values()) >= 10

    def test_of_almost_nothing_still_visits_every_world(self) -> None:
        assert set(spread(1).values()) == {1}


def test_a_part_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["magic"])

    assert status == 2
    assert "no such part: magic" in capsys.readouterr().out
