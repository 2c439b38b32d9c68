# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit/test_dali.py
"""What the registry holds for DALI. Only a site with a Lunatone gateway loads websockets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

from config.words import Clock
from drivers.base import Driver, Link, Point, ProtocolSpec, Request, own_link
from drivers.dali.address import LOYTEC, LUNATONE, DaliDevice, DaliPoint, check
from drivers.dali.plan import plan
from drivers.dali.registers import GatewayLink, RegisterDriver
from drivers.modbus.driver import export_state, import_state
from drivers.modbus.plan import Body


def _link_key(device: DaliDevice) -> Hashable:
    return device.link


def _plan_key(device: DaliDevice) -> Hashable:
    if device.wire == LUNATONE:
        return device.wire, device.short_address is None
    return device.wire, device.line, device.short_address


def _make_link(device: DaliDevice, clock: Clock) -> Link:
    if device.wire == LOYTEC:
        from drivers.bacnet.link import BacnetLink
        from drivers.dali.objects import bacnet_device

        return BacnetLink(bacnet_device(device))
    if device.wire != LUNATONE:
        return GatewayLink(device)
    from drivers.dali.link import LunatoneLink

    return LunatoneLink(device)


def _make_driver(name: str, device: DaliDevice, points: Sequence[Point], link: Link, clock: Clock) -> Driver:
    if isinstance(link, GatewayLink):
        return RegisterDriver(name, device, points, link, clock)
    if device.wire == LOYTEC:
        from drivers.bacnet.link import BacnetLink
        from drivers.dali.objects import ObjectDriver

        if isinstance(link, BacnetLink):
            return ObjectDriver(name, device, points, link, clock)
    from drivers.dali.driver import DaliDriver
    from drivers.dali.link import LunatoneLink

    return DaliDriver(name, device, points, own_link(name, link, LunatoneLink), clock)


def _export(request: Request) -> dict[str, Any] | None:
    """What was learned of registers; what a gear does not answer is asked again after a restart."""
    return export_state(request) if isinstance(request.exchange.body, Body) else None


def _import(request: Request, kept: dict[str, Any], now_s: float) -> None:
    if not isinstance(request.exchange.body, Body):
        raise ValueError("nothing is learned of this question")
    import_state(request, kept, now_s)


PROTOCOL: Final = ProtocolSpec(
    name="dali",
    device_model=DaliDevice,
    point_model=DaliPoint,
    plan=plan,
    check=check,
    link_key=_link_key,
    make_link=_make_link,
    make_driver=_make_driver,
    plan_key=_plan_key,
    export_state=_export,
    import_state=_import,
)
