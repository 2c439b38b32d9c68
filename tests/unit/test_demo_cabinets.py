# SPDX-License-Identifier: Apache-2.0
"""Simulated lighting cabinets in explicit time: they light by themselves, obey, and measure what burns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from supervisor.demo.cabinets import OVR_LEVEL, OVR_NONE, OVR_OFF, OVR_ON, Cabinets
from supervisor.demo.sky import Sky

PUTS = ("K1_Cmd", "K2_Cmd", "K3_Cmd", "K4_Cmd", "Program", "DimSet", "Ovr", "OvrUntil")
NIGHT = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)
DAY = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LAMPS = (10, 8, 7, 5)


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


class Street:
    """Cabinets, their sky, and what their registers would hold."""

    def __init__(self, at: datetime, program: int = 0, count: int = 3, seed: int = 7) -> None:
        parameters: dict[str, npt.NDArray[Any]] = {
            **{f"lamps_K{k + 1}": np.full(count, n) for k, n in enumerate(LAMPS)},
            "lamp_W": np.full(count, 55.0),
            "standby_W": np.full(count, 0.5),
            "program": np.full(count, program),
            "off_from_h": np.full(count, 0.0),
            "off_until_h": np.full(count, 5.0),
        }
        self.sky = Sky(47.28, 5.11, "Europe/Paris", seed)
        self.cabinets = Cabinets(parameters, count, seed)
        self.now = at
        self.values: dict[str, npt.NDArray[Any]] = self.cabinets.step(self.sky.at(ns(at)), {})

    def go(self, seconds: float, steps: int = 1) -> Street:
        for _ in range(steps):
            self.now += timedelta(seconds=seconds)
            puts = {name: self.values[name] for name in PUTS}
            self.values = self.cabinets.step(self.sky.at(round(self.now.timestamp() * 1e9)), puts)
        return self

    def put(self, tag: str, value: Any, instance: int = 0) -> None:
        self.values[tag] = self.values[tag].copy()
        self.values[tag][instance] = value

    def at(self, tag: str, instance: int = 0) -> Any:
        return self.values[tag][instance].item()


def test_by_night_all_circuits_burn_and_power_is_lamps_times_watts() -> None:
    street = Street(NIGHT)
    assert all(street.at(f"K{k}_Cmd") and street.at(f"K{k}_Fb") for k in range(1, 5))
    for k, lamps in enumerate(LAMPS, 1):
        assert street.at(f"K{k}_P") == pytest.approx(lamps * 0.055, rel=0.031)
    assert street.at("P") == pytest.approx(sum(LAMPS) * 0.055 + 0.008, rel=0.02)
    assert street.at("P") == pytest.approx(sum(street.at(f"P{i}") for i in (1, 2, 3)))


def test_by_day_nothing_burns() -> None:
    street = Street(DAY)
    assert not any(street.at(f"K{k}_Cmd") or street.at(f"K{k}_Fb") for k in range(1, 5))
    assert street.at("P") < 0.01


def test_a_command_is_followed_within_two_seconds_and_the_power_drops() -> None:
    street = Street(NIGHT)
    before = street.at("P")
    street.put("K1_Cmd", False)
    street.go(0.5)
    assert street.at("K1_Fb"), "a contactor needs a second"
    street.go(0.5, 4)
    assert not street.at("K1_Fb")
    assert street.at("K1_P") == 0
    assert street.at("P") == pytest.approx(before - LAMPS[0] * 0.055, rel=0.04)
    assert street.at("K1_Fb", 1), "the neighbour was not asked"
    street.go(60, 10)
    assert not street.at("K1_Cmd"), "an order stands until the program changes its mind"


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    street = Street(NIGHT).go(60)
    energy = street.at("E_act")
    street.put("K1_Cmd", False)
    street.go(0.1)
    street.go(-3600)
    street.go(0.5, 5)
    assert not street.at("K1_Fb")
    assert street.at("E_act") >= energy


def test_a_local_selector_ignores_commands() -> None:
    street = Street(NIGHT)
    street.cabinets.acts()["local"](0, "manual")
    street.put("K1_Cmd", False)
    street.go(1, 5)
    assert street.at("K1_Fb") and street.at("LocalMode") == 2
    street.cabinets.acts()["local"](0, "off")
    street.go(1, 5)
    assert not any(street.at(f"K{k}_Fb") for k in range(1, 5))
    assert street.at("K2_Cmd")


def test_dimming_lowers_the_power() -> None:
    street = Street(NIGHT)
    street.put("DimSet", 50.0)
    street.go(1)
    assert street.at("P") == pytest.approx(30 * (0.5 + 54.5 * 0.5) / 1000 + 0.008, rel=0.03)
    assert street.at("PF") < 0.92


def test_part_night_program_switches_off_at_midnight_and_on_at_five() -> None:
    """Program C in local time: 00-05 in Paris is 23-04 UTC in winter."""
    street = Street(NIGHT, program=3)
    lit = {}
    for _ in range(12 * 60):
        street.go(60)
        lit[street.now] = street.at("K1_Fb")
    changes = [at for (at, now), before in zip(lit.items(), [True, *lit.values()], strict=False) if now != before]
    assert changes[0] - datetime(2026, 1, 5, 23, 0, tzinfo=UTC) <= timedelta(minutes=2)
    assert changes[1] - datetime(2026, 1, 6, 4, 0, tzinfo=UTC) <= timedelta(minutes=2)
    # Civil dawn in Dijon, early January: 07:50 local time.
    assert abs(changes[2] - datetime(2026, 1, 6, 6, 50, tzinfo=UTC)) <= timedelta(minutes=10)
    assert len(changes) == 3


def test_dusk_is_staggered_over_two_minutes() -> None:
    street = Street(datetime(2026, 1, 5, 16, 10, tzinfo=UTC), count=60)
    on: list[int] = []
    for _ in range(60 * 60):
        street.go(1)
        on.append(int(street.values["K1_Cmd"].sum()))
        if on[-1] == 60:
            break
    first = next(i for i, n in enumerate(on) if n)
    assert on[-1] == 60 and 60 <= len(on) - 1 - first <= 120


def test_energy_grows_by_the_power_and_never_falls() -> None:
    street = Street(NIGHT)
    seen = [street.at("E_act")]
    for _ in range(3600):
        street.go(1)
        seen.append(street.at("E_act"))
    assert all(b >= a for a, b in pairwise(seen))
    assert seen[-1] - seen[0] == pytest.approx(sum(LAMPS) * 0.055 + 0.008, rel=0.01)


def test_a_simulator_started_later_never_shows_less_energy() -> None:
    """The server's checkpoint outlives the simulator; a register that falls would be an alarm."""
    street = Street(NIGHT).go(3600, 5)
    again = Street(street.now)
    assert (again.values["E_act"] >= street.values["E_act"]).all()
    assert (again.values["E_react"] >= street.values["E_react"]).all()


