"""Finds what shows that a history is not strictly serializable."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import networkx as nx

from tests.proof.histories.dependencies import (
    Edge,
    Why,
    dependencies,
    real_time_order,
    session_order,
)
from tests.proof.histories.transactions import Anomaly, Transaction
from tests.proof.histories.versions import versions_of

ORDERS: Sequence[tuple[str, frozenset[Why]]] = (
    ("", frozenset()),
    (", session", frozenset({"session"})),
    (", real time", frozenset({"session", "real time"})),
)
"""What a cycle may use beside data, the gravest first: what it needs is in its name."""


def check(history: Iterable[Transaction]) -> list[Anomaly]:
    """Return every anomaly of single readings, and the gravest cycle of each knot."""
    whole = list(history)
    versions, found = versions_of(whole)
    edges = list(dependencies(whole, versions))
    # One that perhaps committed did, if anything depends on it.
    seen = {one for edge in edges for one in edge[:2] if one.outcome == "unknown"}
    done = [one for one in whole if one.outcome == "ok" or one in seen]
    edges += [*session_order(done), *real_time_order(done)]
    return found + [_cycle(knot, edges) for knot in _knots(edges)]


def _knots(edges: Iterable[Edge]) -> Iterator[set[Transaction]]:
    graph = _graph(edges)
    return (knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1)


def _graph(edges: Iterable[Edge]) -> nx.DiGraph[Transaction]:
    graph: nx.DiGraph[Transaction] = nx.DiGraph()
    graph.add_edges_from((first, second) for first, second, _ in edges)
    return graph


def _cycle(knot: set[Transaction], edges: Sequence[Edge]) -> Anomaly:
    """Name the gravest cycle of a knot, and tell it."""
    inside = [edge for edge in edges if edge[0] in knot and edge[1] in knot]
    for suffix, orders in ORDERS:
        for kind, data in (("G0", {"ww"}), ("G1c", {"ww", "wr"})):
            circle = _circle(inside, {*data, *orders})
            if circle:
                return Anomaly(kind + suffix, _told(circle, inside))
        circle = _single(inside, {"ww", "wr", *orders})
        if circle:
            return Anomaly("G-single" + suffix, _told(circle, inside))
        circle = _circle(inside, {"ww", "wr", "rw", *orders})
        if circle:
            return Anomaly("G2" + suffix, _told(circle, inside))
    raise AssertionError("a knot has a cycle")


def _circle(edges: Iterable[Edge], whys: Collection[str]) -> list[Transaction]:
    graph = _graph(edge for edge in edges if edge[2] in whys)
    try:
        return [first for first, _ in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        return []


def _single(edges: Sequence[Edge], whys: Collection[str]) -> list[Transaction]:
    """Find a cycle with one edge of what was not seen."""
    graph = _graph(edge for edge in edges if edge[2] in whys)
    for reader, writer, why in edges:
        if why == "rw" and reader in graph and writer in graph:
            try:
                path: list[Transaction] = nx.shortest_path(graph, writer, reader)
            except nx.NetworkXNoPath:
                continue
            return path
    return []


def _told(circle: Sequence[Transaction], edges: Iterable[Edge]) -> str:
    whys: dict[tuple[str, str], str] = {}
    for first, second, why in edges:
        whys.setdefault((first.name, second.name), why)
    names = [one.name for one in circle]
    steps = zip(names, [*names[1:], names[0]], strict=True)
    return (
        " ".join(f"{first} -{whys[first, second]}->" for first, second in steps) + names[0]
    )
