# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_cabinets.py
"""Lighting cabinets behind their remote terminal units: what the street does when the server asks, or does not.

Law of this file: all instances at once in numpy; time and sky are arguments; no registers, no sockets. Deterministic:
the same seed, the same steps and the same orders give the same values.

Theory of operation. Each unit keeps its own astronomical clock and program (see `programs`). When its program or an
override *changes* what it wants, it writes its own commands (`Kx_Cmd`, `DimSet`); between two changes an order of the
server stands. A contactor follows its command within 1..2 s unless the selector is local, its circuit is tripped or
there is no supply. Power is lamps x W x level with 1 % of noise, currents and energy follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S
from supervisor.demo.programs import wanted_level
from supervisor.demo.sky import Moment

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Values = Mapping[str, npt.NDArray[Any]]

CIRCUITS: Final = 4
STAGGER_S: Final = 120.0
"""Cabinets switch spread over this time at dusk and dawn. Source: plant documentation 5.2 (60..300 s)."""
CONTACTOR_S: Final = (1.0, 2.0)
"""A contactor follows its command after so long, each its own time."""
OWN_KW: Final = 0.008
"""What the terminal unit itself takes."""
METERS_NS: Final = 1_704_067_200 * NS_PER_S
"""Since when the meters count: the beginning of 2024, UTC."""
STEP_S_MAX: Final = 3600.0
"""Longest stretch one step integrates over; a longer one (the machine slept) counts as this."""
OVERRIDE_S: Final = (12 * 3600, 72 * 3600)
"""An override without an end gets the first; none lasts longer than the second."""
DOORS_PER_S: Final = 1 / (20 * 86400)
DOOR_S: Final = (120.0, 900.0)
TRIPS_PER_S: Final = 1.5 / (365 * 86400)
"""Source: plant documentation 7.5 (1.5 trips a year)."""
REPAIR_S: Final = 2 * 3600.0
OVR_NONE, OVR_ON, OVR_OFF, OVR_LEVEL = range(4)
MODE_AUTO, MODE_OFF, MODE_MANUAL = range(3)
PHASE_OF_CIRCUIT: Final = np.array([0, 1, 2, 0])


class Cabinets:
    """All cabinets of a site.

    Args:
        parameters: name -> one value per instance, as in CAB.yaml (lamps_K1 .., lamp_W, standby_W, program,
            off_from_h, off_until_h).
        count: instances.
        seed: of all that is random.
    """

    texts: Mapping[str, str] = {"FW": "RTU-4 2.7.1"}

    def __init__(self, parameters: Values, count: int, seed: int) -> None:
        self._rng = rng = np.random.default_rng([seed, 0xCAB])
        self._n = count
        lamps = [np.asarray(parameters[f"lamps_K{k}"], np.float64) for k in range(1, CIRCUITS + 1)]
        self.lamps = np.stack(lamps, axis=1).reshape(count, CIRCUITS)
        self._lamp_w = np.asarray(parameters["lamp_W"], np.float64)
        self._standby_w = np.asarray(parameters["standby_W"], np.float64)
        self._program = np.asarray(parameters["program"], np.int64)
        self._night_off = tuple(np.asarray(parameters[k], np.float64) for k in ("off_from_h", "off_until_h"))
        self.lamps_out = np.zeros((count, CIRCUITS))
        self.closed = np.zeros((count, CIRCUITS), np.bool_)
        self.trip = np.zeros((count, CIRCUITS), np.bool_)
        self.rcd = np.zeros(count, np.bool_)
        self.supply = np.ones(count, np.bool_)
        self.door = np.zeros(count, np.bool_)
        self.mode = np.zeros(count, np.int64)
        self._door_until_s = np.zeros(count)
        self._door_stays = np.zeros(count, np.bool_)
        self._repair_s = np.full(count, np.inf)
        self._stagger_s = rng.uniform(0, STAGGER_S, count)
        self._contactor_s = rng.uniform(*CONTACTOR_S, (count, CIRCUITS))
        self._aim = np.zeros((count, CIRCUITS), np.bool_)
        self._aim_since_s = np.zeros((count, CIRCUITS))
        self._wanted = np.full(count, -1.0)
        self._wanted_ovr = np.full(count, -1, np.int64)
        self._last_ns: int | None = None
        self._now_s = 0.0
        self._energy_wh = np.rint(rng.uniform(2e7, 2e8, count))
        self._reactive_varh = np.rint(rng.uniform(2e6, 2e7, count))
        self._u_offset = rng.normal(0, 0.8, (count, 3))
        self._u_phase = rng.uniform(0, 2 * np.pi, (count, 3))
        self._ups_V = np.full(count, 13.6)
        self._signal_dBm = rng.uniform(-95, -65, count)
        self._drift_s = rng.uniform(-2, 2, count)

    def step(self, sky: Moment, puts: Values) -> dict[str, npt.NDArray[Any]]:
        """Let the plant go on until `sky.now_ns`.

        Args:
            puts: present values of the writable tags as the registers hold them: K1_Cmd .. K4_Cmd, Program, DimSet,
                Ovr, OvrUntil. Empty at the first step: then the unit's own program decides.
        Returns: tag -> values of all instances in the tag's unit, also of the writable tags.
        """
        first = self._last_ns is None
        dt_s = 0.0 if self._last_ns is None else (sky.now_ns - self._last_ns) / NS_PER_S
        dt_s = min(max(dt_s, 0.0), STEP_S_MAX)
        # Contactors, doors and repairs count seconds that passed: a clock that is set back must not stop them.
        self._now_s += dt_s
        if first:
            self._read_meters(sky.now_ns)
        self._last_ns = sky.now_ns
        settings = self._defaults() if first else {name: values.copy() for name, values in puts.items()}
        self._happen(dt_s)
        self._decide(sky, settings)
        self._switch(settings, settle=first)
        return {**settings, **self._measure(sky, settings, dt_s)}

    def _read_meters(self, now_ns: int) -> None:
        """Meters begin as if a little more than all lamps had burnt since METERS_NS.

        So a simulator that is started again never shows less than the one before it.
        """
        hours = max(0, now_ns - METERS_NS) / NS_PER_S / 3600
        installed_w = 1.05 * (self.lamps.sum(axis=1) * self._lamp_w + OWN_KW * 1000)
        self._energy_wh += np.rint(installed_w * hours)
        self._reactive_varh += np.rint(installed_w * hours)

    def _defaults(self) -> dict[str, npt.NDArray[Any]]:
        commands = {f"K{k}_Cmd": np.zeros(self._n, np.bool_) for k in range(1, CIRCUITS + 1)}
        return commands | {
            "Program": self._program.copy(),
            "DimSet": np.full(self._n, 100.0),
            "Ovr": np.zeros(self._n, np.int64),
            "OvrUntil": np.zeros(self._n, np.int64),
        }

    def _happen(self, dt_s: float) -> None:
        """Doors are opened, circuits trip and are repaired, batteries empty."""
        now_s = self._now_s
        opened = self._rng.random(self._n) < DOORS_PER_S * dt_s
        self.door |= opened
        self._door_until_s[opened] = now_s + self._rng.uniform(*DOOR_S)
        self.door &= self._door_stays | (now_s < self._door_until_s)
        tripping = self._rng.random((self._n, CIRCUITS)) < TRIPS_PER_S / CIRCUITS * dt_s
        tripping &= self.closed
        self.trip |= tripping
        self._repair_s[tripping.any(axis=1)] = now_s + REPAIR_S
        repaired = now_s >= self._repair_s
        self.trip[repaired] = False
        self._repair_s[repaired] = np.inf
        charge = np.where(self.supply, 0.5, -0.3) * dt_s / 3600
        self._ups_V = np.clip(self._ups_V + charge, 9.5, 13.6)

    def _decide(self, sky: Moment, settings: dict[str, npt.NDArray[Any]]) -> None:
        """The unit's own program and the operator's override write commands when what they want changes."""
        ovr, until = settings["Ovr"], settings["OvrUntil"]
        over = (ovr != OVR_NONE) & (until > 0) & (until <= sky.now_ns) & (self._wanted_ovr == ovr)
        ovr[over] = OVR_NONE
        until[over] = 0
        endless = (ovr != OVR_NONE) & (until <= sky.now_ns)
        until[endless] = sky.now_ns // NS_PER_S * NS_PER_S + OVERRIDE_S[0] * NS_PER_S
        longest = sky.now_ns // NS_PER_S * NS_PER_S + OVERRIDE_S[1] * NS_PER_S
        until[(ovr != OVR_NONE) & (until > longest)] = longest
        elevation = sky.elevation_deg - sky.slope_deg_per_s * self._stagger_s
        level = wanted_level(settings["Program"], elevation, sky.hour, *self._night_off)
        changed = (level != self._wanted) | (ovr != self._wanted_ovr)
        self._wanted, self._wanted_ovr = level, ovr.copy()
        lit = np.where(ovr == OVR_NONE, level > 0, ovr != OVR_OFF)
        for k in range(1, CIRCUITS + 1):
            settings[f"K{k}_Cmd"][changed] = lit[changed]
        follows = changed & (ovr == OVR_NONE) & (level > 0)
        settings["DimSet"][follows] = level[follows]

    def _switch(self, settings: Values, settle: bool) -> None:
        """Contactors follow. `settle`: at once, as if they had been so for long."""
        command = np.stack([settings[f"K{k}_Cmd"] for k in range(1, CIRCUITS + 1)], axis=1)
        aim = np.where((self.mode == MODE_AUTO)[:, None], command, (self.mode == MODE_MANUAL)[:, None])
        aim = aim & ~self.trip & (self.supply & ~self.rcd)[:, None]
        moved = aim != self._aim
        self._aim_since_s[moved] = self._now_s
        self._aim = aim
        # Without supply or behind an open breaker a contactor drops at once; its coil only delays an order.
        dead = self.trip | (~self.supply | self.rcd)[:, None]
        ready = dead | (self._now_s - self._aim_since_s >= self._contactor_s) | settle
        self.closed = np.where(ready, aim, self.closed)

    def _measure(self, sky: Moment, settings: Values, dt_s: float) -> dict[str, npt.NDArray[Any]]:
        level = np.where(settings["Ovr"] == OVR_ON, 1.0, np.clip(settings["DimSet"], 0, 100) / 100)
        lamp_w = self._standby_w + (self._lamp_w - self._standby_w) * level
        burning = np.maximum(self.lamps - self.lamps_out, 0) * self.closed
        circuit_kw = burning * lamp_w[:, None] / 1000 * self._noise((self._n, CIRCUITS), 0.01)
        own_kw = np.where(self.supply, OWN_KW, 0.0)
        phase_kw = np.zeros((self._n, 3))
        for circuit, phase in enumerate(PHASE_OF_CIRCUIT):
            phase_kw[:, phase] += circuit_kw[:, circuit]
        phase_kw[:, 0] += own_kw
        power_kw = phase_kw.sum(axis=1)
        pf = np.where(burning.any(axis=1), 0.95 - 0.12 * (1 - level), 0.6) * self._noise((self._n,), 0.002)
        q_kvar = power_kw * np.sqrt(np.maximum(1 / np.maximum(pf, 0.05) ** 2 - 1, 0))
        volts = self._volts(sky)
        amps = np.divide(phase_kw * 1000, volts * pf[:, None], out=np.zeros_like(volts), where=volts > 50)
        self._energy_wh += power_kw * 1000 * dt_s / 3600
        self._reactive_varh += q_kvar * 1000 * dt_s / 3600
        return {
            **{f"V{i + 1}": volts[:, i] for i in range(3)},
            **{f"I{i + 1}": amps[:, i] for i in range(3)},
            **{f"P{i + 1}": phase_kw[:, i] for i in range(3)},
            **{f"K{k + 1}_P": circuit_kw[:, k] for k in range(CIRCUITS)},
            **{f"K{k + 1}_Fb": self.closed[:, k] for k in range(CIRCUITS)},
            **{f"K{k + 1}_Trip": self.trip[:, k] for k in range(CIRCUITS)},
            "IN": _neutral(amps),
            "P": power_kw,
            "Q": q_kvar,
            "PF": np.where(self.supply, np.minimum(pf, 1.0), 0.0),
            "F": np.where(self.supply, 50 + 0.02 * self._noise((self._n,), 1.0) - 0.02, 0.0),
            "E_act": self._energy_wh / 1000,
            "E_react": self._reactive_varh / 1000,
            "RCD_Trip": self.rcd,
            "SPD_Fault": np.zeros(self._n, np.bool_),
            "MainSw": np.ones(self._n, np.bool_),
            "Supply_Loss": ~self.supply,
            "Door": self.door,
            "LocalMode": self.mode,
            "Temp": sky.air_degc + 4 + 3 * power_kw,
            "UPS_V": self._ups_V,
            "Signal": np.rint(self._signal_dBm + 2 * np.sin(sky.now_ns / 1e9 / 700 + self._signal_dBm)),
            "ClockDrift": self._drift_s,
            "Lux": np.full(self._n, min(sky.lux, 2000.0)),
        }

    def _volts(self, sky: Moment) -> Floats:
        """230 V +- 4 V, slow waves and a dip of 4 V in the evening; 0 without supply."""
        slow = 1.5 * np.sin(sky.now_ns / NS_PER_S / 1300 + self._u_phase)
        dip = 4.0 * np.exp(-(((sky.hour - 19.5) / 1.5) ** 2))
        noise = np.clip(self._rng.normal(0, 0.2, (self._n, 3)), -0.6, 0.6)
        volts = 231 + np.clip(self._u_offset, -1.5, 1.5) + slow + noise - dip
        return np.where(self.supply[:, None], volts, 0.0)

    def _noise(self, shape: tuple[int, ...], share: float) -> Floats:
        """Factors around 1, at most three times `share` away from it."""
        return 1 + share * np.clip(self._rng.normal(0, 1, shape), -3, 3)

    # What a person may do to one cabinet: the words of `vigie simulate --fault` and of the field's control socket.

    def acts(self) -> dict[str, Callable[[int, str], None]]:
        """Word -> act on one instance with the rest of the line."""
        return {
            "trip": self._act_trip,
            "repair": self._act_repair,
            "supply": self._act_supply,
            "door": self._act_door,
            "local": self._act_local,
            "lamps": self._act_lamps,
        }

    def _act_trip(self, i: int, what: str) -> None:
        if what == "RCD":
            self.rcd[i] = True
        else:
            self.trip[i, _circuit(what)] = True

    def _act_repair(self, i: int, _what: str) -> None:
        self.trip[i], self.rcd[i], self.lamps_out[i] = False, False, 0
        self._repair_s[i] = np.inf

    def _act_supply(self, i: int, what: str) -> None:
        self.supply[i] = _one_of(what, {"on": True, "off": False})

    def _act_door(self, i: int, what: str) -> None:
        self.door[i] = self._door_stays[i] = _one_of(what, {"open": True, "closed": False})
        self._door_until_s[i] = 0

    def _act_local(self, i: int, what: str) -> None:
        self.mode[i] = _one_of(what, {"auto": MODE_AUTO, "off": MODE_OFF, "manual": MODE_MANUAL})

    def _act_lamps(self, i: int, what: str) -> None:
        circuit, _, number = what.partition(" ")
        if not number.isdecimal():
            raise ValueError(f"expected 'lamps K1 3' (circuit and number of dark lamps), got 'lamps {what}'")
        self.lamps_out[i, _circuit(circuit)] = int(number)


def _neutral(amps: Floats) -> Floats:
    """Current of the neutral: the vector sum of three phases 120 degrees apart."""
    a, b, c = amps[:, 0], amps[:, 1], amps[:, 2]
    squared: Floats = a * a + b * b + c * c - a * b - b * c - c * a
    return np.sqrt(np.maximum(squared, 0.0))


def _circuit(text: str) -> int:
    return int(_one_of(text, {f"K{k}": k - 1 for k in range(1, CIRCUITS + 1)}))


def _one_of(text: str, known: Mapping[str, Any]) -> Any:
    if text not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {text!r}")
    return known[text]
