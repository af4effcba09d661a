"""What flows between the nodes of a workflow: shapes with their properties."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shapely.geometry.base import BaseGeometry

from demo.equal_area import EqualArea


@dataclass(frozen=True, slots=True)
class Feature:
    """One shape: its identifier, what is known of it, where it is."""

    id: str
    properties: Mapping[str, Any]
    geometry: BaseGeometry

    def reshaped(self, geometry: BaseGeometry) -> "Feature":
        """Return the feature in another shape."""
        return replace(self, geometry=geometry)


@dataclass(frozen=True, slots=True)
class Layer:
    """Features in one coordinate system."""

    features: tuple[Feature, ...]
    projection: EqualArea | None = None
    """None: longitude and latitude in degrees (WGS 84); else metres on that plane."""

    def holding(self, features: Iterable[Feature]) -> "Layer":
        """Return a layer of other features in the same coordinate system."""
        return replace(self, features=tuple(features))
