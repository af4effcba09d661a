"""What is told of files with geodata in them, and of those that only pretend."""

from __future__ import annotations

import io
import json
import math
import re
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import laspy
import numpy as np
import pyogrio
import pytest
import shapely
import tifffile
from pyproj import CRS

from chalicelib.geoflow import file_facts, files
from chalicelib.geoflow.limits import MAX_DRAWN_VERTICES
from chalicelib.geoflow.model.geodata import archives, inspection
from chalicelib.geoflow.model.geodata.antimeridian import cut
from chalicelib.geoflow.model.geodata.drivers import DRIVERS, environment
from chalicelib.geoflow.model.geodata.reading import read
from chalicelib.geoflow.model.geodata.refusals import Unreadable
from chalicelib.geoflow.model.geodata.thumbnails import drawn
from chalicelib.geoflow.schema import Geodata
from testing import TestBackend

SQUARES = [shapely.box(8, 47, 9, 48), shapely.box(10, 50, 11, 52)]
LV95 = [shapely.box(2600000, 1200000, 2600100, 1200050)]
DRIVERS_BY_SUFFIX = {
    "gpkg": "GPKG",
    "fgb": "FlatGeobuf",
    "geojson": "GeoJSON",
    "kml": "KML",
    "gml": "GML",
    "shp": "ESRI Shapefile",
}


def written(
    place: Path,
    suffix: str,
    shapes: Sequence[Any] = SQUARES,
    crs: str = "EPSG:4326",
    **options: Any,
) -> Path:
    """Have GDAL write a file."""
    path = place / f"data.{suffix}"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array(shapes, dtype=object)),
        [np.arange(len(shapes))],
        ["n"],
        geometry_type=options.pop("geometry_type", "Polygon"),
        crs=crs,
        driver=DRIVERS_BY_SUFFIX[suffix],
        **options,
    )
    return path


def zipped(place: Path, *paths: Path, folder: str = "") -> Path:
    path = place / "packed"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in paths:
            archive.write(each, f"{folder}{each.name}")
    return path


def shapefile(place: Path, **options: Any) -> list[Path]:
    written(place, "shp", **options)
    return [place / f"data.{suffix}" for suffix in ("shp", "shx", "dbf", "prj", "cpg")]


def points(place: Path, suffix: str, count: int = 20) -> Path:
    header = laspy.LasHeader(point_format=3, version="1.4")
    header.add_crs(CRS("EPSG:2056"))
    header.offsets, header.scales = [2600000, 1200000, 0], [0.01] * 3
    cloud = laspy.LasData(header)
    cloud.x = 2600000 + np.linspace(0, 100, count)
    cloud.y = 1200000 + np.linspace(0, 50, count)
    cloud.z = np.zeros(count)
    path = place / f"data.{suffix}"
    cloud.write(path)
    return path


