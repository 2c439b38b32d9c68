# SPDX-License-Identifier: Apache-2.0
"""Addresses as an engineer writes them, and which properties are asked together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.words import Access, Kind
from drivers.bacnet.address import BacnetDevice, BacnetPoint, check
from drivers.bacnet.frames import Service
from drivers.bacnet.plan import Body, plan
from drivers.bacnet.protocol import PROTOCOL
from tests.bacnet import inputs, point


def device(**settings: Any) -> BacnetDevice:
    return BacnetDevice.model_validate({"host": "10.21.5.3", "instance": 2101, **settings})


def test_an_address_has_one_device_whatever_its_instance() -> None:
    at = device().identity
    assert device(instance=7).identity == at and device(network=3, mac="0A").identity == ("10.21.5.3", 47808, 3, "0a")


def bodies(points: Any, **settings: Any) -> list[Body]:
    return [exchange.body for exchange in plan(device(**settings), points)]


@pytest.mark.parametrize(
    ("address", "text", "oid", "pid"),
    [
        ({"object": "analog-input 3"}, "analog-input 3", 3, 85),
        ({"object": "multi-state-value 1"}, "multi-state-value 1", 19 << 22 | 1, 85),
        ({"object": "200 7"}, "200 7", 200 << 22 | 7, 85),
        ({"object": "loop 1", "property": "setpoint"}, "loop 1 setpoint", 12 << 22 | 1, 108),
        ({"object": "analog-output 1", "property": "priority-array", "index": 5}, "analog-output 1 priority-array[5]",
         1 << 22 | 1, 87),
        ({"object": "device 5", "property": 512}, "device 5 512", 8 << 22 | 5, 512),
    ],
)  # fmt: skip
def test_an_address_is_read(address: dict[str, Any], text: str, oid: int, pid: int) -> None:
    found = BacnetPoint.model_validate(address)
    assert (str(found), found.oid, found.pid) == (text, oid, pid)


@pytest.mark.parametrize(
    "wrong",
    [
        {"object": "analog-input"},
        {"object": "analogue-input 3"},
        {"object": "analog-input 4194303"},
        {"object": "1024 1"},
        {"object": "analog-input 3", "property": "presentvalue"},
        {"object": "analog-input 3", "property": -1},
        {"object": "analog-input 3", "priority": 0},
        {"object": "analog-input 3", "priority": 17},
    ],
)
def test_what_is_no_address_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BacnetPoint.model_validate(wrong)


def test_behind_a_router_both_network_and_mac_are_said() -> None:
    assert device(network=3, mac="0a").network == 3
    for wrong in ({"network": 3}, {"mac": "0a"}, {"network": 3, "mac": "0"}, {"instance": 4194303}):
        with pytest.raises(ValidationError):
            device(**wrong)


def test_devices_at_one_address_share_a_link_and_a_local_port_is_shared_by_all() -> None:
    key = PROTOCOL.link_key
    assert key(device(network=3, mac="0a", instance=1)) == key(device(network=3, mac="0b", instance=2))
    assert key(device()) != key(device(host="10.21.5.4"))
    assert key(device(local_port=47808)) == key(device(host="10.21.5.4", local_port=47808))


@pytest.mark.parametrize(
    ("kind", "access", "address", "part"),
    [
        (Kind.DateTime, "r", {}, "kind"),
        (Kind.UInt16, "r", {"bit": 1}, "bit"),
        (Kind.Float, "r", {"type": "real"}, "type"),
        (Kind.Float, "r", {"release": -1}, "release"),
        (Kind.Boolean, "r", {"cov_increment": 0.5}, "cov_increment"),
    ],
)
def test_a_point_that_cannot_be_is_said(kind: Kind, access: str, address: dict[str, Any], part: str) -> None:
    [problem] = check(kind, Access(access), BacnetPoint.model_validate({"object": "analog-value 1", **address}))
    assert problem.startswith(part)


@pytest.mark.parametrize("apdu", [50, 128, 206, 480, 1024, 1476])
def test_neither_question_nor_answer_is_longer_than_the_apdu(apdu: int) -> None:
    points = inputs(300)
    found = bodies(points, apdu=apdu)
    assert sorted(m.position for body in found for m in body.members) == list(range(300))
    for body in found:
        answer = 3 + sum(len(p.before) + len(p.after) for p in body.question.pieces)
        answer += len(body.members) * (2 + 5 + 2 + 3)
        assert 3 + len(body.question.tail) <= apdu and answer <= apdu
    assert apdu < 1476 or len(found) == 5


def test_without_flags_only_values_are_asked() -> None:
    [body] = bodies(inputs(3), flags=False)
    assert len(body.question.pieces) == 3 and body.question.service is Service.READ_MULTIPLE


def test_a_device_without_rpm_is_asked_a_few_at_a_time() -> None:
    assert [len(body.members) for body in bodies(inputs(20), rpm=False)] == [8, 8, 4]


def test_what_may_be_told_is_asked_apart() -> None:
    points = [*inputs(2), point("mode", Kind.UInt32, object="device 2101", property="system-status"),
              point("quiet", Kind.Float, object="analog-input 9", cov=False)]  # fmt: skip
    assert len(bodies(points)) == 1
    assert [[m.position for m in body.members] for body in bodies(points, cov="unconfirmed")] == [[0, 1], [2, 3]]


def test_poll_classes_and_points_that_are_not_polled_stay_apart() -> None:
    points = [*inputs(2), point("slow", Kind.Float, poll="slow", object="analog-input 7"),
              point("never", Kind.Float, "w", poll=None, object="analog-output 7")]  # fmt: skip
    assert [(e.poll, e.take.tolist()) for e in plan(device(), points)] == [("p", [0, 1]), ("slow", [2])]
    assert plan(device(), ()) == []
