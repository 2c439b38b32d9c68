# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_driver.py, tests/kit/test_bacnet.py, tests/system/test_bacpypes3.py
"""One BACnet device: properties in, batches out; writes once, with an outcome.

Law of this file: the contract of `drivers.base`. Nothing here sleeps or retries, and no other error than the contract's
leaves.

When it is opened the device is asked which services it supports. Who it is the host asks (`identify`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np

from config.words import Batch, Clock, Permit
from drivers.bacnet import tags
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.asked import UNKNOWN_LENGTH, Asked, Traits, error_of, said, value_of
from drivers.bacnet.frames import Frame, Pdu
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.names import (
    ANY_INSTANCE,
    DEVICE,
    OBJECT_IDENTIFIER,
    OBJECT_NAME,
    PROPERTIES,
    SERVICES_SUPPORTED,
    SYSTEM_STATUS,
    error_text,
)
from drivers.bacnet.plan import Body, make_body, property_question
from drivers.bacnet.quality import refused as meaning
from drivers.bacnet.station import Station
from drivers.bacnet.telling import Push, Telling
from drivers.bacnet.writing import Writer
from drivers.bacnet.writing import refused as refused_write
from drivers.base import Busy, DeviceSilent, DriverError, Exchange, LinkDown, Point, Request, WriteItem, WriteOutcome
from drivers.identity import Declared, Identity
from drivers.readback import in_order, readable, unpacked

OPEN_TIMEOUT_S: Final = 3.0
PROPERTY_CLASS: Final = 2
"""Of an error. Source: clause 21, Error."""
RPM_BIT, COV_BIT, COV_PROPERTY_BIT = 14, 5, 38
"""Bits of protocol-services-supported. Source: clause 21, BACnetServicesSupported."""
NOT_OPERATIONAL: Final = {2: "download-required", 3: "download-in-progress", 4: "non-operational"}
"""System-status of a device whose values mean nothing. Source: clause 21, BACnetDeviceStatus."""
ANYBODY: Final = DEVICE << 22 | ANY_INSTANCE
_TEXTS: Final = {
    "name": OBJECT_NAME,
    "vendor": PROPERTIES["vendor-name"],
    "serial": PROPERTIES["serial-number"],
}


class BacnetDriver:
    """A `drivers.base.Driver` for one device on a link.

    Attributes:
        telling: its subscriptions.
        declared: who it must be.
    """

    def __init__(
        self, name: str, device: BacnetDevice, points: Sequence[Point], link: BacnetLink, clock: Clock
    ) -> None:
        self._name, self._device, self._points, self._link, self._clock = name, device, points, link, clock
        self._writer = Writer(name, device, points, clock)
        self._station: Station | None = None
        self._traits = Traits(device.rpm)
        self._asked: dict[int, Asked] = {}
        self._reconcile_s: dict[int, float] = {}
        self.telling = Telling(name, device)
        self.declared = Declared.of(
            device.identity_required,
            instance=str(device.instance),
            name=device.object_name,
            vendor=device.vendor_name,
            serial=device.serial,
        )

    # --- life

    async def open(self) -> None:
        """Ask what the device can.

        Raises:
            LinkDown, DeviceSilent.
        """
        self._asked.clear()
        self._reconcile_s.clear()
        self.telling.begin(None)
        station = self._station = await self._link.station(self._device)
        station.notices = lambda frame: self.telling.noticed(station, frame)
        own = DEVICE << 22 | self._device.instance
        question = property_question(own, SERVICES_SUPPORTED)
        try:
            frame = await station.ask(question.tail, OPEN_TIMEOUT_S)
        except DriverError as error:
            raise self._named("its services", OPEN_TIMEOUT_S, error) from error
        found = value_of(frame, question)
        services = found.value if found is not None and found.tag == tags.BITS else None
        self._traits = Traits(self._device.rpm)
        if isinstance(services, int):
            self._traits = Traits(
                self._device.rpm and bool(services >> RPM_BIT & 1),
                bool(services >> COV_BIT & 1),
                bool(services >> COV_PROPERTY_BIT & 1),
            )

    async def identify(self, timeout_s: float) -> Identity:
        """Instance and name of its device object, and what else was declared, asked now; empty if it does not say.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        station = self._stand()
        own = DEVICE << 22 | self._device.instance
        try:
            frame = await station.ask(property_question(own, OBJECT_NAME).tail, timeout_s)
            if frame.kind is Pdu.ABORT:
                raise Busy(f"the device says {said(frame)}")
            if not _knows_object(frame):
                frame = await station.ask(property_question(ANYBODY, OBJECT_IDENTIFIER).tail, timeout_s)
                own = _object_of(frame.data, frame.body) if frame.kind is Pdu.COMPLEX_ACK else 0
                if not own:
                    return {}
            told = {"instance": str(own & ANY_INSTANCE)}
            for name in ("name", *(n for n in self.declared.texts if n in _TEXTS and n != "name")):
                question = property_question(own, _TEXTS[name])
                found = value_of(await station.ask(question.tail, timeout_s), question)
                if found is not None and isinstance(found.value, str):
                    told[name] = found.value
        except DriverError as error:
            raise self._named("identity", timeout_s, error) from error
        return told

    async def close(self) -> None:
        """Nothing is held beside the link; subscriptions end by themselves after their lifetime."""

    def _stand(self) -> Station:
        if self._station is None:
            raise LinkDown(f"{self._name}: not opened yet")
        return self._station

    # --- reading

    def watch(self, push: Push) -> None:
        """From now on values are told when they change; see `drivers.base.Watching`."""
        self.telling.begin(push)

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """Read the properties of a request; of one whose changes are told, prove that what was told stands.

        Raises:
            LinkDown: the socket is gone.
            DeviceSilent: no proper answer; its subscriptions are asked for anew.
            Busy: the device says so.
        """
        asked = self._asked.get(request.id)
        if asked is None:
            asked = self._asked[request.id] = Asked(request, self._stand(), self._traits, self._clock)
        try:
            if not await self._is_told(request, asked, timeout_s):
                await asked.read(timeout_s)
                self._reconcile_s[request.id] = asyncio.get_running_loop().time() + self._device.reconcile
        except DriverError as error:
            if isinstance(error, DeviceSilent):
                self.telling.restarted()
            raise self._named(request.exchange.label, timeout_s, error) from error
        places = np.flatnonzero(asked.codes)
        request.state = {int(place): int(asked.codes[place]) for place in places} or None
        return asked.batch()

    async def _is_told(self, request: Request, asked: Asked, timeout_s: float) -> bool:
        """True if all of it is told, the device is there, and it is not time to read it as a proof."""
        if not self.telling.is_wanted or not asked.body.members[0].address.is_told:
            return False
        self.telling.enter(request.id, asked)
        stands = await self.telling.keep(request.id, self._stand(), self._traits, timeout_s)
        if not stands or asyncio.get_running_loop().time() >= self._reconcile_s.get(request.id, 0.0):
            return False
        await self._prove(timeout_s)
        return True

    async def _prove(self, timeout_s: float) -> None:
        """Have the device answer, so that what it has told so far is known to stand."""
        question = property_question(DEVICE << 22 | self._device.instance, SYSTEM_STATUS)
        found = value_of(await self._stand().ask(question.tail, timeout_s), question)
        if found is not None and isinstance(found.value, int) and found.value in NOT_OPERATIONAL:
            raise DeviceSilent(f"the device says that it is {NOT_OPERATIONAL[found.value]}")

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """Read single points now, outside their poll class: the read-back of a command.

        Args:
            points: positions in the device's point list.
            timeout_s: longest wait for each answer [s].

        Returns: for each, in order: cell, StatusCode and (String only) text; BadNotReadable for what cannot be read.

        Raises:
            LinkDown, DeviceSilent, Busy: as `read`.
        """
        chosen = readable(self._points, points)
        if not chosen:
            return in_order(points, {})
        body = make_body(self._device, self._points, chosen)
        rows = np.array(chosen, np.int64)
        asked = Asked(Request(-1, Exchange(rows, "", body.label, body), rows), self._stand(), self._traits, self._clock)
        try:
            await asked.read(timeout_s)
        except DriverError as error:
            raise self._named(body.label, timeout_s, error) from error
        return in_order(points, unpacked(asked.batch(), chosen))

    def _named(self, label: str, timeout_s: float, error: DriverError) -> DriverError:
        """The same error, saying which device and what was asked."""
        where = f"{self._name}: {label}"
        if isinstance(error, DeviceSilent):
            return DeviceSilent(f"{where}: no answer within {timeout_s:g} s ({error})")
        return (Busy if isinstance(error, Busy) else LinkDown)(f"{where}: {error}")

    # --- writing

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        """Write in order; see `writing`. Never raises for what the device or the link says."""
        station = self._station
        if station is None:
            return [refused_write(f"{self._name}: not opened yet; nothing was sent")] * len(items)
        return [await self._writer.write(station, item, permit, timeout_s) for item in items]

    # --- for people

    def notes(self, request: Request) -> list[str]:
        """What the device refuses of this request, one sentence for each point; empty if nothing."""
        state: dict[int, int] | None = request.state
        body: Body = request.exchange.body
        return [
            f"{self._name}: {self._points[body.members[place].position].name} at {body.members[place].address}: "
            f"expected a value, {_said(code)}; correct the address"
            for place, code in sorted((state or {}).items())
        ]


def _knows_object(frame: Frame) -> bool:
    """True if the answer to a ReadProperty shows that the object is there: its value, or an error of the property."""
    return frame.kind is Pdu.COMPLEX_ACK or (frame.kind is Pdu.ERROR and error_of(frame) >> 16 == PROPERTY_CLASS)


def _said(code: int) -> str:
    if code == UNKNOWN_LENGTH:
        return "the answer is longer than the device can send"
    return f"got {error_text(code >> 16, code & 0xFFFF)}: {meaning(code)[1]}"


def _object_of(data: bytes, at: int) -> int:
    """The object identifier that a ReadProperty of one was answered with, whoever answers; 0: none."""
    try:
        at = tags.skip(data, tags.skip(data, at)) + 1
        found, _ = tags.value(data, at)
    except tags.Garbled:
        return 0
    return found.value if found.tag == tags.OBJECT and isinstance(found.value, int) else 0