def raster(place: Path, keys: Sequence[int] = (), scale: float = 10.0, **tags: Any) -> Path:
    """A GeoTIFF of 30 by 20 pixels and 3 bands, in UTM 32N unless its keys say otherwise."""
    entries = keys or (1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
    directory = (1, 1, 0, len(entries) // 4, *entries)
    extra = [
        (33550, "d", 3, (scale, scale, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500000.0, 5200000.0, 0.0), True),
        (34735, "H", len(directory), directory, True),
    ]
    path = place / "data.tif"
    pixels = np.zeros((20, 30, 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=tags.get("extra", extra))
    return path


def why(path: Path) -> str:
    with pytest.raises(Unreadable) as refused:
        read(path)
    return str(refused.value)


class TestVectors:
    @pytest.mark.parametrize("suffix", ["gpkg", "fgb", "geojson", "kml", "gml"])
    def test_are_counted_measured_and_drawn(self, tmp_path: Path, suffix: str) -> None:
        found = read(written(tmp_path, suffix))

        assert found["geodata"] == {
            "format": DRIVERS[DRIVERS_BY_SUFFIX[suffix]],
            "crs": {"authority": "EPSG", "code": "4326", "name": "WGS 84"},
            "bbox": [8, 47, 11, 52],
            "bboxWgs84": [8, 47, 11, 52],
            "layers": 1,
            "featureCount": 2,
        }
        assert found["thumbnail"].startswith("<svg ")

    @pytest.mark.parametrize("folder", ["", "a/folder.of/it/"])
    def test_of_a_zipped_shapefile(self, tmp_path: Path, folder: str) -> None:
        path = zipped(tmp_path, *shapefile(tmp_path), folder=folder)

        told = read(path)["geodata"]

        assert (told["format"], told["featureCount"]) == ("Shapefile", 2)
        assert told["crs"]["code"] == "4326"

    def test_of_a_packed_kml(self, tmp_path: Path) -> None:
        told = read(zipped(tmp_path, written(tmp_path, "kml")))["geodata"]

        assert (told["format"], told["featureCount"]) == ("KML", 2)

    def test_in_meters_are_told_in_degrees_too(self, tmp_path: Path) -> None:
        told = read(written(tmp_path, "gpkg", LV95, "EPSG:2056"))["geodata"]

        assert told["crs"] == {
            "authority": "EPSG",
            "code": "2056",
            "name": "CH1903+ / LV95",
        }
        assert told["bbox"] == [2600000, 1200000, 2600100, 1200050]
        # Bern's old observatory, the origin of the Swiss grid. Source: swisstopo.
        assert told["bboxWgs84"][:2] == pytest.approx([7.438632, 46.951083], abs=1e-6)

    def test_of_several_layers_are_summed(self, tmp_path: Path) -> None:
        written(tmp_path, "gpkg", layer="first")
        path = written(tmp_path, "gpkg", LV95, "EPSG:2056", layer="second", append=True)

        told = read(path)["geodata"]

        assert (told["layers"], told["featureCount"]) == (2, 3)
        assert told["bbox"] == [8, 47, 11, 52]
        assert told["bboxWgs84"][0] == pytest.approx(7.438632, abs=1e-6)

    def test_of_none_have_no_bounds(self, tmp_path: Path) -> None:
        path = tmp_path / "empty"
        path.write_text('{"type": "FeatureCollection", "features": []}')

        found = read(path)

        assert (found["geodata"]["featureCount"], found["geodata"]["bbox"]) == (0, None)
        assert found["thumbnail"] is None


class TestRasters:
    def test_are_told_by_size_and_place(self, tmp_path: Path) -> None:
        told = read(raster(tmp_path))["geodata"]

        assert told["format"] == "GeoTIFF"
        assert told["raster"] == {"width": 30, "height": 20, "bands": 3}
        assert told["crs"]["code"] == "32632"
        assert told["bbox"] == [500000, 5199800, 500300, 5200000]
        west, south, east, north = told["bboxWgs84"]
        assert west == pytest.approx(9, abs=1e-6)  # the zone's central meridian
        # 200 m and 300 m, at the scale of that meridian, in degrees of that latitude.
        assert north - south == pytest.approx(200 / 0.9996 / 111_170, abs=1e-6)
        assert east - west == pytest.approx(300 / 0.9996 / 76_100, abs=1e-5)

    def test_whose_pixels_are_points_begin_half_a_pixel_before(
        self, tmp_path: Path
    ) -> None:
        keys = (1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32632)

        told = read(raster(tmp_path, keys))["geodata"]

        assert told["bbox"] == [499995, 5199805, 500295, 5200005]

    def test_without_a_place_are_images(self, tmp_path: Path) -> None:
        told = read(raster(tmp_path, extra=[]))["geodata"]

        assert (told["format"], told["crs"], told["bbox"]) == ("TIFF", None, None)

    def test_that_are_cut_off_say_so(self, tmp_path: Path) -> None:
        path = raster(tmp_path)
        path.write_bytes(path.read_bytes()[:-100])

        assert "cut off" in why(path)

    def test_in_a_system_that_is_none_say_so(self, tmp_path: Path) -> None:
        path = raster(tmp_path, (1024, 0, 1, 1, 3072, 0, 1, 4))

        assert "reference system" in why(path)


class TestPoints:
    @pytest.mark.parametrize("suffix", ["las", "laz"])
    def test_are_counted_and_measured(self, tmp_path: Path, suffix: str) -> None:
        told = read(points(tmp_path, suffix))["geodata"]

        assert (told["format"], told["pointCount"]) == (suffix.upper(), 20)
        assert told["crs"]["code"] == "2056"
        assert told["bbox"] == [2600000, 1200000, 2600100, 1200050]
        assert told["bboxWgs84"][:2] == pytest.approx([7.438632, 46.951083], abs=1e-6)

    @pytest.mark.parametrize("suffix", ["las", "laz"])
    def test_that_are_cut_off_say_so(self, tmp_path: Path, suffix: str) -> None:
        path = points(tmp_path, suffix, 2000)
        path.write_bytes(path.read_bytes()[:-600])

        assert "cut off" in why(path) or "damaged" in why(path)


class TestHostileFiles:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b"name,height\nPilatus,2128\n", "no format"),
            (bytes(100), "no format"),
            (b"\x89PNG\r\n\x1a\n", "no format"),
            (b"{", "damaged"),
            (b'{"type": "FeatureCollection"', "damaged"),
            (b'{"a": 1}', "damaged"),
            (b"[" * 100_000, "no format"),
            (b'{"a":' * 100_000, "damaged"),
            (b"<html><body/></html>", "neither KML nor GML"),
            (b"<OGRVRTDataSource/>", "neither KML nor GML"),
            (b"<kml", "damaged"),
            (b'<!DOCTYPE a [<!ENTITY b "c">]><kml>&b;</kml>', "document type"),
            (b"SQLite format 3\0" + bytes(1000), "damaged"),
            (b"fgb\x03fgb\x00" + b"\xff" * 100, "no layer"),
            (b"II*\0" + b"\xff" * 100, "damaged"),
            (b"LASF" + b"\xff" * 400, "damaged"),
            (b"PK\x03\x04" + b"\xff" * 100, "cannot be unpacked"),
        ],
    )
    def test_are_unreadable_with_a_reason(
        self, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        path = tmp_path / "file"
        path.write_bytes(content)

        assert reason in why(path)

    @pytest.mark.parametrize("suffix", ["gpkg", "fgb", "geojson", "kml", "gml"])
    def test_that_are_cut_off_say_so(self, tmp_path: Path, suffix: str) -> None:
        shapes = [shapely.box(x / 100, 1, x / 100 + 0.001, 2) for x in range(500)]
        path = written(tmp_path, suffix, shapes)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])

        assert "damaged" in why(path) or "cut off" in why(path)

    @pytest.mark.parametrize(
        "point", ["[8, 4700]", "[1e300, 47]", "[8, -1e308]", "[400.5, 0]"]
    )
    def test_with_coordinates_that_are_none_say_so(
        self, tmp_path: Path, point: str
    ) -> None:
        path = tmp_path / "file"
        path.write_text(f'{{"type": "Point", "coordinates": {point}}}')

        assert "coordinates" in why(path)

    def test_far_outside_of_their_system_say_so(self, tmp_path: Path) -> None:
        path = written(tmp_path, "gpkg", [shapely.box(1e30, 1e30, 2e30, 2e30)], "EPSG:2056")

        assert "not within CH1903+" in why(path)

    def test_that_unpack_to_much_are_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1 << 20)
        path = tmp_path / "bomb"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.geojson", bytes(2 << 20))

        assert "unpacks to more" in why(path)

    def test_with_many_entries_are_left(self, tmp_path: Path) -> None:
        path = tmp_path / "many"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(1001):
                archive.writestr(f"{number}.json", "{}")

        assert "1000 entries" in why(path)

    def test_cannot_name_where_they_are_unpacked(self, tmp_path: Path) -> None:
        inner, outer = written(tmp_path, "geojson"), tmp_path / "in" / "packed"
        outer.parent.mkdir()
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(inner, "../../escaped.geojson")

        read(outer)

        assert sorted(path.name for path in outer.parent.iterdir()) == [
            "packed",
            "unpacked.geojson",
        ]
        assert not (tmp_path / "escaped.geojson").exists()

    def test_without_geodata_in_them_say_so(self, tmp_path: Path) -> None:
        path = tmp_path / "archive"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing")

        assert "without geodata" in why(path)


