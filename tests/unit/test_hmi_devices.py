# SPDX-License-Identifier: Apache-2.0
"""Devices as objects: under the equipment they serve, seen by whoever sees it, with what the host knows now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from asyncua import ua

from config.model import Role
from config.words import LinkState, StatusCode
from drivers.base import DeviceSpec
from drivers.status import DeviceStatus
from supervisor.hmi.model.devices import TOLD, Devices
from supervisor.people import User
from tests.plants import TypeSpec, make_plant, tag

NAN = float("nan")
SPEC = DeviceSpec(
    name="21605/CAB-0001.controller",
    protocol="modbus",
    device=None,
    points=(),
    rows=np.zeros(0, np.int64),
    polls={},
    comm_rows=np.zeros(0, np.int64),
)
PLANT = replace(
    make_plant({"CAB": TypeSpec({"V1": tag("Double")})}, {"CAB": ["21605/CAB-0001", "21605/CAB-0002"]}),
    devices=(SPEC,),
)
STATUS = DeviceStatus(
    name=SPEC.name,
    protocol="modbus",
    link=LinkState.UP,
    reason="21605/CAB-0001.controller up 3 h",
    since_ns=10**18,
    requests=12,
    answers=11,
    misses=1,
    missed_slots=0,
    demoted=False,
    round_trip_last_s=0.004,
    round_trip_mean_s=NAN,
    requested_s=2.0,
    achieved_s=2.01,
    notes=("input 40: illegal data address",),
    failures=0,
)
ASKER = User("op", Role.OPERATOR)


def room(status: DeviceStatus = STATUS) -> Devices:
    return Devices(PLANT, 2, lambda index: [status][index])


def node(name: str) -> ua.NodeId:
    return ua.NodeId(name, 2, ua.NodeIdType.String)


def value(name: str, status: DeviceStatus = STATUS) -> ua.DataValue:
    live = room(status).find(node(f"21605/CAB-0001/Devices/controller/{name}"))
    assert live is not None and live.value is not None
    return live.value.read()


def test_devices_hang_under_their_equipment_and_nowhere_else() -> None:
    (folder,) = room().under(node("21605/CAB-0001"))
    (device,) = folder.children()
    numbers = device.children()
    assert [n.name.Name for n in numbers] == list(TOLD)
    for live in (folder, device, *numbers):
        found = room().find(live.node_id)
        assert found is not None and found.node_id == live.node_id and found.parent == live.parent
    assert room().under(node("21605/CAB-0002")) == () and room().under(node("21605")) == ()


@pytest.mark.parametrize(
    "name",
    ["21605/CAB-0002/Devices", "21605/CAB-0001/Devices/", "21605/CAB-0001/Devices/other", "21605/CAB-0001/V1", "x", "",
     "21605/CAB-0001/Devices/controller/Other", "21605/CAB-0001/Devices/controller/Protocol/x"],
)  # fmt: skip
def test_anything_else_is_no_device(name: str) -> None:
    assert room().find(node(name)) is None


def test_what_the_host_knows_is_told() -> None:
    told = {name: value(name).Value.Value for name in TOLD if name != "RoundTripMean"}
    assert told["RequestedPeriod"] == 2000.0 and told["AchievedPeriod"] == pytest.approx(2010.0)
    assert told["RoundTripLast"] == 4.0
    assert (told["Protocol"], told["LinkState"], told["Demoted"]) == ("modbus", "up", False)
    assert (told["Requests"], told["Answers"], told["Misses"], told["ConsecutiveFailures"]) == (12, 11, 1, 0)
    assert told["Quarantined"] == ["input 40: illegal data address"]


def test_what_is_not_known_yet_is_null() -> None:
    answer = value("RoundTripMean")
    assert (answer.Value, answer.StatusCode.value) == (None, StatusCode.BadWaitingForInitialData)


@pytest.mark.parametrize(
    ("status", "health"),
    # Source: OPC 10000-100, 4.5.4: NORMAL 0, FAILURE 1, MAINTENANCE_REQUIRED 4.
    [(replace(STATUS, notes=()), 0), (STATUS, 4), (replace(STATUS, link=LinkState.BACKING_OFF), 1)],
)
def test_health_is_told_in_the_words_of_devices(status: DeviceStatus, health: int) -> None:
    assert value("DeviceHealth", status).Value.Value == health


def test_who_does_not_see_the_equipment_does_not_see_its_devices() -> None:
    elsewhere = User("guest", Role.OPERATOR, sees=frozenset({"21000"}))
    live = room().find(node("21605/CAB-0001/Devices/controller/Protocol"))
    assert live is not None and live.open_to(ASKER) and not live.open_to(elsewhere)
