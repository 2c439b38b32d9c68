# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_collector.py
"""What a city's collectors tell of: junctions, bollards, cameras, vehicles, gritters, luminaire gateways, themselves.

Law of this file: all instances at once in numpy; time and sky are arguments; no nodes, no sockets.

Theory of operation. Traffic has two peaks a day; junctions run through their stages and give buses 92 % of their
requests; bollards let residents in and obey a command for seven seconds; cameras are well; vehicles drive a round
through the commune by day and stand at the depot by night; a gritter spreads when the road is near freezing; a
luminaire gateway logs energy at a quarter past each hour and has lost a luminaire or two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S
from supervisor.demo.sky import Moment

Values = Mapping[str, npt.NDArray[Any]]
Found = dict[str, npt.NDArray[Any]]
Act = Callable[[int, str], None]

DETECTORS: Final = 8
GRANTED: Final = 0.92
DEPOT: Final = (47.2825, 5.1105)
KM_PER_DEG: Final = 111.2


def traffic(hour: float) -> float:
    """Share of the day's highest flow, 0.02..1: two peaks, at 8 and at half past 17."""
    morning, evening = np.exp(-((hour - 8.0) ** 2) / 3), np.exp(-((hour - 17.5) ** 2) / 5)
    midday = 0.45 * np.exp(-((hour - 13.0) ** 2) / 20)
    return float(np.clip(morning + evening + midday, 0.02, 1.0))


class _Street:
    """What the five have in common: a seeded chance, elapsed time and switches a person may set."""

    texts: Mapping[str, str] = {}
    SWITCHES: ClassVar[Mapping[str, str]] = {}  # word -> tag that becomes true ('normal' takes it back)

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        self._n, self._rng = count, np.random.default_rng([seed, len(type(self).__name__), count])
        self._last_ns: int | None = None
        self._on = {tag: np.zeros(count, np.bool_) for tag in self.SWITCHES.values()}

    def _elapsed_s(self, sky: Moment) -> float:
        elapsed_ns = 0 if self._last_ns is None else sky.now_ns - self._last_ns
        self._last_ns = sky.now_ns
        return min(max(elapsed_ns / NS_PER_S, 0.0), 3600.0)

    def _full(self, value: float) -> npt.NDArray[Any]:
        return np.full(self._n, float(value))

    def _noise(self, sigma: float) -> npt.NDArray[Any]:
        return sigma * np.clip(self._rng.normal(0, 1, self._n), -3, 3)

    def _chance(self, per_s: float, elapsed_s: float) -> npt.NDArray[np.bool_]:
        return np.asarray(self._rng.random(self._n) < 1 - np.exp(-per_s * elapsed_s), np.bool_)

    def acts(self) -> dict[str, Act]:
        """Word -> act on one instance with the rest of the line: 'door', 'door normal'."""
        return {word: self._switch(tag) for word, tag in self.SWITCHES.items()}

    def _switch(self, tag: str) -> Act:
        def act(i: int, what: str) -> None:
            if what not in ("", "normal"):
                raise ValueError(f"expected nothing or 'normal', got {what!r}")
            self._on[tag][i] = not what

        return act