class TestThumbnails:
    def test_keep_the_shape_of_what_is_drawn(self) -> None:
        shapes = shapely.to_wkb(
            [
                shapely.box(0, 0, 20, 10),
                shapely.LineString([(0, 0), (20, 10)]),
                shapely.MultiPoint([(5, 5), (6, 6)]),
            ]
        )

        picture = ET.fromstring(drawn(shapes, in_degrees=False) or "")

        drawings = [path.get("d") for path in picture.iter() if path.tag.endswith("path")]
        assert drawings == [
            "M248.0 188.0L248.0 68.0L8.0 68.0L8.0 188.0Z",
            "M8.0 188.0L248.0 68.0",
            "M68.0 128.0h0M80.0 116.0h0",
        ]

    def test_narrow_degrees_of_longitude_as_the_earth_does(self) -> None:
        picture = drawn(shapely.to_wkb([shapely.box(0, 59, 2, 61)]), in_degrees=True) or ""

        xs = [
            float(pair.split()[0])
            for pair in picture.split('d="M')[1][:-20].replace("Z", "L").split("L")[:4]
        ]
        assert max(xs) - min(xs) == pytest.approx(240 * math.cos(math.radians(60)), abs=0.2)

    def test_go_on_at_the_other_edge_of_the_map(self) -> None:
        fiji = shapely.Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)])
        land = shapely.box(-170, -60, 170, 60)

        picture = drawn(shapely.to_wkb([land, fiji]), in_degrees=True) or ""

        squares = [
            [float(pair.split()[0]) for pair in square.split("L")]
            for square in picture.split(' d="M')[1]
            .split('"')[0]
            .removesuffix("Z")
            .split("ZM")
        ]
        assert len(squares) == 3
        assert sorted(round(max(xs) - min(xs), 1) for xs in squares)[:2] == [0.7, 0.7]

    def test_close_what_surrounds_a_pole(self) -> None:
        cap = shapely.Polygon([(longitude, -80) for longitude in range(-180, 181, 30)])

        (piece,) = cut(np.array([cap], dtype=object))

        assert piece.equals(shapely.box(-180, -90, 180, -80))

    def test_leave_a_box_around_the_earth_as_it_is(self) -> None:
        world = shapely.box(-180, -90, 180, 90)

        assert list(cut(np.array([world], dtype=object))) == [world]

    def test_have_few_vertices_however_many_there_are(self) -> None:
        angles = np.linspace(0, 2 * np.pi, 100_000)
        noise = 1 + 0.3 * np.random.default_rng(1).random(100_000)
        star = shapely.Polygon(
            np.column_stack([np.cos(angles), np.sin(angles)]) * noise[:, None]
        )
        dust: Any = shapely.points(np.random.default_rng(2).random((20_000, 2)))
        dots = [dot.buffer(0.001) for dot in dust[:1500]]

        for shapes in ([star], list(dust), dots):
            picture = drawn(shapely.to_wkb(shapes), in_degrees=False) or ""

            vertices = picture.count("M") + picture.count("L")
            assert 100 < vertices <= MAX_DRAWN_VERTICES
            assert len(picture) < 100_000

    def test_of_nothing_are_none(self) -> None:
        empty = shapely.to_wkb([shapely.Polygon(), shapely.GeometryCollection()])

        assert drawn(empty, in_degrees=True) is None
        assert drawn([None], in_degrees=True) is None

    def test_leave_out_what_has_no_place(self) -> None:
        known = shapely.to_wkb(shapely.LineString([(0, 0), (7777, 1), (9, 9)]))
        lost = known.replace(struct.pack("<d", 7777), struct.pack("<d", math.nan))
        shapes = [lost, shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)]))]

        picture = drawn(shapes, in_degrees=False) or ""

        assert 'd="M8.0 248.0L248.0 8.0"' in picture
        assert drawn([lost], in_degrees=False) is None

    @pytest.mark.parametrize(
        "shape", [shapely.Point(3, 4), shapely.LineString([(1, 1), (1, 5)])]
    )
    def test_of_what_has_no_width_are_in_the_middle(self, shape: Any) -> None:
        picture = drawn(shapely.to_wkb([shape]), in_degrees=False) or ""

        assert 'd="M128.0 ' in picture

    def test_hold_nothing_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        feature = {
            "type": "Feature",
            "properties": {"name": "<script>alert(1)</script>"},
            "geometry": {"type": "Point", "coordinates": [8, 47]},
        }
        path.write_text(json.dumps(feature))

        picture = ET.fromstring(read(path)["thumbnail"])

        tags = {element.tag.rpartition("}")[2] for element in picture.iter()}
        assert tags == {"svg", "g", "path"}
        assert not [text for element in picture.iter() if (text := element.text)]


