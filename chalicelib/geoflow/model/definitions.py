"""What makes a workflow's definition sound: it can be run in some order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from chalicelib.engine.server import ValidationFailed
from chalicelib.geoflow.schema import Edge, Node

MAX_FAULTS_TOLD: Final = 20
"""Most faults that one error tells: people correct a few at a time."""

Fault = dict[str, Any]
"""What is wrong, as clients receive it: ``kind``, and what it names."""


def check_definition(nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    """Refuse a definition that cannot be run.

    Raises:
        ValidationFailed: a node id repeats, an edge names a node that is not there, or edges
            form a cycle. The message names them; ``details.faults`` lists them.
    """
    faults = [*_repeated(nodes), *_dangling(nodes, edges), *_cycle(edges)]
    if faults:
        told = faults[:MAX_FAULTS_TOLD]
        raise ValidationFailed(
            "the workflow cannot be run: " + "; ".join(map(_sentence, told)), faults=told
        )


def _repeated(nodes: Iterable[Node]) -> list[Fault]:
    counts = Counter(node.id for node in nodes)
    return [
        {"kind": "repeatedNode", "node": node, "times": times}
        for node, times in counts.items()
        if times > 1
    ]


def _dangling(nodes: Iterable[Node], edges: Iterable[Edge]) -> list[Fault]:
    known = {node.id for node in nodes}
    return [
        {
            "kind": "missingNode",
            "node": missing,
            "edge": {"source": edge.source, "target": edge.target},
        }
        for edge in edges
        for missing in sorted({edge.source, edge.target} - known)
    ]


def _cycle(edges: Iterable[Edge]) -> list[Fault]:
    """Find one cycle; when it is cut, the next check finds the next."""
    graph = TopologicalSorter[str]()
    for edge in edges:
        graph.add(edge.target, edge.source)
    try:
        graph.prepare()
    except CycleError as error:
        return [{"kind": "cycle", "nodes": list(error.args[1])}]
    return []


def _sentence(fault: Fault) -> str:
    match fault["kind"]:
        case "repeatedNode":
            return f"node id {fault['node']!r} is used {fault['times']} times"
        case "missingNode":
            edge = f"{fault['edge']['source']!r} → {fault['edge']['target']!r}"
            return f"edge {edge} names node {fault['node']!r}, which does not exist"
        case _:
            return "nodes form a cycle: " + " → ".join(map(repr, fault["nodes"]))