def test_currents_follow_from_power_and_voltage() -> None:
    street = Street(NIGHT)
    for i in (1, 2, 3):
        assert street.at(f"I{i}") * street.at(f"V{i}") * street.at("PF") == pytest.approx(street.at(f"P{i}") * 1000)
    a, b, c = (street.at(f"I{i}") for i in (1, 2, 3))
    assert street.at("IN") == pytest.approx((a * a + b * b + c * c - a * b - b * c - c * a) ** 0.5)


def test_voltage_stays_within_limits_and_dips_in_the_evening() -> None:
    street = Street(datetime(2026, 1, 5, 0, 0, tzinfo=UTC), count=20)
    by_hour: dict[int, float] = {}
    for _ in range(24 * 4):
        street.go(900)
        volts = np.concatenate([street.values[f"V{i}"] for i in (1, 2, 3)])
        assert volts.min() > 207 + 2 and volts.max() < 253 - 2
        by_hour[street.now.hour] = float(volts.mean())
    assert by_hour[19] < by_hour[3] - 2


@pytest.mark.parametrize(("ovr", "lit"), [(OVR_ON, True), (OVR_LEVEL, True)])
def test_an_override_lights_by_day_until_its_end(ovr: int, lit: bool) -> None:
    street = Street(DAY)
    street.put("Ovr", ovr)
    street.put("OvrUntil", ns(DAY + timedelta(minutes=10)))
    street.go(1, 5)
    assert street.at("K1_Fb") is lit
    street.go(60, 11)
    assert (street.at("Ovr"), street.at("OvrUntil")) == (OVR_NONE, 0)
    street.go(1, 4)
    assert not street.at("K1_Fb")