ATLAS = Path(__file__).parents[2] / "demo" / "node_modules" / "world-atlas"


@pytest.mark.clients
@pytest.mark.parametrize("scale", ["110m", "10m"])
def test_the_countries_of_the_world_are_read_and_drawn(scale: str) -> None:
    found = inspection.inspected([(ATLAS / f"countries-{scale}.json").read_bytes()])

    assert found.geodata is not None
    assert (found.geodata.format, found.geodata.layers) == ("TopoJSON", 2)
    countries = {"110m": 177, "10m": 255}[scale]
    assert found.geodata.feature_count == countries + 1  # and all land as one
    assert found.thumbnail is not None
    across = [float(x) for x in re.findall(r"[ML](-?[0-9.]+) ", found.thumbnail)]
    assert (min(across), max(across)) == (8.0, 248.0)
    assert found.thumbnail.count("M") > 150  # outlines of countries and islands


class TestProcess:
    def test_answers_as_reading_here_does(self, tmp_path: Path) -> None:
        path = written(tmp_path, "gpkg")

        found = inspection.inspected([path.read_bytes()])

        assert found.geodata is not None
        assert (found.geodata.format, found.geodata.feature_count) == ("GeoPackage", 2)
        assert (found.thumbnail, found.reason) == (read(path)["thumbnail"], None)

    def test_that_takes_too_long_is_ended(self, tmp_path: Path) -> None:
        found = inspection.inspected([b"{"], timeout_s=0.01)

        assert found == inspection.Finding(reason="it could not be read within 60 seconds")

    @pytest.mark.parametrize(
        ("died_of", "reason"),
        [(signal.SIGSEGV, "broke the reader"), (signal.SIGXCPU, "within 60 seconds")],
    )
    def test_that_dies_is_a_reason(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, died_of: int, reason: str
    ) -> None:
        reader = tmp_path / "dying.py"
        reader.write_text(f"import os; os.kill(os.getpid(), {int(died_of)})")
        monkeypatch.setattr(inspection, "_READER", "dying")
        monkeypatch.syspath_prepend(tmp_path)

        found = inspection.inspected([b"{"])

        assert reason in (found.reason or "")

    def test_is_bounded_in_memory_and_knows_no_paths(self, tmp_path: Path) -> None:
        bomb = io.BytesIO()
        tifffile.imwrite(bomb, np.zeros((4, 4), dtype=np.uint8))
        damaged = bomb.getvalue()[:-20]

        found = inspection.inspected([damaged])

        assert found.geodata is None
        assert "geoflow-" not in (found.reason or "")

    def test_loads_only_the_drivers_that_are_used(self, tmp_path: Path) -> None:
        listed = subprocess.run(
            [
                sys.executable,
                "-c",
                "import pyogrio, json; print(json.dumps(pyogrio.list_drivers()))",
            ],
            env=environment(python_path="", scratch=str(tmp_path)),
            capture_output=True,
            check=True,
        )

        assert set(json.loads(listed.stdout)) <= {*DRIVERS, "MEM", "SQLite"}


