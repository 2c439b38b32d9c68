# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_driver.py, tests/kit/test_bacnet.py
"""One UDP socket, and the stations that are reached through it.

Law of this file: the socket, and from whom a message is. Which answer belongs to which question is `station`'s.

Theory of operation. BACnet/IP has no connection: the link is up once its socket is open, and only answers show that
somebody is there. An answer counts only from the address, network and MAC that was asked. What comes through a BBMD
(`foreign`) was a broadcast: it may tell, never answer, and only the BBMD we are registered with is believed about who
said it.

A datagram leaves at once or not at all: there is no queue of ours in which a command could wait. (Where the partner's
hardware address is not known, the system holds the last few datagrams while it looks for it, about 3 s.)
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Any, Final

from drivers.bacnet import frames
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.foreign import Foreign
from drivers.bacnet.frames import Frame, Pdu
from drivers.bacnet.station import Key, NotSent, Station
from drivers.bacnet.tags import Garbled
from drivers.base import DeviceSilent, LinkDown
from drivers.gate import Gate
from drivers.opening import reason_of

SHARED_WINDOW: Final = 64
ROUTER_REASONS: Final = {
    1: "it knows no way to this network", 2: "it is busy", 3: "it does not know the message",
    4: "the message is too long",
}  # fmt: skip


class BacnetLink:
    """A `drivers.base.Link` over BACnet/IP.

    Attributes:
        strangers: messages from nobody who was asked, or that were none.
        foreign: our registration with a BBMD; None: there is none to register with.
    """

    def __init__(self, device: BacnetDevice) -> None:
        self.where = device.where
        self.strangers = 0
        self._device = device
        self._stations: dict[Key, Station] = {}
        self._keys: dict[tuple[str, int, int, str], Key] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._attempt = 0
        self._down = "not opened yet"
        self._refusal: OSError | None = None
        self._on_lost: Callable[[str], None] | None = None
        self.turns = Gate(self.window)
        self.foreign = Foreign(device.broadcaster, device.bbmd_ttl, self._put) if device.broadcaster else None

    # --- life

    async def open(self) -> None:
        """Open the socket.

        Raises:
            LinkDown: the local address cannot be had, or it was closed meanwhile.
        """
        if self.is_up:
            return
        self._attempt += 1
        attempt = self._attempt
        loop = asyncio.get_running_loop()
        local = (_local_host(self._device), self._device.local_port)
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Door(self), local_addr=local, family=socket.AF_INET
            )
        except (OSError, UnicodeError) as error:
            raise self._cannot(
                f"expected a free local address {local[0]}:{local[1]}, got {reason_of(error)}"
            ) from error
        if attempt != self._attempt:
            transport.abort()
            raise self._cannot("closed while it was opened")
        self._transport = transport
        if self.foreign is not None:
            self.foreign.start()

    def _cannot(self, reason: str) -> LinkDown:
        self._down = reason
        return LinkDown(f"{self.where}: {reason}")

    async def close(self) -> None:
        """Close the socket; pending questions fail with LinkDown. Idempotent, also during `open`."""
        self._end("closed by us")

    def abort(self) -> None:
        """As `close`, at once."""
        self._end("aborted by us")

    def _end(self, reason: str) -> None:
        self._attempt += 1
        transport, self._transport = self._transport, None
        if transport is not None:
            self._down = reason
            transport.abort()
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        if self.foreign is not None:
            self.foreign.stop()
        for station in self._stations.values():
            station.lost(LinkDown(f"{self.where}: {reason}"))

    @property
    def is_up(self) -> bool:
        """True while questions may be put."""
        return self._transport is not None

    @property
    def window(self) -> int:
        """Questions that may be under way at once."""
        return SHARED_WINDOW if self._device.local_port else self._device.window

    @property
    def local(self) -> tuple[str, int]:
        """Where answers are awaited.

        Raises:
            LinkDown: the socket is closed.
        """
        if self._transport is None:
            raise LinkDown(f"{self.where}: {self._down}")
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    def on_lost(self, callback: Callable[[str], None]) -> None:
        """Call with the reason each time an open connection breaks (not when we close it). The last one set counts."""
        self._on_lost = callback

    # --- stations

    async def station(self, device: BacnetDevice) -> Station:
        """The station of a device; its host's name is looked up.

        Raises:
            LinkDown: no such host.
        """
        host = device.host
        if not _is_address(host):
            loop = asyncio.get_running_loop()
            try:
                found = await loop.getaddrinfo(device.host, device.port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
            except (OSError, UnicodeError) as error:
                raise LinkDown(f"{self.where}: expected a host name or address: {reason_of(error)}") from error
            host = str(found[0][4][0])
        station = Station(self, device, host)
        self._moved((device.host, device.port, device.network, device.mac), station.key)
        return self._stations.setdefault(station.key, station)

    def _moved(self, written: tuple[str, int, int, str], key: Key) -> None:
        """A name may lead to another address today: whoever has the old one now is a stranger."""
        before = self._keys.get(written)
        self._keys[written] = key
        if before is not None and before not in self._keys.values():
            self._stations.pop(before).lost(LinkDown(f"{self.where}: {written[0]} has moved to {key[0]}"))

    def _put(self, data: bytes, to: tuple[str, int]) -> None:
        """Hand over what nobody waits for."""
        if self._transport is not None:
            self._transport.sendto(data, to)

    def send(self, data: bytes, key: Key, is_write: bool) -> None:
        """Hand a datagram to the system.

        Raises:
            LinkDown: it cannot be sent; NotSent: nor can this write.
        """
        transport: Any = self._transport  # typeshed's DatagramTransport lacks get_write_buffer_size
        sort = NotSent if is_write else LinkDown
        if transport is None:
            raise sort(f"{self.where}: {self._down}")
        if is_write and (waiting := transport.get_write_buffer_size()):
            raise NotSent(f"{self.where}: {waiting} bytes wait to leave")
        self._refusal = None
        transport.sendto(data, key[:2])
        if self._refusal is not None:
            raise sort(f"{self.where}: {reason_of(self._refusal)}")

    # --- what comes

    def heard(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """A datagram has come; what is no message of a partner is counted and forgotten."""
        is_bbmd = self.foreign is not None and sender[:2] == self.foreign.bbmd
        if is_bbmd and self.foreign is not None and (code := frames.result(data)) is not None:
            self.foreign.heard(code)
            return
        try:
            frame = frames.parse(data)
        except Garbled:
            self.strangers += 1
            return
        if frame.kind is None:
            self._network_message(frame, sender)
            return
        host, port = frame.origin or sender[:2]
        station = self._stations.get((host, port, frame.network, frame.mac))
        broadcast = frame.kind is Pdu.UNCONFIRMED and is_bbmd
        if station is None or (frame.origin is not None and not broadcast):
            self.strangers += 1
        else:
            station.heard(frame)

    def _network_message(self, frame: Frame, sender: tuple[Any, ...]) -> None:
        """A router says that it cannot pass on: those behind it need not be waited for. Source: clause 6.4.4."""
        body = frame.data[frame.body :]
        if frame.code != frames.REJECT_TO_NETWORK or len(body) < 3:
            return
        reason, network = body[0], body[1] << 8 | body[2]
        for (host, port, behind, _), station in self._stations.items():
            if (host, port) == sender[:2] and behind == network:
                text = ROUTER_REASONS.get(reason, f"reason {reason}")
                station.lost(DeviceSilent(f"the router cannot reach network {network}: {text}"))

    def refused(self, error: OSError) -> None:
        """The system could not send, or says so later."""
        self._refusal = error

    def broken(self, error: Exception | None) -> None:
        """The socket is gone without our doing."""
        if self._transport is None:
            return
        self._transport, self._down = None, reason_of(error) if error else "the socket was closed"
        self._lose(self._down)
        if self._on_lost is not None:
            self._on_lost(f"{self.where}: {self._down}")


class _Door(asyncio.DatagramProtocol):
    """The transport's side of one opening of a link."""

    def __init__(self, link: BacnetLink) -> None:
        self._link = link

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._link.heard(data, addr)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._link.refused(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._link.broken(exc)


def _local_host(device: BacnetDevice) -> str:
    """Where to listen: a partner on loopback is asked from loopback, so that nobody else can answer for it."""
    if device.local_host == "0.0.0.0" and _is_address(device.host) and ipaddress.IPv4Address(device.host).is_loopback:
        return "127.0.0.1"
    return device.local_host


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
