# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_simulator.py, tests/kit/test_bacnet.py
"""Simulated BACnet devices on real UDP sockets, with knobs for all that goes wrong in the field.

Law of this file: what a device does on its socket; services are `serving`'s, values are `objects`'s. Time is
`loop.time()`. Several devices may live behind one address, as behind a router: they differ by network and MAC.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from drivers.bacnet import frames, serving
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.frames import Frame, Pdu, Service
from drivers.bacnet.knobs import parse
from drivers.bacnet.objects import UNKNOWN_OBJECT, Object, Objects, Refused
from drivers.bacnet.serving import Limits, Subscriber
from drivers.bacnet.tags import Garbled
from drivers.knobs import Knob

APDU: Final = 1476
OUT_OF_RESOURCES: Final = 9
SUBSCRIPTIONS_MAX: Final = 1000
WRITE: Final = Service.WRITE_PROPERTY
Where = tuple[int, bytes]
"""Network and MAC behind a router; (0, b''): the address itself."""
HERE: Final[Where] = (0, b"")
_Key = tuple[tuple[Any, ...], Where, int, int]


class SimulatedDevice:
    """One address, with one device or several behind a router.

    Attributes:
        devices: network and MAC -> its objects.
        requests: questions that have arrived.
        pending, pending_max: answers that are held now, and the most questions that were ever open.
        notifications: changes told.
    """

    def __init__(self, name: str, devices: dict[Where, Objects], host: str = "127.0.0.1", port: int = 0) -> None:
        self.name, self.host, self.port = name, host, port
        self.devices: dict[Where, Objects] = {}
        self.requests = self.pending = self.pending_max = self.notifications = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._noise = random.Random(name)
        self._restarting: asyncio.Task[None] | None = None
        self._subscribers: dict[_Key, Subscriber] = {}
        self._held: set[asyncio.TimerHandle] = set()
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

    async def start(self) -> None:
        """Listen; port 0 becomes the system's choice and is kept for later starts. Idempotent."""
        if self._transport is None:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Door(self), local_addr=(self.host, self.port))
            self._transport = transport
            self.port = transport.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        """Close the socket; held answers and subscriptions are gone. Idempotent."""
        restarting = self._restarting
        if restarting is not None and restarting is not asyncio.current_task():
            self._restarting = None
            await asyncio.wait([restarting])
        transport, self._transport = self._transport, None
        for timer in self._held:
            timer.cancel()
        self._held.clear()
        self._subscribers.clear()
        self.pending = 0
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)

    async def restart(self) -> None:
        """Stop and start on the same port; values are kept, subscriptions are not, and it says that it is there."""
        told = {sender for sender, _, _, _ in self._subscribers}
        await self.stop()
        await self.start()
        for sender in told:
            for where, objects in self.devices.items():
                self._send(where, serving.i_am(objects, self.limits.apdu), sender)

    def restart_soon(self) -> None:
        """As `restart`, from a knob; `stop` waits for it."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.get_running_loop().create_task(self.restart())

    # --- knobs

    def turn(self, knob: Knob | str) -> None:
        """Turn a knob; text as in `knobs`.

        Raises:
            ValueError: no such knob.
        """
        if isinstance(knob, str):
            knob = parse(knob)
        _TURNS[knob.name](self, knob)

    def heal(self) -> None:
        """Turn every knob back."""
        self._hang_until_s = self._refuse_until_s = self._silent_until_s = 0.0
        self._late_s = self._slow_s = 0.0
        self._drop_on_write = False
        self._spoil = {"garble": 0, "truncate": 0, "duplicate": 0, "busy": 0}
        self.limits = Limits(APDU, SUBSCRIPTIONS_MAX, {})
        self.rpm(True)
        self.hold(0)

    def hang(self, seconds: float | None) -> None:
        """Hear questions and never answer them, for a time or until healed (None)."""
        self._hang_until_s = _until(seconds)

    def late(self, seconds: float) -> None:
        """Hold each answer; later questions are not blocked by it."""
        self._late_s = seconds

    def slow(self, seconds: float) -> None:
        """Answer in order, each answer that long after its question."""
        self._slow_s = seconds

    def refuse(self, seconds: float | None) -> None:
        """Hear nothing, for a time or until healed (None)."""
        self._refuse_until_s = _until(seconds)

    def welcome(self) -> None:
        """The end of `refuse`."""
        self._refuse_until_s = 0.0

    def silent(self, seconds: float | None) -> None:
        """Tell no changes, for a time or until healed (None)."""
        self._silent_until_s = _until(seconds)

    def forget(self) -> None:
        """Drop all subscriptions without a word."""
        self._subscribers.clear()

    def drop_on_write(self) -> None:
        """Carry out the next write and never answer it."""
        self._drop_on_write = True

    def spoil(self, how: str, count: int = 1) -> None:
        """Spoil the next answers: garble, truncate, duplicate or busy."""
        self._spoil[how] = count

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

    # --- serving

    def received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """A datagram has come."""
        now_s = asyncio.get_running_loop().time()
        if self._refuse_until_s > now_s:
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
        elif frame.kind is Pdu.CONFIRMED and where in self.devices:
            self._serve(where, frame, sender, now_s)

    def _serve(self, where: Where, frame: Frame, sender: tuple[Any, ...], now_s: float) -> None:
        """Answer one question as the knobs will have it."""
        self.requests += 1
        if self._take("busy"):
            said = frames.abort(frame.id, OUT_OF_RESOURCES)
        else:
            said = serving.answer(
                self.devices[where], frame, self.limits, lambda *asked: self._subscribe(sender, where, now_s, *asked)
            )
        if frame.code == WRITE and self._drop_on_write:
            self._drop_on_write = False
            return
        if self._hang_until_s > now_s:
            return
        at_s = now_s + max(self._late_s, self._slow_s)
        self._answer(self._spoiled(self._framed(where, said)), sender, at_s, now_s)

    def _answer(self, data: list[bytes], sender: tuple[Any, ...], at_s: float, now_s: float) -> None:
        self.pending += 1
        self.pending_max = max(self.pending_max, self.pending)
        if at_s <= now_s:
            self._say(data, sender)
            return
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def later() -> None:
            self._held.discard(timer)
            self._say(data, sender)

        timer = loop.call_at(at_s, later)
        self._held.add(timer)

    def _say(self, data: list[bytes], sender: tuple[Any, ...]) -> None:
        self.pending -= 1
        if self._transport is not None:
            for each in data:
                self._transport.sendto(each, sender)

    def _framed(self, where: Where, apdu: bytes) -> bytes:
        return frames.envelope(frames.npdu_from(*where), apdu)

    def _send(self, where: Where, apdu: bytes, sender: tuple[Any, ...]) -> None:
        if self._transport is not None:
            self._transport.sendto(self._framed(where, apdu), sender)

    def _spoiled(self, data: bytes) -> list[bytes]:
        if self._take("garble"):
            noise = bytearray(self._noise.randbytes(len(data)))
            noise[0] = 0  # never by chance a message
            data = bytes(noise)
        if self._take("truncate"):
            data = data[: len(data) // 2 + 1]
        return [data, data] if self._take("duplicate") else [data]

    def _take(self, how: str) -> bool:
        if self._spoil[how] <= 0:
            return False
        self._spoil[how] -= 1
        return True

    # --- telling

    def _subscribe(
        self, sender: tuple[Any, ...], where: Where, now_s: float, each: Object, new: Subscriber | None, process: int
    ) -> None:
        key = (sender, where, each.oid, process)
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
        now_s = asyncio.get_running_loop().time()
        for key, subscriber in list(self._subscribers.items()):
            if subscriber.until_s <= now_s:
                del self._subscribers[key]
            elif key[1] == where and key[2] == each.oid:
                self._tell(key, each, subscriber, now_s)

    def _tell(self, key: _Key, each: Object, subscriber: Subscriber, now_s: float) -> None:
        if max(self._silent_until_s, self._hang_until_s, self._refuse_until_s) > now_s:
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
    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._device.received(data, addr)


def _destination(data: bytes) -> Where:
    """Network and MAC a message is for. Source: clause 6.2.2."""
    if not data[5] & 0x20:
        return HERE
    n = data[8]
    return data[6] << 8 | data[7], data[9 : 9 + n]


def _until(seconds: float | None) -> float:
    return float("inf") if seconds is None else asyncio.get_running_loop().time() + seconds


_TURNS: Final[dict[str, Callable[[SimulatedDevice, Knob], Any]]] = {
    "hang": lambda device, knob: device.hang(knob.seconds),
    "late": lambda device, knob: device.late(knob.seconds or 0.0),
    "slow": lambda device, knob: device.slow(knob.seconds or 0.0),
    "refuse": lambda device, knob: device.refuse(knob.seconds),
    "silent": lambda device, knob: device.silent(knob.seconds),
    "no_room": lambda device, knob: setattr(device.limits, "subscriptions_max", 0),
    "no_rpm": lambda device, knob: device.rpm(False),
    "small": lambda device, knob: setattr(device.limits, "apdu", knob.count),
    "forget": lambda device, knob: device.forget(),
    "restart": lambda device, knob: device.restart_soon(),
    "garble": lambda device, knob: device.spoil("garble", knob.count),
    "truncate": lambda device, knob: device.spoil("truncate", knob.count),
    "duplicate": lambda device, knob: device.spoil("duplicate", knob.count),
    "busy": lambda device, knob: device.spoil("busy", knob.count),
    "reject": lambda device, knob: device.reject(knob.what),
    "accept": lambda device, knob: device.accept(knob.what),
    "hold": lambda device, knob: device.hold(knob.count),
    "release": lambda device, knob: device.hold(0),
    "heal": lambda device, knob: device.heal(),
}