class TestFile:
    def test_becomes_ready_with_its_facts_and_picture(
        self, backend: TestBackend, tmp_path: Path
    ) -> None:
        alice = backend.as_user("alice")
        content = written(tmp_path, "geojson").read_bytes()
        url = alice.mutation(files.generate_upload_url)
        file_id = alice.mutation(files.upload, backend.upload(url, content), "a.geojson")
        watched = alice.watch(files.get, file_id)

        backend.run_jobs()

        found = watched.latest
        assert found is not None
        assert found.geodata is not None
        assert (found.state, found.reason) == ("ready", None)
        assert (found.geodata.format, found.geodata.feature_count) == ("GeoJSON", 2)
        response = alice.http("GET", f"/api/files/{file_id}/thumbnail")
        assert b"".join(response.stream or ()).startswith(b"<svg ")

    def test_that_is_removed_meanwhile_leaves_nothing(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = backend.as_user("alice")
        url = alice.mutation(files.generate_upload_url)
        file_id = alice.mutation(files.upload, backend.upload(url, b"{}"), "a.geojson")

        def removed(pieces: Any) -> inspection.Finding:
            b"".join(pieces)
            alice.mutation(files.remove, file_id)
            return inspection.Finding(geodata=GEODATA, thumbnail="<svg/>")

        monkeypatch.setattr(file_facts, "inspected", removed)
        backend.run_jobs()
        backend.engine.files.sweep()

        assert backend.blobs.held == {}


GEODATA = Geodata(format="GeoJSON")
