# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_sun.py
"""Where the sun stands at the site. The only user of astral.

Law of this file: time is an argument; one computation a second at most, whoever asks and how often.

A city's communes see the same sunset within about a minute (20 km east to west are 63 s), so one place serves a site.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from astral import Observer
from astral.sun import elevation

from config.words import NS_PER_S

HORIZON_DEG: Final = -0.833
"""Geometric elevation at sunrise and sunset: refraction 34' and the sun's radius 16' [degrees]."""


class Sun:
    """The sun over one place.

    Args:
        latitude, longitude: of the site [degrees, WGS 84].
    """

    def __init__(self, latitude: float, longitude: float) -> None:
        self._observer = Observer(latitude, longitude)
        self._second = -1
        self._elevation = 0.0

    def elevation(self, now_ns: int) -> float:
        """Height of the sun's centre over the horizon at the full second, without refraction [degrees, -90..90]."""
        second = now_ns // NS_PER_S
        if second != self._second:
            self._elevation = elevation(self._observer, datetime.fromtimestamp(second, UTC), with_refraction=False)
            self._second = second
        return self._elevation

    def is_night(self, now_ns: int) -> bool:
        """True from sunset to sunrise. For civil dusk to dawn compare `elevation` with -6."""
        return self.elevation(now_ns) < HORIZON_DEG
