# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit/test_opcua.py
"""What the registry holds for OPC UA. Only a site that opens a link loads asyncua; checking one costs nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from config.words import Clock
from drivers.base import Driver, Link, Point, ProtocolSpec, own_link
from drivers.opcua.address import OpcuaDevice, OpcuaPoint, check
from drivers.opcua.plan import plan


def _link_key(device: OpcuaDevice) -> Hashable:
    return (device.endpoint, device.security, device.mode, device.user, device.password_secret, device.certificates)


def _plan_key(device: OpcuaDevice) -> Hashable:
    return device.nodes_max


def _make_link(device: OpcuaDevice, clock: Clock) -> Link:
    from drivers.opcua.link import OpcuaLink

    return OpcuaLink(device, clock)


def _make_driver(name: str, device: OpcuaDevice, points: Sequence[Point], link: Link, clock: Clock) -> Driver:
    from drivers.opcua.driver import OpcuaDriver
    from drivers.opcua.link import OpcuaLink

    return OpcuaDriver(name, device, points, own_link(name, link, OpcuaLink), clock)


def _certificate_days(devices: Sequence[OpcuaDevice], now_ns: int) -> int | None:
    from drivers.opcua import trust

    folders = {trust.folder(device.certificates) for device in devices if device.security != "None"}
    found = [days for folder in folders if (days := trust.days(folder, now_ns)) is not None]
    return min(found, default=None)


PROTOCOL: Final = ProtocolSpec(
    name="opcua",
    device_model=OpcuaDevice,
    point_model=OpcuaPoint,
    plan=plan,
    check=check,
    link_key=_link_key,
    make_link=_make_link,
    make_driver=_make_driver,
    plan_key=_plan_key,
    certificate_days=_certificate_days,
)
