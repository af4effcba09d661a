"""The demo's workflow: the countries of South America, and the sea that belongs to them."""

from itertools import pairwise
from typing import Any, Final

SOUTH_AMERICA: Final = {
    "Argentina": "032",
    "Bolivia": "068",
    "Brazil": "076",
    "Chile": "152",
    "Colombia": "170",
    "Ecuador": "218",
    "Guyana": "328",
    "Paraguay": "600",
    "Peru": "604",
    "Suriname": "740",
    "Uruguay": "858",
    "Venezuela": "862",
}
"""Countries by their ISO 3166-1 numeric codes, the identifiers of the shapes."""

TERRITORIAL_SEA_M: Final = 22_224
"""12 nautical miles, in metres. Source: UN Convention on the Law of the Sea, article 3."""

INPUTS: Final = {"file": "countries-10m.json"}
"""Natural Earth's countries at 1:10 million, from the npm package ``world-atlas``."""

RESULT: Final = "south-america-with-territorial-sea.geojson"

_CHAIN: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("read", "read", {"collection": "countries"}),
    ("filter", "filter", {"ids": sorted(SOUTH_AMERICA.values())}),
    ("project", "reproject", {"to": "equal-area", "centre": [-60, -20]}),
    ("buffer", "buffer", {"metres": TERRITORIAL_SEA_M}),
    ("dissolve", "dissolve", {}),
    ("measure", "measure", {}),
    ("unproject", "reproject", {"to": "degrees"}),
    ("write", "write", {"file": RESULT}),
]
"""Node, type, config, each fed by the one before it."""

_LAND: Final = "land"
"""A branch: the countries are measured before they are grown."""


def definition() -> dict[str, Any]:
    """Return the arguments of ``workflows:create``."""
    chain = [
        {
            "id": node,
            "type": kind,
            "position": {"x": 180.0 * step, "y": 0.0},
            "config": config,
        }
        for step, (node, kind, config) in enumerate(_CHAIN)
    ]
    land = {
        "id": _LAND,
        "type": "measure",
        "position": {"x": 540.0, "y": 120.0},
        "config": {},
    }
    names = [node for node, _, _ in _CHAIN]
    edges = [*pairwise(names), ("project", _LAND)]
    return {
        "name": "South America with its territorial sea",
        "description": "Read, filter, buffer by 12 nautical miles, dissolve, measure.",
        "tags": ["demo"],
        "nodes": [*chain, land],
        "edges": [{"source": source, "target": target} for source, target in edges],
    }
