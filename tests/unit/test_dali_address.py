# SPDX-License-Identifier: Apache-2.0
"""Devices and points of DALI as an engineer writes them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from config.words import Access, Kind
from drivers.dali.address import VALUES, DaliDevice, DaliPoint, check


def test_a_line_and_its_gear_share_a_link_and_are_different_partners() -> None:
    line = DaliDevice(wire="lunatone", host="h", line=1)
    gear = DaliDevice(wire="lunatone", host="h", line=1, short_address=5)
    other = DaliDevice(wire="lunatone", host="h", line=2)
    assert line.link == gear.link != other.link
    assert len({line.identity, gear.identity, other.identity}) == 3


def test_lines_of_a_modbus_gateway_share_its_connection() -> None:
    lines = [DaliDevice(wire="intesis", host="h", line=n) for n in (0, 1)]
    assert lines[0].link == lines[1].link


@pytest.mark.parametrize(("wire", "port"), [("lunatone", 80), ("intesis", 502), ("adfweb", 502)])
def test_the_usual_port_need_not_be_written(wire: str, port: int) -> None:
    assert DaliDevice.model_validate({"wire": wire, "host": "h"}).port == port


@pytest.mark.parametrize(
    "wrong", [{"short_address": 64}, {"line": 4}, {"poll_share": 1.0}, {"wire": "dsi"}, {"gear": 1}]
)
def test_what_no_gateway_has_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DaliDevice.model_validate({"wire": "lunatone", "host": "h", **wrong})


@pytest.mark.parametrize(
    ("kind", "access", "address", "says"),
    [
        (Kind.Float, Access.RW, {"value": "level"}, "expected access r for level"),
        (Kind.Float, Access.R, {"value": "group_level"}, "expected a group 0..15"),
        (Kind.Float, Access.R, {"value": "level", "group": 1}, "expected a group 0..15"),
        (Kind.Float, Access.RW, {"value": "line_level"}, "expected access w"),
        (Kind.Float, Access.R, {"value": "lamp_failure"}, "expected kind Boolean"),
        (Kind.Float, Access.R, {"value": "arc_level"}, "expected an integer kind"),
        (Kind.Int32, Access.R, {"value": "active_power"}, "expected kind Float or Double"),
    ],
)
def test_what_does_not_fit_is_said(kind: Kind, access: Access, address: dict[str, object], says: str) -> None:
    assert says in " ".join(check(kind, access, DaliPoint.model_validate(address)))


def test_every_value_has_a_kind_that_fits() -> None:
    for value in VALUES:
        address = DaliPoint(value=value, group=3 if value == "group_level" else None)
        access = Access.W if value == "line_level" else Access.R
        assert any(not check(kind, access, address) for kind in (Kind.Boolean, Kind.Int32, Kind.Double)), value
