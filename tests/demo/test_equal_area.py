"""Laws of the plane on which the demo measures."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from demo.equal_area import AUTHALIC_RADIUS_M, EqualArea

longitudes = st.floats(-180, 180)
latitudes = st.floats(-85, 85)


def square_metres(plane: EqualArea, west: float, south: float, degrees: float) -> float:
    """Project a cell of the globe, its edges drawn in small steps, and measure it."""
    cell = shapely.box(west, south, west + degrees, south + degrees)
    edge = np.asarray(cell.segmentize(degrees / 200).exterior.coords)
    return float(shapely.Polygon(np.column_stack(plane.forward(*edge.T))).area)


def test_the_sphere_has_the_published_radius() -> None:
    # Moritz, Geodetic Reference System 1980; that of WGS 84 is equal to the millimetre.
    assert pytest.approx(6_371_007.181, abs=0.001) == AUTHALIC_RADIUS_M


def surface_of_cell(south: float, degrees: float) -> float:
    """Integrate the surface of the WGS 84 ellipsoid over a cell, in square metres."""
    semi_major, flattening = 6_378_137.0, 1 / 298.257223563
    e2 = flattening * (2 - flattening)
    latitudes_in_between = np.radians(np.linspace(south, south + degrees, 20_001))
    bulge = 1 - e2 * np.sin(latitudes_in_between) ** 2
    strips = semi_major**2 * (1 - e2) * np.cos(latitudes_in_between) / bulge**2
    return float(np.trapezoid(strips, latitudes_in_between) * np.radians(degrees))


@pytest.mark.parametrize("south", [-80, -33, 0, 45, 80])
def test_a_cell_has_its_area_on_the_ellipsoid(south: float) -> None:
    measured = square_metres(EqualArea(10, south), 10, south, 1)

    assert measured == pytest.approx(surface_of_cell(south, 1), rel=1e-5)


@given(longitudes, st.floats(-60, 60), st.floats(-90, 90), st.floats(-60, 60))
def test_an_area_does_not_depend_on_the_centre(
    west: float, south: float, turned: float, tilted: float
) -> None:
    near = square_metres(EqualArea(west, south), west, south, 2)
    far = square_metres(EqualArea(west + turned, tilted), west, south, 2)

    assert far == pytest.approx(near, rel=1e-3)


@given(longitudes, latitudes, st.floats(-90, 90), latitudes)
def test_there_and_back_is_the_same_point(
    longitude: float, latitude: float, turned: float, tilted: float
) -> None:
    plane = EqualArea(longitude + turned, tilted)

    back = plane.inverse(*plane.forward(np.array([longitude]), np.array([latitude])))

    assert np.concatenate(back) == pytest.approx([longitude, latitude], abs=1e-6)


def test_the_centre_is_the_origin() -> None:
    plane = EqualArea(-60, -20)

    assert plane.forward(np.array([-60.0]), np.array([-20.0])) == pytest.approx((0, 0))
    assert plane.inverse(np.array([0.0]), np.array([0.0])) == pytest.approx((-60, -20))
