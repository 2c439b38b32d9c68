# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit/test_bacnet.py
"""What the registry holds for BACnet/IP. Only a site that opens a link loads the driver; checking one costs nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from config.words import Clock
from drivers.bacnet.address import BacnetDevice, BacnetPoint, check
from drivers.bacnet.plan import plan
from drivers.base import Driver, Link, Point, ProtocolSpec, own_link


def _link_key(device: BacnetDevice) -> Hashable:
    if device.local_port:
        return (device.local_host, device.local_port, device.bbmd)
    return (device.local_host, 0, device.bbmd, device.host, device.port)


def _plan_key(device: BacnetDevice) -> Hashable:
    return (device.apdu, device.rpm, device.flags, device.cov != "off")


def _make_link(device: BacnetDevice, clock: Clock) -> Link:
    from drivers.bacnet.link import BacnetLink

    return BacnetLink(device)


def _make_driver(name: str, device: BacnetDevice, points: Sequence[Point], link: Link, clock: Clock) -> Driver:
    from drivers.bacnet.driver import BacnetDriver
    from drivers.bacnet.link import BacnetLink

    return BacnetDriver(name, device, points, own_link(name, link, BacnetLink), clock)


PROTOCOL: Final = ProtocolSpec(
    name="bacnet",
    device_model=BacnetDevice,
    point_model=BacnetPoint,
    plan=plan,
    check=check,
    link_key=_link_key,
    make_link=_make_link,
    make_driver=_make_driver,
    plan_key=_plan_key,
)
