# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_cabinets.py, tests/unit/test_demo_stations.py
"""What is over the plant: sun, local hour, daylight and the weather of the season.

Law of this file: everything is a function of time and seed alone, so that two runs see the same sky.
The weather is a sum of slow waves with phases from the seed: it has no physics, but it moves like weather.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from config.words import NS_PER_S
from supervisor.tags.sun import Sun

CIVIL_DEG: Final = -6.0
"""Elevation at which cabinets switch: civil dusk and dawn [degrees]. Source: plant documentation 5.2."""
DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The sky at one instant.

    Attributes:
        now_ns: UTC [ns].
        elevation_deg: sun over the horizon [degrees].
        slope_deg_per_s: how fast it rises (negative: sinks) [degrees/s].
        hour: local civil time [h, 0..24).
        cloud: share of the sky covered [0..1].
        air_degc: air temperature [°C].
        lux: illuminance on the ground [lx].
        rain_mm_per_h: rain, or the water of the snow, that falls now.
        wind_m_per_s, pressure_hpa, humidity_pct: of the air.
    """

    now_ns: int
    elevation_deg: float
    slope_deg_per_s: float
    hour: float
    cloud: float
    air_degc: float
    lux: float
    rain_mm_per_h: float
    wind_m_per_s: float
    pressure_hpa: float
    humidity_pct: float


class Sky:
    """The sky of one site.

    Args:
        latitude, longitude: of the site [degrees, WGS 84].
        zone: its time zone, 'Europe/Paris'.
        seed: of the weather.
    """

    def __init__(self, latitude: float, longitude: float, zone: str, seed: int) -> None:
        self._sun = Sun(latitude, longitude)
        self._zone = ZoneInfo(zone)
        self._phases = np.random.default_rng(seed).uniform(0, 2 * math.pi, 16)

    def at(self, now_ns: int) -> Moment:
        """The sky at `now_ns`."""
        elevation = self._sun.elevation(now_ns)
        minute_ago = self._sun.elevation(now_ns - 60 * NS_PER_S)
        local = datetime.fromtimestamp(now_ns / NS_PER_S, UTC).astimezone(self._zone)
        hour = local.hour + local.minute / 60 + local.second / 3600
        cloud = min(1.0, max(0.0, 0.5 + 0.35 * self._wave(now_ns, 0, 2.6) + 0.3 * self._wave(now_ns, 2, 0.4)))
        season = math.cos(2 * math.pi * (local.timetuple().tm_yday - 197) / 365.25)
        daily = math.cos(2 * math.pi * (hour - 15.5) / 24) * (5.0 - 3.0 * cloud)
        air = 11.5 + 9.0 * season + daily + 4.0 * self._wave(now_ns, 4, 5.3)
        rain = max(0.0, cloud - 0.8) * 25 * max(0.0, self._wave(now_ns, 6, 0.09) + 0.3)
        return Moment(
            now_ns=now_ns,
            elevation_deg=elevation,
            slope_deg_per_s=(elevation - minute_ago) / 60,
            hour=hour,
            cloud=cloud,
            air_degc=air,
            lux=_daylight(elevation) * (1 - 0.75 * cloud),
            rain_mm_per_h=rain,
            wind_m_per_s=max(0.0, 4 + 3 * self._wave(now_ns, 8, 1.7) + 1.5 * self._wave(now_ns, 9, 0.02)),
            pressure_hpa=1016 + 12 * self._wave(now_ns, 10, 6.1) + 3 * self._wave(now_ns, 11, 1.3),
            humidity_pct=min(100.0, max(25.0, 70 - 3 * daily + 20 * (cloud - 0.5) + 4 * rain)),
        )

    def _wave(self, now_ns: int, phase: int, period_days: float) -> float:
        """A slow wave between -1 and 1."""
        turns = now_ns / NS_PER_S / DAY_S / period_days
        return math.sin(2 * math.pi * (turns % 1.0) + float(self._phases[phase]))


def _daylight(elevation_deg: float) -> float:
    """Illuminance under a clear sky [lx]: about 100,000 at noon in summer, 400 at sunset, 3 at civil dusk."""
    if elevation_deg > 0:
        return 400 + 110_000 * float(math.sin(math.radians(elevation_deg)) ** 1.2)
    return round(400 * math.exp(elevation_deg * 0.8), 2)
