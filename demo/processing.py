"""What the nodes of a workflow do: each takes a layer and gives one.

A node's type names its function in :data:`STEPS`; its config is the function's to read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.geometry import mapping

from demo import topojson
from demo.equal_area import EqualArea
from demo.layers import Feature, Layer

_ROUND_CORNER_SEGMENTS: Final = 32
"""Straight pieces per quarter circle of a buffer; its area is then right to 0.04 %."""

_DECIMALS: Final = 5
"""Of degrees in a result: about one metre."""

_MEASURES_DIGITS: Final = 1


class CannotProcess(Exception):
    """The workflow asks for something that this worker cannot do; the text says what."""


@dataclass(frozen=True, slots=True)
class Job:
    """One node at work: its config, the execution's inputs, and where files are."""

    config: Mapping[str, Any]
    inputs: Mapping[str, Any]
    sources: Path
    results: Path
    advance: Callable[[float], None]
    """Told how much is done, 0 to 1, after each feature."""

    def each(self, features: Sequence[Feature]) -> Iterator[Feature]:
        """Yield features, telling after each how far this is."""
        for number, feature in enumerate(features, start=1):
            yield feature
            self.advance(number / len(features))

    def wanted(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """Return an entry of the config.

        Raises:
            CannotProcess: it is missing, or of another kind.
        """
        found = self.config.get(name)
        if not isinstance(found, kind):
            raise CannotProcess(f"the config needs {name!r}, and has {found!r}")
        return found


@dataclass(frozen=True, slots=True)
class Done:
    """What a node gives on, and what it tells the user."""

    layer: Layer
    outputs: Mapping[str, Any] | None = None


Step = Callable[[Layer, Job], Done]


def read(_: Layer, job: Job) -> Done:
    """Read the TopoJSON file that the execution's input ``file`` names."""
    path = _inside(job.sources, job.inputs.get("file"))
    if not path.is_file():
        raise CannotProcess(f"there is no file {path.name!r} in {job.sources}")
    expected, features = topojson.read(path, job.wanted("collection", str))
    found: list[Feature] = []
    for feature in features:
        found.append(feature)
        job.advance(len(found) / expected)
    return Done(Layer(tuple(found)))


def keep(layer: Layer, job: Job) -> Done:
    """Keep the features whose identifier the config lists."""
    wanted = frozenset(job.wanted("ids", list))
    kept = [feature for feature in job.each(layer.features) if feature.id in wanted]
    if missing := wanted - {feature.id for feature in kept}:
        raise CannotProcess(f"the layer has no feature {', '.join(sorted(missing))}")
    return Done(layer.holding(kept))


def reproject(layer: Layer, job: Job) -> Done:
    """Move the layer to the equal-area plane round ``centre``, or back to degrees."""
    match layer.projection, job.wanted("to", str):
        case None, "equal-area":
            longitude, latitude = job.wanted("centre", list)
            plane = EqualArea(longitude, latitude)
            return Done(replace(_moved(layer, job, plane.forward), projection=plane))
        case EqualArea() as plane, "degrees":
            return Done(replace(_moved(layer, job, plane.inverse), projection=None))
        case held, to:
            raise CannotProcess(f"cannot go from {held or 'degrees'} to {to!r}")


def buffer(layer: Layer, job: Job) -> Done:
    """Grow every feature by ``metres``."""
    _require_metres(layer)
    metres = job.wanted("metres", (int, float))
    grown = (
        feature.reshaped(feature.geometry.buffer(metres, _ROUND_CORNER_SEGMENTS))
        for feature in job.each(layer.features)
    )
    return Done(layer.holding(grown))


def dissolve(layer: Layer, job: Job) -> Done:
    """Make one feature of all, without the borders between them."""
    whole = shapely.union_all([feature.geometry for feature in layer.features])
    members = [
        str(feature.properties.get("name", feature.id)) for feature in layer.features
    ]
    job.advance(1)
    return Done(layer.holding([Feature("dissolved", {"members": sorted(members)}, whole)]))


def measure(layer: Layer, job: Job) -> Done:
    """Give every feature its area and the length of its outline, and tell the sums."""
    _require_metres(layer)
    measured = tuple(_measured(feature) for feature in job.each(layer.features))
    area = sum(feature.properties["areaKm2"] for feature in measured)
    outputs = {"features": len(measured), "areaKm2": round(area, _MEASURES_DIGITS)}
    return Done(layer.holding(measured), outputs)


def write(layer: Layer, job: Job) -> Done:
    """Write the layer as GeoJSON (RFC 7946) to the file that the config names."""
    if layer.projection is not None:
        raise CannotProcess("GeoJSON is in degrees: reproject the layer before writing it")
    path = _inside(job.results, job.wanted("file", str))
    job.results.mkdir(parents=True, exist_ok=True)
    collection = {
        "type": "FeatureCollection",
        "features": [_as_geojson(feature) for feature in job.each(layer.features)],
    }
    # Moved into place when complete: a worker that dies leaves no half result behind.
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(collection, ensure_ascii=False))
    beside.replace(path)
    size = path.stat().st_size
    return Done(layer, {"file": str(path), "features": len(layer.features), "bytes": size})


STEPS: Final[Mapping[str, Step]] = {
    "read": read,
    "filter": keep,
    "reproject": reproject,
    "buffer": buffer,
    "dissolve": dissolve,
    "measure": measure,
    "write": write,
}


def _moved(layer: Layer, job: Job, move: Callable[..., Any]) -> Layer:
    return layer.holding(
        feature.reshaped(shapely.transform(feature.geometry, move, interleaved=False))
        for feature in job.each(layer.features)
    )


def _measured(feature: Feature) -> Feature:
    sizes = {
        "areaKm2": round(feature.geometry.area / 1e6, _MEASURES_DIGITS),
        "outlineKm": round(feature.geometry.length / 1e3, _MEASURES_DIGITS),
    }
    return replace(feature, properties={**feature.properties, **sizes})


def _as_geojson(feature: Feature) -> dict[str, Any]:
    rounded = shapely.transform(feature.geometry, lambda points: points.round(_DECIMALS))
    return {
        "type": "Feature",
        "id": feature.id,
        "properties": dict(feature.properties),
        "geometry": mapping(rounded),
    }


def _require_metres(layer: Layer) -> None:
    if layer.projection is None:
        raise CannotProcess(
            "a degree is no length: reproject the layer before measuring it"
        )


def _inside(directory: Path, name: object) -> Path:
    """Return a file directly in a directory: a workflow must not reach anywhere else."""
    if not isinstance(name, str) or Path(name).name != name:
        raise CannotProcess(f"{name!r} is not the name of a file")
    return directory / name
