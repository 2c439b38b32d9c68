# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_buildings.py
"""Public buildings: heat, air, meters and a security panel.

Law of this file: all instances at once in numpy; time and sky are arguments; no objects of a protocol, no sockets.

Theory of operation. Each zone is a first-order thermal mass between the air outside and what the boiler gives; the
boiler follows the setpoint of the occupancy mode (timetable, override) by a proportional valve. People come by the
timetable and bring CO2, power and water with them. A forced door and a leak happen about once a week on one building
each; a person may cause them, and a fire alarm, at once. Source: plant documentation 7.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S
from supervisor.demo.sky import Moment

Values = Mapping[str, npt.NDArray[Any]]

ZONES: Final = 4
DOORS: Final = 4
OCCUPIED, ECO, HOLIDAY, FROST = range(4)
NO_OVERRIDE, OVERRIDE_ON, OVERRIDE_OFF = range(3)
DISARMED, PARTIAL, ARMED = range(3)
CLOSED, OPEN, HELD, FORCED = range(4)
SETPOINTS_DEGC: Final = {ECO: 16.0, HOLIDAY: 12.5, FROST: 8.0}
OPENS_H, CLOSES_H = 7.5, 18.5
LOSS_PER_H: Final = 1 / 40
"""A zone loses its warmth with a time constant of 40 h."""
GAIN_K_PER_H: Final = 2.5
"""What the boiler adds to a zone with the valve wide open."""
STEP_S_MAX: Final = 900.0
WEEKLY_PER_S: Final = 1 / (7 * 86400)
FORCED_S: Final = 600.0
METERS_NS: Final = 1_704_067_200 * NS_PER_S
"""Since when the meters count: the beginning of 2024, UTC."""
SAMPLE_NS: Final = 10 * NS_PER_S
"""How often sensors measure anew."""
RESOLUTION: Final = {
    **{f"Zone{i + 1}_T": 0.1 for i in range(ZONES)},
    **dict.fromkeys(("OutT", "AHU_SupT", "Boiler_Flow", "Boiler_Ret", "DHW_T"), 0.1),
    **dict.fromkeys(("CO2_1", "CO2_2", "AHU_FiltDP"), 1.0),
    **dict.fromkeys(("Boiler_Press", "Water_V"), 0.01),
    **dict.fromkeys(("Elec_P", "Elec_E", "Gas_E", "Heat_E"), 0.1),
}
"""What a sensor or meter can tell apart, in the tag's unit: less is no change, and is told to nobody."""
NOISES: Final = 9
USUAL_PER_M2_H: Final = np.array([0.006, 0.010, 0.009, 0.020])
"""Electricity, gas and heat [kWh], water [l], per m2 and hour on average."""


