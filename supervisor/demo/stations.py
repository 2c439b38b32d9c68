# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_stations.py
"""Road weather stations: pavement, film of water, ice and what falls.

Law of this file: all instances at once in numpy; time and sky are arguments; no registers, no sockets.

Theory of operation. The pavement follows the air with sun by day and radiation by night; the film grows with the rain
and dries with sun and wind; its state is read off temperature and film. A person may make it freeze
(`weather freezing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S
from supervisor.demo.sky import Moment

Values = Mapping[str, npt.NDArray[Any]]

DRY, MOIST, WET, FROST, ICE, SNOW, SALTED = range(7)
NO_PRECIPITATION, RAIN, SNOWFALL, FREEZING = range(4)
STEP_S_MAX: Final = 3600.0
WEATHERS: Final = ("sky", "rain", "snow", "freezing")
"""What a person may ask for; `sky` gives it back to the season."""
FILM_MM_MAX: Final = 3.0


class WeatherStations:
    """All road weather stations of a site.

    Args:
        parameters: not used; every station is alike.
        count: instances.
        seed: of all that is random.
    """

    texts: Mapping[str, str] = {}

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0x525])
        self._n = count
        self.weather = np.zeros(count, np.int64)
        self.door = np.zeros(count, np.bool_)
        self._film_mm = np.zeros(count)
        self._snow_cm = np.zeros(count)
        self._bias = self._rng.normal(0, 0.3, (count, 2))
        self._last_ns: int | None = None

    def step(self, sky: Moment, puts: Values) -> dict[str, npt.NDArray[Any]]:
        """Let the weather go on until `sky.now_ns`; tag -> values of all instances in the tag's unit."""
        dt_s = 0.0 if self._last_ns is None else (sky.now_ns - self._last_ns) / NS_PER_S
        dt_h = min(max(dt_s, 0.0), STEP_S_MAX) / 3600
        self._last_ns = sky.now_ns
        cold = self.weather >= WEATHERS.index("snow")
        air = np.where(cold, np.minimum(sky.air_degc, -1.5), sky.air_degc)
        rate = np.where(self.weather > 0, np.maximum(sky.rain_mm_per_h, 4.0), sky.rain_mm_per_h)
        kind = self._precipitation(air, rate)
        surface = air + 12 * max(0.0, np.sin(np.radians(sky.elevation_deg))) * (1 - 0.8 * sky.cloud)
        surface = surface - (0.0 if sky.elevation_deg > 0 else 2.0 * (1 - sky.cloud))
        self._grow(sky, surface, rate, kind, dt_h)
        ice = np.where(surface < 0, np.clip(-surface * 25, 0, 100), 0.0) * (self._film_mm > 0)
        humidity = np.where(self.weather > 0, 96.0, sky.humidity_pct)
        dew = air - (100 - humidity) / 5
        return {
            "AirT": air + self._noise(0.03),
            "RH": np.clip(humidity + self._noise(0.3), 0, 100),
            "DewT": dew + self._noise(0.03),
            "SurfT1": surface + self._bias[:, 0] + self._noise(0.02),
            "SurfT2": surface + self._bias[:, 1] + self._noise(0.02),
            "SubT": 0.6 * air + 4.5,
            "FreezeT": np.zeros(self._n),
            "Surf": self._surface_state(surface, ice, dew),
            "Film": self._film_mm,
            "Ice": ice,
            "Snow": self._snow_cm,
            "PrecType": kind,
            "PrecRate": rate,
            "Vis": np.clip(20_000 / (1 + 0.8 * rate * (1 + 4 * (kind == SNOWFALL))) * self._factor(0.03), 50, 20_000),
            "Wind": np.maximum(0, sky.wind_m_per_s * self._factor(0.08)),
            "WindDir": (230 + 60 * np.sin(sky.now_ns / 1e9 / 9000) + self._noise(5)) % 360,
            "Press": np.full(self._n, sky.pressure_hpa) + self._noise(0.02),
            "Lux": sky.lux * self._factor(0.01),
            "Batt": np.full(self._n, 12.4 + 1.2 * max(0.0, np.sin(np.radians(sky.elevation_deg)))),
            "Door": self.door,
        }

    def _precipitation(self, air: npt.NDArray[Any], rate: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        falling = np.where(air < 0.5, SNOWFALL, RAIN)
        asked = np.select(
            [self.weather == WEATHERS.index(w) for w in WEATHERS[1:]], [RAIN, SNOWFALL, FREEZING], falling
        )
        return np.where(rate > 0.05, asked, NO_PRECIPITATION)

    def _grow(
        self, sky: Moment, surface: npt.NDArray[Any], rate: npt.NDArray[Any], kind: npt.NDArray[Any], dt_h: float
    ) -> None:
        """Film and snow after `dt_h` hours."""
        snowing = (kind == SNOWFALL) & (surface < 1)
        dries = 0.15 + 0.03 * sky.wind_m_per_s + sky.lux / 60_000
        self._film_mm = np.clip(self._film_mm + (np.where(snowing, 0.2, 1.0) * rate - dries) * dt_h, 0, FILM_MM_MAX)
        melts = np.clip(surface, 0, 10) * 0.5
        self._snow_cm = np.clip(self._snow_cm + (snowing * rate - melts) * dt_h, 0, 200)

    def _surface_state(
        self, surface: npt.NDArray[Any], ice: npt.NDArray[Any], dew: npt.NDArray[Any]
    ) -> npt.NDArray[np.int64]:
        cases = [
            self._snow_cm > 0.5,
            ice > 10,
            (surface < 0) & (surface < dew),
            self._film_mm > 0.2,
            self._film_mm > 0.02,
        ]
        return np.select(cases, [SNOW, ICE, FROST, WET, MOIST], DRY)

    def _noise(self, sigma: float) -> npt.NDArray[np.float64]:
        return sigma * np.clip(self._rng.normal(0, 1, self._n), -3, 3)

    def _factor(self, share: float) -> npt.NDArray[np.float64]:
        return 1 + self._noise(share)

    def acts(self) -> dict[str, Callable[[int, str], None]]:
        """Word -> act on one instance with the rest of the line."""
        return {"weather": self._act_weather, "door": self._act_door}

    def _act_weather(self, i: int, what: str) -> None:
        if what not in WEATHERS:
            raise ValueError(f"expected one of {', '.join(WEATHERS)}, got {what!r}")
        self.weather[i] = WEATHERS.index(what)

    def _act_door(self, i: int, what: str) -> None:
        if what not in ("open", "closed"):
            raise ValueError(f"expected one of open, closed, got {what!r}")
        self.door[i] = what == "open"
