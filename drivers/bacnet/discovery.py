# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_discovery.py, tests/system/test_bacpypes3.py
"""Which BACnet devices answer a Who-Is, and which objects each of them has.

Law of this file: asks and reads, changes nothing; what becomes of it is the draft's (`drivers.bacnet.draft`). Bounded
in devices, objects and time. Source: ASHRAE 135, clauses 16.10 (Who-Is, I-Am), 12.11 (object-list).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.bacnet import frames, tags
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.asked import value_of
from drivers.bacnet.frames import Pdu
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.names import DEVICE, MULTI_STATE, OBJECT_LIST, OBJECT_NAME, OBJECT_TYPES, PROPERTIES
from drivers.bacnet.plan import property_question
from drivers.bacnet.station import Station
from drivers.bacnet.tags import Garbled
from drivers.base import DriverError

DEVICES_MAX: Final = 1000
OBJECTS_MAX: Final = 5000
ADDRESSES_MAX: Final = 1024
STATES_MAX: Final = 64
ALL_NETWORKS: Final = 0xFFFF
ANY: Final = "0.0.0.0"
ANSWER_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """Whom to ask: an address, or everybody on a network."""

    host: str
    port: int
    everybody: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A device that said I-Am."""

    host: str
    port: int
    network: int
    mac: bytes
    instance: int
    apdu: int
    vendor: int


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object as its device describes it; what was not said is empty or None."""

    oid: int
    name: str = ""
    description: str = ""
    units: int | None = None
    states: tuple[str, ...] = ()


@dataclass(slots=True)
class FoundDevice:
    """A device and what it has.

    Attributes:
        trouble: why it could not be read whole; empty if it was.
    """

    at: Found
    name: str = ""
    vendor: str = ""
    objects: list[FoundObject] = field(default_factory=list)
    trouble: str = ""


def places(text: str, port: int) -> list[Place]:
    """'10.21.5.3', '10.21.5.3:47809', '10.21.5.10-10.21.5.40' (each of them) or '10.21.5.0/24' (its broadcast address).

    Raises:
        ValueError: it is none of these, or too many.
    """
    host, _, own_port = text.partition(":")
    port = int(own_port) if own_port.isdecimal() else port
    if "/" in host:
        return [Place(str(ipaddress.IPv4Network(host, strict=False).broadcast_address), port, True)]
    first, _, last = host.partition("-")
    low, high = int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last or first))
    if not 0 <= high - low < ADDRESSES_MAX:
        raise ValueError(f"expected a range of 1..{ADDRESSES_MAX} addresses, got {text}")
    return [Place(str(ipaddress.IPv4Address(each)), port, False) for each in range(low, high + 1)]


class _Ear(asyncio.DatagramProtocol):
    """Hears I-Am.

    Attributes:
        left_out: answers of devices beyond DEVICES_MAX.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[str, int, int, bytes], Found] = {}
        self.left_out = 0

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            frame = frames.parse(data)
            if frame.kind is not Pdu.UNCONFIRMED or frame.code != frames.I_AM:
                return
            who, at = tags.value(data, frame.body)
            apdu, at = tags.value(data, at)
            _, at = tags.value(data, at)
            vendor, _ = tags.value(data, at)
        except Garbled:
            return
        if who.tag != tags.OBJECT or not isinstance(who.value, int) or who.value >> 22 != DEVICE:
            return
        host, port = frame.origin or addr[:2]
        key = (str(host), int(port), frame.network, frame.mac)
        if key not in self.found and len(self.found) >= DEVICES_MAX:
            self.left_out += 1
            return
        sizes = [v.value if isinstance(v.value, int) else 0 for v in (apdu, vendor)]
        self.found[key] = Found(*key, who.value & 0x3FFFFF, *sizes)


