# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_simulator.py, tests/kit/test_bacnet.py
"""Simulated BACnet devices on real UDP sockets, with knobs for all that goes wrong in the field.

Law of this file: what a device does on its socket; services are `serving`'s, values are `objects`'s. Time is
`loop.time()`. Several devices may live behind one address, as behind a router: they differ by network and MAC.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from drivers.bacnet import frames, serving
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.frames import Frame, Pdu, Service
from drivers.bacnet.knobs import parse
from drivers.bacnet.objects import UNKNOWN_OBJECT, Object, Objects, Refused
from drivers.bacnet.serving import Limits, Subscriber
from drivers.bacnet.tags import Garbled
from drivers.owed import Owed
from drivers.simulated import Door, Simulated

APDU: Final = 1476
OUT_OF_RESOURCES: Final = 9
SUBSCRIPTIONS_MAX: Final = 1000
WRITE: Final = Service.WRITE_PROPERTY
NOISE: Final = (0, 0)  # no message begins so
Sender = tuple[Any, ...]
Where = tuple[int, bytes]
"""Network and MAC behind a router; (0, b''): the address itself."""
HERE: Final[Where] = (0, b"")
ELSEWHERE: Final[Where] = (65_000, b"\x63")
_Key = tuple[Sender, Where, int, int]


class SimulatedDevice(Simulated):
    """One address, with one device or several behind a router.

    Attributes:
        devices: network and MAC -> its objects.
        notifications: changes told.
    """

    parse = staticmethod(parse)

    def __init__(self, name: str, devices: dict[Where, Objects], host: str = "127.0.0.1", port: int = 0) -> None:
        """Nothing is opened yet."""
        super().__init__(name, host, port, NOISE)
        self.devices: dict[Where, Objects] = {}
        self.notifications = 0
        self._socket: asyncio.DatagramTransport | None = None
        self._owed: Owed | None = None
        self._subscribers: dict[_Key, Subscriber] = {}
        self._notice = 0
        for where, objects in devices.items():
            self.add(where, objects)
        self.heal()

    def add(self, where: Where, objects: Objects) -> None:
        """One more device at this address.

        Raises:
            ValueError: there is one.
        """
        if where in self.devices:
            network, mac = where
            raise ValueError(f"{self.name}: a device at network {network}, MAC {mac.hex() or 'none'} exists already")
        self.devices[where] = objects
        objects.changed = lambda each: self._changed(where, each)

    # --- life

    async def _listen(self) -> tuple[Door, int]:
        loop, door = asyncio.get_running_loop(), _Door(self)
        self._socket, _ = await loop.create_datagram_endpoint(lambda: door, local_addr=(self.host, self.port))
        self._owed = Owed(self)
        return door, self._socket.get_extra_info("sockname")[1]

    async def restart(self) -> None:
        """Stop and start on the same port; values are kept, subscriptions are not, and it says that it is there."""
        told = {sender for sender, _, _, _ in self._subscribers}
        await super().restart()
        for sender in told:
            for where, objects in self.devices.items():
                self._send(where, serving.i_am(objects, self.limits.apdu), sender)

    def reset(self) -> None:
        """Held answers and subscriptions are gone, and nobody is told."""
        if self._owed is not None:
            self._owed.drop()
        self.forget()

    def closed(self) -> None:
        """The socket is."""
        if self._socket is not None:
            self._socket.abort()
            self._socket = None

    # --- knobs

    def heal(self) -> None:
        """Turn every knob back."""
        super().heal()
        self.limits = Limits(APDU, SUBSCRIPTIONS_MAX, {})
        self.rpm(True)
        self.hold(0)

    def forget(self) -> None:
        """Drop all subscriptions without a word."""
        self._subscribers.clear()

    def rpm(self, on: bool) -> None:
        """Whether ReadPropertyMultiple is known."""
        for objects in self.devices.values():
            objects.services = objects.services | 1 << 14 if on else objects.services & ~(1 << 14)

    def hold(self, priority: int) -> None:
        """Every commanded present-value is held by a priority; 0: given back."""
        for objects in self.devices.values():
            for each in objects:
                if each.priorities is not None and priority:
                    each.priorities[priority - 1] = each.value
                elif each.priorities is not None:
                    each.priorities = [None] * len(each.priorities[:7]) + each.priorities[7:]

    def reject(self, text: str) -> None:
        """An object is unknown: 'analog-input 3'."""
        self.limits.deny[BacnetPoint(object=text).oid] = UNKNOWN_OBJECT

    def accept(self, text: str) -> None:
        """The end of `reject`."""
        self.limits.deny.pop(BacnetPoint(object=text).oid, None)

    own: ClassVar = {
        "no_room": lambda device, knob: setattr(device.limits, "subscriptions_max", 0),
        "no_rpm": lambda device, knob: device.rpm(False),
        "small": lambda device, knob: setattr(device.limits, "apdu", knob.count),
        "forget": lambda device, knob: device.forget(),
        "reject": lambda device, knob: device.reject(knob.what),
        "accept": lambda device, knob: device.accept(knob.what),
        "hold": lambda device, knob: device.hold(knob.count),
        "release": lambda device, knob: device.hold(0),
        "deny": lambda device, knob: device.limits.priorities.add(knob.count),
    }

    # --- serving

    def received(self, data: bytes, sender: Sender) -> None:
        """A datagram has come."""
        if self.faults.lasts("refuse"):
            return
        try:
            frame = frames.parse(data)
            where = _destination(data)
        except (Garbled, IndexError):
            return
        if frame.kind is Pdu.UNCONFIRMED and frame.code == frames.WHO_IS:
            for each, objects in self.devices.items():
                if serving.is_asked(objects, frame):
                    self._send(each, serving.i_am(objects, self.limits.apdu), sender)
        elif frame.kind is Pdu.CONFIRMED and where in self.devices and self._owed is not None:
            self._owed.asked()
            if (said := self._answer(where, frame, sender)) is None or not self._reply(where, said, sender):
                self._owed.settled()

    def _answer(self, where: Where, frame: Frame, sender: Sender) -> bytes | None:
        """What the knobs let it say to a question; None: nothing."""
        if self.faults.take("busy"):
            said = frames.abort(frame.id, OUT_OF_RESOURCES)
        else:
            said = serving.answer(
                self.devices[where], frame, self.limits, lambda *asked: self._subscribe(sender, where, *asked)
            )
        if frame.code == WRITE and self.faults.take_cut():
            return None
        return None if self.faults.lasts("hang") else said

    def _reply(self, where: Where, said: bytes, sender: Sender) -> bool:
        if self.faults.take("wrong_id"):
            where = ELSEWHERE
        owed, data = self._owed, self.faults.spoilt(self._framed(where, said))
        assert owed is not None  # noqa: S101 - asked by the only caller

        def say() -> None:
            owed.settled()
            for each in data:
                self._put(each, sender)

        return owed.answer(_now_s(), say)

    def _framed(self, where: Where, apdu: bytes) -> bytes:
        return frames.envelope(frames.npdu_from(*where), apdu)

    def _send(self, where: Where, apdu: bytes, sender: Sender) -> None:
        self._put(self._framed(where, apdu), sender)

    def _put(self, data: bytes, sender: Sender) -> None:
        if self._socket is not None:
            self._socket.sendto(data, sender)

    # --- telling

    def _subscribe(self, sender: Sender, where: Where, each: Object, new: Subscriber | None, process: int) -> None:
        key, now_s = (sender, where, each.oid, process), _now_s()
        if new is None:
            self._subscribers.pop(key, None)
            return
        if key not in self._subscribers and len(self._subscribers) >= self.limits.subscriptions_max:
            raise Refused(*serving.NO_SPACE)
        new.until_s = now_s + new.lifetime_s
        if new.increment is not None:
            each.increment = new.increment
        self._subscribers[key] = new
        self._tell(key, each, new, now_s)

    def _changed(self, where: Where, each: Object) -> None:
        if not each.has_changed() or not self._subscribers:
            return
        each.told = (each.value, each.all_flags)
        now_s = _now_s()
        for key, subscriber in list(self._subscribers.items()):
            if subscriber.until_s <= now_s:
                del self._subscribers[key]
            elif key[1] == where and key[2] == each.oid:
                self._tell(key, each, subscriber, now_s)

    def _tell(self, key: _Key, each: Object, subscriber: Subscriber, now_s: float) -> None:
        if any(self.faults.lasts(name) for name in ("silent", "hang", "refuse")):
            return
        sender, where, _, _ = key
        said = serving.notification(self.devices[where], each, subscriber.process, subscriber.until_s - now_s)
        if subscriber.confirmed:
            self._notice = (self._notice + 1) % 256
            apdu = frames.confirmed(self._notice, Service.CONFIRMED_COV, said)
        else:
            apdu = frames.unconfirmed(frames.UNCONFIRMED_COV, said)
        self.notifications += 1
        self._send(where, apdu, sender)


class _Door(asyncio.DatagramProtocol):
    """Its socket, with the face of a server."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device

    def datagram_received(self, data: bytes, addr: Sender) -> None:
        self._device.received(data, addr)

    def close(self) -> None:
        self._device.closed()

    async def wait_closed(self) -> None:
        """It is at once."""


def _destination(data: bytes) -> Where:
    """Network and MAC a message is for. Source: clause 6.2.2."""
    if not data[5] & 0x20:
        return HERE
    n = data[8]
    return data[6] << 8 | data[7], data[9 : 9 + n]


def _now_s() -> float:
    return asyncio.get_running_loop().time()
