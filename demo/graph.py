"""Runs the graph of a workflow, node after node."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from demo.layers import Layer
from demo.processing import STEPS, CannotProcess, Job, Step

Report = Callable[[str, str, float], None]
"""Told the node, its state (``running``, ``succeeded`` or ``failed``), and its progress, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a worker finds the files that a workflow names, and leaves its results."""

    sources: Path
    results: Path


def run(
    execution: Mapping[str, Any], workplace: Workplace, report: Report
) -> dict[str, Any]:
    """Run every node of an execution, and return what the nodes tell, by node.

    A node gets the layers of all nodes before it, as one.

    Raises:
        CannotProcess: a node cannot do what it is asked to; its text names the node.
    """
    layers: dict[str, Layer] = {}
    outputs: dict[str, Any] = {}
    before = _before(execution)
    nodes = {node["id"]: node for node in execution["nodes"]}
    for node_id in _order(before):
        given = [layers[source] for source in sorted(before[node_id])]
        job = Job(
            config=nodes[node_id].get("config") or {},
            inputs=execution.get("inputs") or {},
            sources=workplace.sources,
            results=workplace.results,
            advance=partial(report, node_id, "running"),
        )
        report(node_id, "running", 0)
        try:
            done = _step(nodes[node_id]["type"])(_joined(given), job)
        except CannotProcess as reason:
            report(node_id, "failed", 0)
            raise CannotProcess(f"{node_id}: {reason}") from reason
        report(node_id, "succeeded", 1)
        layers[node_id] = done.layer
        if done.outputs is not None:
            outputs[node_id] = done.outputs
    return outputs


def _before(execution: Mapping[str, Any]) -> dict[str, set[str]]:
    before: dict[str, set[str]] = {node["id"]: set() for node in execution["nodes"]}
    for edge in execution["edges"]:
        before[edge["target"]].add(edge["source"])
    return before


def _order(before: Mapping[str, set[str]]) -> list[str]:
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as cycle:
        raise CannotProcess(
            f"the workflow goes round in a circle: {cycle.args[1]}"
        ) from cycle


def _joined(layers: list[Layer]) -> Layer:
    projections = {layer.projection for layer in layers}
    if len(projections) > 1:
        raise CannotProcess("its layers are in different coordinate systems")
    features = tuple(feature for layer in layers for feature in layer.features)
    return Layer(features, *projections)


def _step(kind: str) -> Step:
    if kind not in STEPS:
        raise CannotProcess(f"no such type of node: {kind!r}; there are {', '.join(STEPS)}")
    return STEPS[kind]
