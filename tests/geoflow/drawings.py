"""Definitions that tests draw with few words."""

from typing import Any

from chalicelib.geoflow.schema import Edge, Node, Position


def node(name: str, kind: str = "buffer", **config: Any) -> Node:
    return Node(id=name, type=kind, position=Position(x=0.0, y=0.0), config=config)


def nodes(names: str) -> list[Node]:
    """Nodes with these ids, separated by spaces."""
    return [node(name) for name in names.split()]


def edges(arrows: str) -> list[Edge]:
    """Edges written as ``a>b b>c``."""
    pairs = (arrow.split(">") for arrow in arrows.split())
    return [Edge(source=source, target=target) for source, target in pairs]
