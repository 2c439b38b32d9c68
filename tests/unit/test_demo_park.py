# SPDX-License-Identifier: Apache-2.0
"""Behaviour and registers of one type meet: what is measured lies in the registers, what is written is obeyed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.model import Site
from drivers.modbus import codec
from supervisor.demo.park import Park
from supervisor.demo.resting import Resting
from supervisor.demo.sky import Sky
from tests.sites import sennecey

NIGHT_NS = int(datetime(2026, 1, 5, 20, tzinfo=UTC).timestamp()) * 10**9
SITE = sennecey()
SKY = Sky(47.28, 5.11, "Europe/Paris", 1)


@pytest.fixture(scope="module")
def site() -> Site:
    return SITE


def park(site: Site, type_: str) -> Park:
    points = {tag: point for (owner, tag), point in site.points.items() if owner == type_}
    made = Park(site.types[type_], points, site.equipment[type_], 1)
    made.step(SKY.at(NIGHT_NS))
    return made


def go(made: Park, seconds: float) -> None:
    made.step(SKY.at(NIGHT_NS + round(seconds * 1e9)))


@pytest.mark.parametrize(("type_", "role"), [("CAB", "controller"), ("RWS", "station")])
def test_every_point_is_filled(site: Site, type_: str, role: str) -> None:
    made = park(site, type_)
    values = made.values(0, role)
    assert set(values) == {tag for owner, tag in site.points if owner == type_}
    limited = [(n, v) for n, v in values.items() if (site.types[type_].tags[n].range is not None)]
    for name, value in limited:
        low, high = site.types[type_].tags[name].range or (0, 0)
        assert isinstance(value, int | float) and low <= value <= high, name


def test_a_cabinet_says_in_its_registers_what_burns(site: Site) -> None:
    made = park(site, "CAB")
    lamps = [site.equipment["CAB"][2].parameters[f"lamps_K{k}"] for k in range(1, 5)]
    watts = site.equipment["CAB"][2].parameters["lamp_W"]
    assert made.value(2, "P") == pytest.approx(sum(lamps) * watts / 1000, rel=0.03)
    assert made.value(2, "FW") == "RTU-4 2.7.1"
    assert made.value(16, "Program") == 5


def test_a_written_coil_is_obeyed(site: Site) -> None:
    """The view of one device is written as a Modbus client would; the others do not notice."""
    made = park(site, "CAB")
    made.banks["controller"].tables["coil"][4, 0] = False
    for tenth in range(1, 26):
        go(made, tenth / 10)
    assert (made.value(4, "K1_Cmd"), made.value(4, "K1_Fb")) == (False, False)
    assert made.value(3, "K1_Fb") is True


def test_a_written_level_is_read_back_and_dims(site: Site) -> None:
    made = park(site, "CAB")
    before = made.value(0, "P")
    point = site.points["CAB", "DimSet"]
    made.banks["controller"].tables["holding"][0, point.address] = int.from_bytes(codec.encode(point, 400))
    go(made, 1)
    assert made.value(0, "DimSet") == 40.0
    assert made.value(0, "P") == pytest.approx(before * 0.406, rel=0.04)


@given(registers=st.lists(st.integers(0, 65535), min_size=5, max_size=5), coils=st.lists(st.booleans(), min_size=4))
def test_whatever_a_client_writes_the_plant_goes_on(registers: list[int], coils: list[bool]) -> None:
    """A level of 6,553 %, an override number nobody knows, an end in 2106: no failure, no impossible power."""
    made = park(SITE, "CAB")
    bank = made.banks["controller"]
    bank.tables["holding"][0, 100:105] = registers
    bank.tables["coil"][0, :4] = coils[:4]
    neighbour = made.value(1, "P")
    for second in range(1, 6):
        go(made, second)
    installed = sum(SITE.equipment["CAB"][0].parameters[f"lamps_K{k}"] for k in range(1, 5)) * 0.055
    assert 0 <= made.value(0, "P") <= installed * 1.04 + 0.01
    assert made.value(1, "P") == pytest.approx(neighbour, rel=0.05)


def test_set_holds_a_measurement_until_free(site: Site) -> None:
    made = park(site, "CAB")
    made.act(0, "set V1 180")
    go(made, 1)
    go(made, 2)
    assert made.value(0, "V1") == 180.0 and made.value(1, "V1") > 200
    made.act(0, "free V1")
    go(made, 3)
    assert made.value(0, "V1") > 200


def test_set_writes_a_writable_tag_once_as_from_a_panel(site: Site) -> None:
    made = park(site, "CAB")
    made.act(0, "set K1_Cmd false")
    for tenth in range(1, 26):
        go(made, tenth / 10)
    assert made.value(0, "K1_Fb") is False
    made.banks["controller"].tables["coil"][0, 0] = True
    for tenth in range(26, 60):
        go(made, tenth / 10)
    assert made.value(0, "K1_Fb") is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("explode", "expected one of trip, repair, supply, door, local, lamps, set, free"),
        ("set V9 1", "expected a tag of CAB on the wire, got 'V9'"),
        ("set V1 high", "expected a number"),
        ("set P_exp 1", "expected a tag of CAB on the wire"),
    ],
)
def test_a_mistyped_act_is_explained(site: Site, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        park(site, "CAB").act(0, text)


def test_a_type_without_behaviour_rests_in_the_middle_and_keeps_what_is_written(site: Site) -> None:
    model = site.types["CAB"].model_copy(update={"type": "XYZ"})
    points = {tag: point for (owner, tag), point in site.points.items() if owner == "CAB"}
    made = Park(model, points, site.equipment["CAB"], 1)
    made.step(SKY.at(NIGHT_NS))
    assert (made.value(0, "V1"), made.value(0, "Temp"), made.value(0, "K1_Cmd")) == (150.0, 25.0, False)
    made.banks["controller"].tables["coil"][0, 0] = True
    go(made, 1)
    assert made.value(0, "K1_Cmd") is True


def test_a_type_of_a_known_name_with_other_parameters_rests(site: Site) -> None:
    """A site may have its own CAB; what the shipped behaviour needs is then not there."""
    parameters = {n: p for n, p in site.types["CAB"].parameters.items() if not n.startswith("lamps")}
    model = site.types["CAB"].model_copy(update={"parameters": parameters})
    points = {tag: point for (owner, tag), point in site.points.items() if owner == "CAB"}
    made = Park(model, points, site.equipment["CAB"], 1)
    made.step(SKY.at(NIGHT_NS))
    assert made.value(0, "V1") == 150.0
    assert Resting(model.tags, 1).acts() == {}
