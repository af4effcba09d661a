"""A plane on which areas are true: Lambert's azimuthal projection of the WGS 84 ellipsoid.

The ellipsoid is first mapped to the sphere of the same area (its authalic sphere), then the
sphere to the plane; both steps keep areas. Formulas: J. P. Snyder, Map Projections: A Working
Manual (USGS Professional Paper 1395, 1987), equations 3-11 to 3-18 and 24-2 to 24-18.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SEMI_MAJOR_AXIS_M: Final = 6_378_137.0
"""Of the WGS 84 ellipsoid, in metres."""

_E2: Final = 0.006_694_379_990_14
_E: Final = float(np.sqrt(_E2))


def _q(latitude: Any) -> Any:
    sine = np.sin(latitude)
    logarithm = np.log((1 - _E * sine) / (1 + _E * sine)) / (2 * _E)
    return (1 - _E2) * (sine / (1 - _E2 * sine**2) - logarithm)


_Q_POLE: Final = float(_q(np.pi / 2))

AUTHALIC_RADIUS_M: Final = SEMI_MAJOR_AXIS_M * float(np.sqrt(_Q_POLE / 2))
"""Radius of the sphere that has the ellipsoid's area, in metres."""


@dataclass(frozen=True, slots=True)
class EqualArea:
    """The plane that touches the globe at a centre, given in degrees."""

    longitude: float
    latitude: float

    def forward(self, longitude: Numbers, latitude: Numbers) -> tuple[Numbers, Numbers]:
        """Project degrees to metres east and north of the centre."""
        centre = _authalic(np.radians(self.latitude))
        beta = _authalic(np.radians(latitude))
        turn = np.radians(longitude - self.longitude)
        towards = np.cos(beta) * np.cos(turn)
        distance = np.sqrt(
            2 / (1 + np.sin(centre) * np.sin(beta) + np.cos(centre) * towards)
        )
        east = distance * np.cos(beta) * np.sin(turn)
        north = distance * (np.cos(centre) * np.sin(beta) - np.sin(centre) * towards)
        return AUTHALIC_RADIUS_M * east, AUTHALIC_RADIUS_M * north

    def inverse(self, east: Numbers, north: Numbers) -> tuple[Numbers, Numbers]:
        """Return the degrees of points given in metres east and north of the centre."""
        centre = _authalic(np.radians(self.latitude))
        x, y = east / AUTHALIC_RADIUS_M, north / AUTHALIC_RADIUS_M
        distance = np.hypot(x, y)
        angle = 2 * np.arcsin(np.clip(distance / 2, -1, 1))
        # The centre itself has no direction; any non-zero distance gives its latitude.
        divisor = np.where(distance == 0, 1, distance)
        sine = np.cos(angle) * np.sin(centre) + y * np.sin(angle) * np.cos(centre) / divisor
        turn = np.arctan2(
            x * np.sin(angle),
            distance * np.cos(centre) * np.cos(angle) - y * np.sin(centre) * np.sin(angle),
        )
        latitude = _geodetic(np.arcsin(np.clip(sine, -1, 1)))
        return np.degrees(turn) + self.longitude, np.degrees(latitude)


def _authalic(latitude: Any) -> Any:
    return np.arcsin(np.clip(_q(latitude) / _Q_POLE, -1, 1))


def _geodetic(beta: Numbers) -> Numbers:
    return (
        beta
        + (_E2 / 3 + 31 * _E2**2 / 180 + 517 * _E2**3 / 5040) * np.sin(2 * beta)
        + (23 * _E2**2 / 360 + 251 * _E2**3 / 3780) * np.sin(4 * beta)
        + (761 * _E2**3 / 45360) * np.sin(6 * beta)
    )