async def who_is(asked: Sequence[Place], local_host: str, local_port: int, wait_s: float) -> tuple[list[Found], int]:
    """Everybody who says I-Am within `wait_s`, by instance, and how many answers were left out beyond DEVICES_MAX.

    A device may answer the one who asked, or everybody on its network. A socket of one address does not hear what is
    said to all: beside it one listens at each broadcast address that is asked.

    Raises:
        OSError: the local address cannot be had.
    """
    loop, ear = asyncio.get_running_loop(), _Ear()
    question = frames.unconfirmed(frames.WHO_IS, b"")
    networks = sorted({(p.host, p.port) for p in asked if p.everybody}) if local_host != ANY else []
    transports: list[asyncio.DatagramTransport] = []
    try:
        for where, shared in (((local_host, local_port), False), *((network, True) for network in networks)):
            sock = _listening(where, shared)
            transports.append((await loop.create_datagram_endpoint(lambda: ear, sock=sock))[0])
        for place in asked:
            npdu = frames.npdu_to(ALL_NETWORKS if place.everybody else 0, b"", False)
            function = frames.BROADCAST if place.everybody else frames.UNICAST
            transports[0].sendto(frames.envelope(npdu, question, function), (place.host, place.port))
        await asyncio.sleep(wait_s)
    finally:
        for transport in transports:
            transport.abort()
    return sorted(ear.found.values(), key=lambda f: (f.instance, f.host, f.port)), ear.left_out


def _listening(where: tuple[str, int], shared: bool) -> socket.socket:
    """A socket at an address; one of a whole network is shared with others.

    Raises:
        OSError: it cannot be had.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):  # stacks ask for the one or the other
            sock.setsockopt(socket.SOL_SOCKET, option, shared)
        sock.bind(where)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{where[0]}:{where[1]}: {error.strerror}") from error
    return sock


async def look_into(found: Found, local_host: str) -> FoundDevice:
    """The objects of a device, each with what it says of itself."""
    made = FoundDevice(found)
    where = {"network": found.network, "mac": found.mac.hex(), "local_host": local_host}
    device = BacnetDevice(host=found.host, port=found.port, instance=found.instance, **where)  # type: ignore[arg-type]
    link = BacnetLink(device)
    try:
        await link.open()
        station = await link.station(device)
        own = DEVICE << 22 | found.instance
        made.name = await _text(station, own, OBJECT_NAME)
        made.vendor = await _text(station, own, PROPERTIES["vendor-name"])
        count = await _number(station, own, OBJECT_LIST, 0) or 0
        if count > OBJECTS_MAX:
            made.trouble = f"{count} objects, the first {OBJECTS_MAX} were read"
        for i in range(1, min(count, OBJECTS_MAX) + 1):
            oid = await _number(station, own, OBJECT_LIST, i)
            if oid is not None and oid != own:
                made.objects.append(await _object(station, oid))
    except DriverError as error:
        made.trouble = f"not read whole: {error}"
    finally:
        await link.close()
    return made


async def _object(station: Station, oid: int) -> FoundObject:
    type_ = oid >> 22
    units = await _number(station, oid, PROPERTIES["units"]) if type_ in _MEASURED else None
    states: list[str] = []
    if type_ in MULTI_STATE:
        count = await _number(station, oid, PROPERTIES["number-of-states"]) or 0
        for i in range(1, min(count, STATES_MAX) + 1):
            states.append(await _text(station, oid, PROPERTIES["state-text"], i))
    name = await _text(station, oid, OBJECT_NAME)
    return FoundObject(oid, name, await _text(station, oid, PROPERTIES["description"]), units, tuple(states))


_MEASURED: Final = frozenset(
    OBJECT_TYPES[name]
    for name in ("analog-input", "analog-output", "analog-value", "large-analog-value", "accumulator")
)


async def _read(station: Station, oid: int, pid: int, index: int | None) -> Any:
    question = property_question(oid, pid, index)
    found = value_of(await station.ask(question.tail, ANSWER_S), question)
    return None if found is None else found.value


async def _number(station: Station, oid: int, pid: int, index: int | None = None) -> int | None:
    value = await _read(station, oid, pid, index)
    return value if isinstance(value, int) else None


async def _text(station: Station, oid: int, pid: int, index: int | None = None) -> str:
    value = await _read(station, oid, pid, index)
    return value if isinstance(value, str) else ""
