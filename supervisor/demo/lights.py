# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_lights.py
"""What luminaires on DALI lines do: a local program moves them at dusk, late at night and at dawn; they count.

Law of this file: all instances at once in numpy; time and sky are arguments; no bus, no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from supervisor.demo.sky import Moment

Values = Mapping[str, npt.NDArray[Any]]

DUSK_DEG: Final = -3.0
NIGHT_PERCENT: Final = 50.0
SWITCHES: Final = {
    "burnt": "LampFail",
    "broken": "GearFail",
    "open": "OpenCct",
    "shorted": "ShortCct",
    "hot": "Derate",
}


def program(elevation_deg: float, hour: float) -> float:
    """Level of the local program: dark by day, half between 23 and 5 o'clock [%]."""
    if elevation_deg > DUSK_DEG:
        return 0.0
    return NIGHT_PERCENT if hour >= 23 or hour < 5 else 100.0


class Luminaires:
    """LUM. Needs the parameters lamp_W and standby_W."""

    texts: Mapping[str, str] = {}

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        self._lamp_w = np.asarray(parameters["lamp_W"], np.float64)
        self._standby_w = np.asarray(parameters["standby_W"], np.float64)
        self._n, self._rng = count, np.random.default_rng([seed, count])
        self._on = {tag: np.zeros(count, np.bool_) for tag in SWITCHES.values()}
        self._energy_kwh = self._rng.uniform(200, 900, count).round(0)
        self._lit_h = self._energy_kwh * 1000 / self._lamp_w
        self._starts = self._rng.integers(300, 900, count)
        self._was_lit = np.zeros(count, np.bool_)
        self._program: float | None = None
        self._last_ns: int | None = None

    def step(self, sky: Moment, puts: Values) -> dict[str, npt.NDArray[Any]]:
        """The luminaires at `sky.now_ns`; a command stands until the program's next turn."""
        hours = 0.0 if self._last_ns is None else min(max(sky.now_ns - self._last_ns, 0) / 3.6e12, 1.0)
        self._last_ns = sky.now_ns
        wanted = program(sky.elevation_deg, sky.hour)
        level = np.full(self._n, wanted)
        if wanted == self._program and "LevelSet" in puts:
            level = puts["LevelSet"].astype(np.float64)
        self._program = wanted
        lit = (level > 0) & ~self._on["LampFail"] & ~self._on["GearFail"]
        power = self._standby_w + lit * (self._lamp_w - self._standby_w) * level / 100
        self._energy_kwh = self._energy_kwh + power * hours / 1000
        self._lit_h = self._lit_h + lit * hours
        self._starts = self._starts + (lit & ~self._was_lit)
        self._was_lit = lit
        noise = 1 + 0.01 * np.clip(self._rng.normal(0, 1, self._n), -3, 3)
        return {
            **self._on,
            "LevelSet": level,
            "P": power * noise,
            "E": self._energy_kwh,
            "U": 230 + np.clip(self._rng.normal(0, 1, self._n), -3, 3),
            "PF": np.where(lit, 0.95, 0.55),
            "GearTemp": np.clip(sky.air_degc + 28 * level / 100 + 40 * self._on["Derate"], -59, 190),
            "OnTime": self._lit_h,
            "Starts": self._starts,
        }

    def acts(self) -> dict[str, Callable[[int, str], None]]:
        """Word -> act on one instance: 'burnt', 'burnt normal'."""
        return {word: self._switch(tag) for word, tag in SWITCHES.items()}

    def _switch(self, tag: str) -> Callable[[int, str], None]:
        def act(i: int, what: str) -> None:
            if what not in ("", "normal"):
                raise ValueError(f"expected nothing or 'normal', got {what!r}")
            self._on[tag][i] = not what

        return act