class Buildings:
    """All public buildings of a site.

    Args:
        parameters: area_m2: heated area of each instance [m2].
        count: instances.
        seed: of all that is random.
    """

    texts: Mapping[str, str] = {}

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        self._rng = rng = np.random.default_rng([seed, 0xB1D])
        self._n = count
        self._area = np.asarray(parameters["area_m2"], np.float64)
        self.zones = 19.0 + rng.normal(0, 0.6, (count, ZONES))
        self.doors = np.zeros((count, DOORS), np.int64)
        self.leak = np.zeros(count, np.bool_)
        self.fire = np.zeros(count, np.bool_)
        self.trapped = np.zeros(count, np.bool_)
        self.boiler_fault = np.zeros(count, np.bool_)
        self._forced_until_s = np.zeros(count)
        self._co2 = np.full((count, 2), 420.0)
        self._fan = np.zeros(count, np.bool_)
        self._program = np.full(count, -1, np.int64)
        self._lights = np.full(count, -1, np.int64)
        self._valve = np.full(count, -1.0)
        self._meters = rng.uniform(1e4, 5e4, (count, 4)).round()
        self._phase = rng.uniform(0, 2 * np.pi, count)
        self._drift_s = rng.uniform(-5, 5, count)
        self._last_ns: int | None = None
        self._now_s = 0.0
        self._sampled = -1
        self._noise = np.zeros((NOISES, count))

    def step(self, sky: Moment, puts: Values) -> dict[str, npt.NDArray[Any]]:
        """Let the buildings go on until `sky.now_ns`.

        Args:
            puts: present values of the writable tags; empty at the first step.
        Returns: tag -> values of all instances in the tag's unit, also of the writable tags.
        """
        first = self._last_ns is None
        dt_s = 0.0 if self._last_ns is None else (sky.now_ns - self._last_ns) / NS_PER_S
        dt_s = min(max(dt_s, 0.0), STEP_S_MAX)
        self._now_s += dt_s
        if first:
            hours = max(0, sky.now_ns - METERS_NS) / NS_PER_S / 3600
            self._meters += self._area[:, None] * hours * USUAL_PER_M2_H
        self._last_ns = sky.now_ns
        settings = self._defaults() if first else {name: values.copy() for name, values in puts.items()}
        weekday = (sky.now_ns // NS_PER_S // 86_400 + 3) % 7
        open_ = bool(OPENS_H <= sky.hour < CLOSES_H and weekday < 5)
        self._follow_programs(settings, sky, open_)
        people = np.where(settings["SchedOvr"] == NO_OVERRIDE, open_, settings["SchedOvr"] == OVERRIDE_ON)
        self._happen(dt_s)
        heat = self._warm(sky, settings, dt_s / 3600)
        found = self._measure(sky, settings, people.astype(np.float64), heat, dt_s / 3600)
        for tag, step in RESOLUTION.items():
            found[tag] = np.rint(found[tag] / step) * step
        return {**settings, **found}

    def _defaults(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "Zone_SP": np.full(self._n, 20.0),
            "AHU_FanCmd": np.zeros(self._n, np.bool_),
            "AHU_Valve": np.zeros(self._n),
            "OccMode": np.zeros(self._n, np.int64),
            "SchedOvr": np.zeros(self._n, np.int64),
            "Lights_Ext": np.zeros(self._n, np.bool_),
        }

    def _follow_programs(self, settings: dict[str, npt.NDArray[Any]], sky: Moment, open_: bool) -> None:
        """The building's own timetable writes when what it wants changes; between two changes an order stands."""
        wanted = np.full(self._n, OCCUPIED if open_ else ECO)
        changed = wanted != self._program
        self._program = wanted
        settings["OccMode"][changed] = wanted[changed]
        settings["AHU_FanCmd"][changed] = open_
        lit = np.full(self._n, int(sky.elevation_deg < 0 and not 0 <= sky.hour < 6))
        changed = lit != self._lights
        self._lights = lit
        settings["Lights_Ext"][changed] = lit[changed] == 1

    def _happen(self, dt_s: float) -> None:
        """A door is forced, a cistern leaks; both end."""
        forced = self._rng.random(self._n) < WEEKLY_PER_S * dt_s / self._n
        self.doors[forced, 0] = FORCED
        self._forced_until_s[forced] = self._now_s + FORCED_S
        over = (self._forced_until_s > 0) & (self._now_s >= self._forced_until_s)
        self.doors[over, 0] = CLOSED
        self._forced_until_s[over] = 0
        self.leak ^= self._rng.random(self._n) < WEEKLY_PER_S * dt_s / self._n * np.where(self.leak, 4 * self._n, 1)

    def _warm(self, sky: Moment, settings: dict[str, npt.NDArray[Any]], dt_h: float) -> npt.NDArray[np.float64]:
        """The zones after `dt_h` hours; returns how far the boiler is called for, 0..1."""
        setpoint = settings["Zone_SP"].astype(np.float64)
        for mode, degrees in SETPOINTS_DEGC.items():
            setpoint = np.where(settings["OccMode"] == mode, degrees, setpoint)
        heat = np.clip((setpoint[:, None] - self.zones) / 2, 0, 1) * ~self.boiler_fault[:, None]
        spread = 1 + 0.05 * np.arange(ZONES)
        loss = (self.zones - sky.air_degc) * LOSS_PER_H * spread
        self.zones = self.zones + (heat * GAIN_K_PER_H - loss) * dt_h
        called: npt.NDArray[np.float64] = heat.mean(axis=1)
        wanted = np.round(100 * called)
        changed = wanted != self._valve
        self._valve = wanted
        settings["AHU_Valve"][changed] = wanted[changed]
        return called

    def _measure(
        self,
        sky: Moment,
        settings: dict[str, npt.NDArray[Any]],
        people: npt.NDArray[np.float64],
        heat: npt.NDArray[np.float64],
        dt_h: float,
    ) -> dict[str, npt.NDArray[Any]]:
        self._fan = settings["AHU_FanCmd"].astype(np.bool_)
        run = heat > 0.02
        noise = iter(self._sample(sky.now_ns))
        level = 420 + people[:, None] * np.where(self._fan, 350.0, 900.0)[:, None] * np.array([1.0, 0.8])
        self._co2 += (level - self._co2) * min(1.0, dt_h * 2)
        electric = 1.5 + self._area / 1000 * (2 + 14 * people) + 1.1 * self._fan + 0.6 * settings["Lights_Ext"]
        boiler = self._area / 1000 * 60 * heat
        water = self._area / 1000 * 120 * people + np.where(self.leak, 25.0, 0.0)
        self._meters += np.stack([electric, boiler / 0.92, boiler, water], axis=1) * dt_h
        flow = 45 + 25 * heat + 0.1 * next(noise)
        false = np.zeros(self._n, np.bool_)
        armed = np.where(people > 0, DISARMED, ARMED)
        return {
            **{f"Zone{i + 1}_T": self.zones[:, i] + 0.03 * next(noise) for i in range(ZONES)},
            **{f"Door{i + 1}": self._door(i, people, sky) for i in range(DOORS)},
            "OutT": sky.air_degc + 0.05 * next(noise),
            "AHU_SupT": np.where(self._fan, 19 + 8 * heat, self.zones[:, 0]) + 0.05 * next(noise),
            "AHU_FanFb": self._fan,
            "AHU_FiltDP": np.where(self._fan, 110 + 20 * np.sin(self._phase), 0) * (1 + 0.01 * next(noise)),
            "CO2_1": self._co2[:, 0],
            "CO2_2": self._co2[:, 1],
            "Boiler_Flow": np.where(run, flow, 40.0),
            "Boiler_Ret": np.where(run, flow - 12 * heat, 38.0),
            "Boiler_Press": 1.6 + 0.1 * np.sin(sky.now_ns / 1e9 / 5000 + self._phase),
            "Boiler_Fault": self.boiler_fault,
            "Boiler_Run": run,
            "DHW_T": 59 + np.sin(sky.now_ns / 1e9 / 1800 + self._phase),
            "Pump1_Fb": run,
            "Pump2_Fb": run,
            "Elec_P": electric * (1 + 0.01 * next(noise)),
            "Elec_E": self._meters[:, 0],
            "Gas_E": self._meters[:, 1],
            "Heat_E": self._meters[:, 2],
            "Water_V": self._meters[:, 3] / 1000,
            "Flood": false,
            "Intr_Armed": armed,
            "Intr_Alarm": (self.doors == FORCED).any(axis=1) & (armed == ARMED),
            "Intr_Tamper": false,
            "Fire_Alarm": self.fire,
            "Fire_Fault": false,
            "Fire_Disabled": false,
            "Panel_Mains": ~false,
            "Panel_Batt": false,
            "Lift_Fault": self.trapped,
            "Lift_Trapped": self.trapped,
            "BMS_Time": self._drift_s,
        }

    def _door(self, i: int, people: npt.NDArray[np.float64], sky: Moment) -> npt.NDArray[np.int64]:
        """Doors open for half a minute now and then while there are people."""
        used = (people > 0) & (np.sin(sky.now_ns / 1e9 / (37 + 11 * i) + self._phase) > 0.9)
        return np.where(self.doors[:, i] != CLOSED, self.doors[:, i], np.where(used, OPEN, CLOSED))

    def _sample(self, now_ns: int) -> npt.NDArray[np.float64]:
        """How far off each sensor is, at most three standard deviations, (NOISES, n)."""
        if (sample := now_ns // SAMPLE_NS) != self._sampled:
            self._sampled, self._noise = sample, np.clip(self._rng.normal(0, 1, (NOISES, self._n)), -3, 3)
        return self._noise

    # What a person may do to one building.

    def acts(self) -> dict[str, Callable[[int, str], None]]:
        """Word -> act on one instance with the rest of the line."""
        return {
            "fire": lambda i, what: self._flag(self.fire, i, what),
            "leak": lambda i, what: self._flag(self.leak, i, what),
            "boiler": lambda i, what: self._flag(self.boiler_fault, i, what),
            "lift": lambda i, what: self._flag(self.trapped, i, what),
            "force": self._act_force,
        }

    def _flag(self, flags: npt.NDArray[np.bool_], i: int, what: str) -> None:
        if what not in ("", "over"):
            raise ValueError(f"expected nothing or 'over', got {what!r}")
        flags[i] = what == ""

    def _act_force(self, i: int, what: str) -> None:
        if what not in ("1", "2", "3", "4", "over"):
            raise ValueError(f"expected a door 1..4 or 'over', got {what!r}")
        self.doors[i] = CLOSED
        self._forced_until_s[i] = 0
        if what != "over":
            self.doors[i, int(what) - 1] = FORCED