def test_an_override_off_darkens_the_night_and_full_on_ignores_the_level() -> None:
    street = Street(NIGHT)
    street.put("Ovr", OVR_OFF)
    street.go(1, 5)
    assert not street.at("K1_Fb")
    street.put("Ovr", OVR_ON)
    street.put("DimSet", 20.0)
    street.go(1, 5)
    assert street.at("P") == pytest.approx(30 * 0.055, rel=0.04)


def test_an_override_without_an_end_gets_one() -> None:
    street = Street(DAY)
    street.put("Ovr", OVR_ON)
    street.go(1)
    assert street.at("OvrUntil") == ns(DAY + timedelta(hours=12, seconds=1))
    street.put("OvrUntil", ns(DAY + timedelta(days=30)))
    street.go(1)
    assert street.at("OvrUntil") == ns(DAY + timedelta(hours=72, seconds=2))


def test_a_trip_opens_its_circuit_at_once_and_repair_closes_it() -> None:
    street = Street(NIGHT)
    street.cabinets.acts()["trip"](0, "K2")
    street.go(0.1)
    assert (street.at("K2_Trip"), street.at("K2_Fb"), street.at("K1_Fb")) == (True, False, True)
    street.cabinets.acts()["repair"](0, "")
    street.go(1, 4)
    assert street.at("K2_Fb")


def test_a_residual_current_trip_opens_everything() -> None:
    street = Street(NIGHT)
    street.cabinets.acts()["trip"](0, "RCD")
    street.go(0.1)
    assert street.at("RCD_Trip") and not any(street.at(f"K{k}_Fb") for k in range(1, 5))


def test_without_supply_the_unit_lives_on_its_battery() -> None:
    street = Street(NIGHT)
    street.cabinets.acts()["supply"](0, "off")
    street.go(3600)
    assert street.at("Supply_Loss")
    assert [street.at(t) for t in ("V1", "P", "I1", "K1_Fb")] == [0, 0, 0, False]
    assert street.at("UPS_V") == pytest.approx(13.3)
    street.cabinets.acts()["supply"](0, "on")
    street.go(1, 4)
    assert street.at("K1_Fb")


def test_dark_lamps_take_no_power() -> None:
    street = Street(NIGHT)
    street.cabinets.acts()["lamps"](0, "K1 3")
    street.go(1)
    assert street.at("K1_P") == pytest.approx(7 * 0.055, rel=0.031)


@pytest.mark.parametrize(
    ("word", "what"), [("trip", "K9"), ("supply", "maybe"), ("door", ""), ("local", "x"), ("lamps", "K1 many")]
)
def test_a_mistyped_act_is_explained(word: str, what: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Street(DAY).cabinets.acts()[word](0, what)


def test_the_same_seed_gives_the_same_night() -> None:
    one, two, other = (Street(NIGHT, seed=s).go(10, 20).values for s in (7, 7, 8))
    for tag in one:
        np.testing.assert_array_equal(one[tag], two[tag])
    assert not np.array_equal(one["V1"], other["V1"])


def test_doors_and_trips_are_seldom_but_happen() -> None:
    street = Street(NIGHT, count=500)
    opened = tripped = 0
    for _ in range(24 * 6):
        street.go(600)
        opened += int(street.values["Door"].sum())
        tripped = max(tripped, int(street.values["K1_Trip"].sum()))
    assert 0 < opened < 500 and tripped < 20