class Junctions(_Street):
    """JCT."""

    SWITCHES: ClassVar[Mapping[str, str]] = {
        "conflict": "Conflict",
        "red": "RedFail",
        "door": "Door",
        "outage": "Outage",
    }

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        super().__init__(parameters, count, seed)
        self._plan = np.full(count, 2, np.int64)
        self._emergency_s = np.zeros(count)
        self._emergency = np.zeros(count, np.int64)
        self._request_s, self._granted = np.zeros(count), np.zeros(count, np.bool_)
        self._buses = np.zeros(count, np.int64)
        self._share = self._rng.uniform(0.5, 1.0, (DETECTORS, count))
        self._flow = np.zeros((DETECTORS, count))

    def step(self, sky: Moment, puts: Values) -> Found:
        """The junctions at `sky.now_ns`."""
        elapsed_s, flow = self._elapsed_s(sky), traffic(sky.hour)
        flashing = puts.get("FlashCmd", np.zeros(self._n, np.bool_)).astype(np.bool_)
        outage, safe = self._on["Outage"], self._on["Conflict"] | self._on["RedFail"]
        wanted = puts.get("PlanReq", np.full(self._n, 2 if 6 <= sky.hour < 21 else 1))
        self._plan = np.where(flashing | safe, self._plan, np.clip(wanted, 0, 32)).astype(np.int64)
        self._buses_pass(elapsed_s, flow)
        self._routes(elapsed_s, puts)
        cycle = np.where(self._plan == 1, 60.0, 90.0)
        stage = (sky.now_ns / 1e9 % cycle // (cycle / 4)).astype(np.int64) + 1
        off = flashing | safe
        found: Found = {
            "Mode": np.where(outage, 3, np.where(off, 2, 0)),
            "Plan": self._plan,
            "PlanReq": wanted,
            "Stage": np.where(off, 0, stage),
            "Cycle": cycle,
            "Coord": ~off,
            "RedFail": self._on["RedFail"],
            "Conflict": self._on["Conflict"],
            "LampFail": self._on["RedFail"].astype(np.int64),
            "DetFail": np.zeros(self._n, np.int64),
            "BusReq": self._request_s > 0,
            "BusGrant": (self._request_s > 0) & self._granted,
            "BusCnt": self._buses,
            "BusDelay": self._full(8 + 30 * flow),
            "EmergReq": self._emergency,
            "FlashCmd": flashing,
            "Door": self._on["Door"],
            "Mains": ~outage,
            "Batt": self._full(27.2) - 1.5 * outage + self._noise(0.02),
            "Temp": self._full(sky.air_degc + 9) + self._noise(0.05),
            "ClockDrift": self._full(0.1),
        }
        for k in range(DETECTORS):
            self._flow[k] += (np.rint(120 * flow * self._share[k]) - self._flow[k]) * min(1.0, elapsed_s / 360)
            found[f"D{k + 1}_Flow"] = np.rint(self._flow[k]).astype(np.int64)
            found[f"D{k + 1}_Occ"] = np.clip(45 * flow * self._share[k] + self._noise(0.5), 0, 100)
        return found

    def _buses_pass(self, elapsed_s: float, flow: float) -> None:
        """A bus every few minutes by day asks for twelve seconds."""
        self._request_s = np.maximum(0.0, self._request_s - elapsed_s)
        comes = self._chance((0.2 + flow) / 240, elapsed_s) & (self._request_s == 0)
        self._request_s[comes], self._buses = 12.0, self._buses + comes
        self._granted = np.where(comes, self._rng.random(self._n) < GRANTED, self._granted)

    def _routes(self, elapsed_s: float, puts: Values) -> None:
        """An emergency route expires in the device after five minutes."""
        asked = puts.get("EmergReq", self._emergency).astype(np.int64)
        self._emergency_s = np.where(asked != self._emergency, 300.0, np.maximum(0, self._emergency_s - elapsed_s))
        self._emergency = np.where(self._emergency_s > 0, asked, 0)


class Bollards(_Street):
    """BOL."""

    SWITCHES: ClassVar[Mapping[str, str]] = {"hit": "Hit", "fault": "Fault", "call": "Intercom"}

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        super().__init__(parameters, count, seed)
        self._down = np.zeros(count, np.bool_)
        self._moving_s, self._open_s = np.zeros(count), np.zeros(count)
        self._cycles, self._grants = np.full(count, 48_210, np.int64), np.full(count, 31_877, np.int64)

    def step(self, sky: Moment, puts: Values) -> Found:
        """The bollards at `sky.now_ns`."""
        elapsed_s = self._elapsed_s(sky)
        command = puts.get("Cmd", np.zeros(self._n)).astype(np.int64)
        mode = puts.get("Mode", np.zeros(self._n)).astype(np.int64)
        comes = self._chance(traffic(sky.hour) / 300, elapsed_s) & ~self._down & (mode == 0)
        self._open_s = np.where(comes, 25.0, np.maximum(0.0, self._open_s - elapsed_s))
        wanted = np.select([mode == 1, mode == 2, command == 1, command == 2], [True, False, False, True], self._down)
        wanted = np.where((mode == 0) & (command == 0), self._open_s > 0, wanted)
        turns = (wanted != self._down) & ~self._on["Fault"]
        self._moving_s = np.where(turns, 7.0, np.maximum(0.0, self._moving_s - elapsed_s))
        self._down = np.where(turns, wanted, self._down)
        self._cycles, self._grants = self._cycles + turns, self._grants + comes
        moving = self._moving_s > 0
        return {
            "Pos": np.where(moving, 2, self._down.astype(np.int64)),
            "Cmd": np.where(moving, command, 0),
            "Mode": mode,
            "Loop": self._open_s > 10,
            "Light": np.where(self._down & ~moving, 2, 1),
            "Fault": self._on["Fault"],
            "Hit": self._on["Hit"],
            "Cycles": self._cycles,
            "OilT": self._full(sky.air_degc + 14) + self._noise(0.1),
            "Press": np.where(moving, 95.0, 72.0) + self._noise(0.5),
            "Intercom": self._on["Intercom"],
            "Grants": self._grants,
            "Mains": np.ones(self._n, np.bool_),
        }


class Cameras(_Street):
    """CAM."""

    SWITCHES: ClassVar[Mapping[str, str]] = {"dark": "Dark", "tamper": "Tamper"}
    texts: Mapping[str, str] = {"FW": "5.9.3-cam"}

    def step(self, sky: Moment, puts: Values) -> Found:
        """The cameras at `sky.now_ns`."""
        self._elapsed_s(sky)
        online = ~self._on["Dark"]
        detail = 2600 + 1400 * traffic(sky.hour)
        return {
            "Online": online,
            "Rec": online,
            "RecAge": self._full(29.0),
            "Bitrate": online * (detail + self._noise(60)),
            "FPS": online * self._full(25),
            "Loss": np.abs(self._noise(0.05)),
            "Latency": 38 + np.abs(self._noise(4)),
            "Tamper": self._on["Tamper"],
            "TimeOff": self._noise(0.01),
            "PTZFault": np.zeros(self._n, np.bool_),
            "Temp": self._full(sky.air_degc + 16) + self._noise(0.2),
        }


class Vehicles(_Street):
    """VEH."""

    SWITCHES: ClassVar[Mapping[str, str]] = {"call": "Radio", "hide": "Privacy"}

    def step(self, sky: Moment, puts: Values) -> Found:
        """The vehicles at `sky.now_ns`; where the driver hides it, the position stays that of the depot."""
        self._elapsed_s(sky)
        works = (6 <= sky.hour < 18) & ~self._on["Privacy"]
        turn = sky.now_ns / 1e9 / 900 + np.arange(self._n) * 2.1
        east, north = np.sin(turn), np.cos(turn)
        here = works.astype(np.float64)
        return {
            "Lat": DEPOT[0] + here * 0.9 * north / KM_PER_DEG,
            "Lon": DEPOT[1] + here * 0.9 * east / (KM_PER_DEG * np.cos(np.radians(DEPOT[0]))),
            "Speed": here * np.clip(22 + 12 * np.sin(5 * turn) + self._noise(1), 0, 150),
            "Heading": here * (np.degrees(turn) + 90) % 360,
            "Status": puts.get("Status", np.where(works, 1, 3)),
            "Ignition": works,
            "FixAge": 1 + 2 * self._rng.random(self._n),
            "Radio": self._on["Radio"],
            "Battery": np.where(works, 13.9, 12.6) + self._noise(0.02),
            "Privacy": self._on["Privacy"],
        }


class Gritters(_Street):
    """GRT."""

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        super().__init__(parameters, count, seed)
        self._salt, self._km = np.full(count, 92.0), np.full(count, 1204.0)

    def step(self, sky: Moment, puts: Values) -> Found:
        """The gritters at `sky.now_ns`."""
        elapsed_s = self._elapsed_s(sky)
        spreads = np.full(self._n, sky.air_degc < 1.5 and sky.humidity_pct > 75) & (self._salt > 1)
        self._km = self._km + spreads * 30 * elapsed_s / 3600
        self._salt = np.where(self._salt <= 1, 92.0, np.maximum(0.0, self._salt - spreads * elapsed_s / 3600 * 35))
        return {
            "Spread": np.where(spreads, 18 + self._noise(0.5), 0.0),
            "Salt": self._salt,
            "Brine": np.clip(self._salt - 6, 0, 100),
            "Blade": np.full(self._n, sky.rain_mm_per_h > 0.5 and sky.air_degc < 0.5),
            "RoadT": self._full(sky.air_degc - 0.6) + self._noise(0.05),
            "AirT": self._full(sky.air_degc) + self._noise(0.05),
            "TreatedKm": self._km,
        }


class Gateways(_Street):
    """GWY."""

    SWITCHES: ClassVar[Mapping[str, str]] = {"clock": "ClockErr", "stuck": "Stuck"}
    texts: Mapping[str, str] = {"FW": "4.2.0-gw"}

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        super().__init__(parameters, count, seed)
        self._nodes = self._rng.integers(600, 1200, count)
        self._lost = self._rng.integers(0, 4, count)
        self._logged_ns = np.zeros(count, np.int64)
        self._queue = np.zeros(count)

    def step(self, sky: Moment, puts: Values) -> Found:
        """The gateways at `sky.now_ns`; a stuck one logs no more, and commands wait in it."""
        self._elapsed_s(sky)
        stuck = self._on["Stuck"]
        past_ns = (sky.now_ns - 900 * NS_PER_S) % (3600 * NS_PER_S)
        self._logged_ns = np.where(stuck & (self._logged_ns > 0), self._logged_ns, sky.now_ns - past_ns)
        # As many messages as there are luminaires come in with each log, and are gone within two minutes.
        self._queue = np.where(stuck, self._queue, np.maximum(0.0, self._nodes * (1 - past_ns / (120 * NS_PER_S))))
        return {
            "Nodes": self._nodes,
            "NodesLost": self._lost,
            "LastLog": self._logged_ns,
            "QueueLen": np.rint(self._queue).astype(np.int64),
            "ClockErr": self._on["ClockErr"],
            "CmdPending": stuck.astype(np.int64),
        }


class Collectors(_Street):
    """COL: what each says of itself; 'set ServiceLevel 100' makes it say that it is degraded."""

    def step(self, sky: Moment, puts: Values) -> Found:
        """All is well."""
        return {"ServiceLevel": self._full(255)}
