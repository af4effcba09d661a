"""What the demo's worker makes of a workflow, without a server."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely.geometry import shape

from demo import workflow
from demo.graph import Workplace, run
from demo.processing import CannotProcess
from tests.demo.test_topojson import SQUARES

SQUARE_DEGREE_KM2 = 11_600
"""About what each of the two squares at 20 degrees north covers."""


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    (tmp_path / "lands.json").write_text(json.dumps(SQUARES))
    return Workplace(tmp_path, tmp_path / "results")


def execution(*nodes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an execution of nodes that feed each other in order."""
    named = [{"id": node["type"], **node} for node in nodes]
    ids = [node["id"] for node in named]
    edges = [{"source": a, "target": b} for a, b in pairwise(ids)]
    return {"nodes": named, "edges": edges, "inputs": {"file": "lands.json"}, **changes}


def node(kind: str, **config: Any) -> dict[str, Any]:
    return {"type": kind, "config": config}


READ = node("read", collection="lands")
PLANE = node("reproject", to="equal-area", centre=[11, 20.5])
BACK = {**node("reproject", to="degrees"), "id": "back"}


def nothing(*_: object) -> None:
    """Listen to no report."""


class TestProcessing:
    def test_dissolves_neighbours_into_one_shape_of_their_area(
        self, workplace: Workplace
    ) -> None:
        outputs = run(
            execution(READ, PLANE, node("dissolve"), node("measure")), workplace, nothing
        )

        assert outputs["measure"]["features"] == 1
        assert outputs["measure"]["areaKm2"] == pytest.approx(
            2 * SQUARE_DEGREE_KM2, rel=0.01
        )

    def test_grows_shapes_by_metres(self, workplace: Workplace) -> None:
        work = execution(
            READ,
            node("filter", ids=["1"]),
            PLANE,
            {**node("measure"), "id": "before"},
            node("buffer", metres=10_000),
            node("measure"),
        )

        outputs = run(work, workplace, nothing)

        # Steiner: area + perimeter · distance + π · distance².
        side_km = SQUARE_DEGREE_KM2**0.5
        grown = outputs["measure"]["areaKm2"] - outputs["before"]["areaKm2"]
        assert grown == pytest.approx(4 * side_km * 10 + 3.14 * 100, rel=0.01)

    def test_writes_geojson_where_the_shapes_were(self, workplace: Workplace) -> None:
        work = execution(READ, PLANE, BACK, node("write", file="out.geojson"))

        outputs = run(work, workplace, nothing)

        written = json.loads(Path(outputs["write"]["file"]).read_text())
        west, _ = (shape(feature["geometry"]) for feature in written["features"])
        assert shapely.hausdorff_distance(west, shapely.box(10, 20, 11, 21)) < 1e-4
        assert written["features"][1]["properties"] == {"name": "East"}

    def test_joins_the_layers_of_all_nodes_before(self, workplace: Workplace) -> None:
        halves = [{**node("filter", ids=[half]), "id": half} for half in ("1", "2")]
        nodes = [
            {"id": kind["type"], **kind} for kind in (READ, *halves, PLANE, node("measure"))
        ]
        edges = [("read", "1"), ("read", "2"), ("1", "reproject"), ("2", "reproject")]
        drawn = [{"source": a, "target": b} for a, b in [*edges, ("reproject", "measure")]]

        outputs = run(execution(nodes=nodes, edges=drawn), workplace, nothing)

        assert outputs["measure"]["features"] == 2

    def test_reports_every_node_from_start_to_end(self, workplace: Workplace) -> None:
        told: list[tuple[str, str, float]] = []

        run(execution(READ, PLANE), workplace, lambda *report: told.append(report))

        assert told == [
            *[("read", "running", done) for done in (0, 0.5, 1)],
            ("read", "succeeded", 1),
            *[("reproject", "running", done) for done in (0, 0.5, 1)],
            ("reproject", "succeeded", 1),
        ]


class TestRefusal:
    @pytest.mark.parametrize(
        ("work", "reason"),
        [
            (execution(node("teleport")), "teleport: no such type of node"),
            (execution(node("read")), "read: the config needs 'collection'"),
            (execution(READ, inputs={"file": "../secret.json"}), "not the name of a file"),
            (execution(READ, inputs={}), "not the name of a file"),
            (execution(READ, inputs={"file": "none.json"}), "there is no file 'none.json'"),
            (execution(READ, node("filter", ids=["1", "9"])), "no feature 9"),
            (execution(READ, node("buffer", metres=1)), "a degree is no length"),
            (execution(READ, node("measure")), "a degree is no length"),
            (execution(READ, BACK), "cannot go from degrees to 'degrees'"),
            (execution(READ, PLANE, node("write", file="o.json")), "GeoJSON is in degrees"),
            (execution(READ, node("write", file="../o.json")), "not the name of a file"),
            (
                execution(READ, edges=[{"source": "read", "target": "read"}]),
                "goes round in a circle",
            ),
        ],
    )
    def test_says_which_node_cannot_do_what(
        self, work: dict[str, Any], reason: str, workplace: Workplace
    ) -> None:
        with pytest.raises(CannotProcess, match=reason):
            run(work, workplace, nothing)

    def test_reports_the_node_as_failed(self, workplace: Workplace) -> None:
        told: list[tuple[str, str, float]] = []

        with pytest.raises(CannotProcess):
            run(
                execution(READ, node("measure")),
                workplace,
                lambda *report: told.append(report),
            )

        assert told[-1] == ("measure", "failed", 0)


def test_the_demo_asks_for_steps_that_exist_in_an_order_that_works() -> None:
    asked = workflow.definition()
    empty = Workplace(Path("nowhere"), Path("nowhere"))

    # It gets as far as the first file, so the graph itself is sound.
    with pytest.raises(CannotProcess, match=r"read: there is no file 'countries-10m.json'"):
        run({**asked, "inputs": workflow.INPUTS}, empty, nothing)
