# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_driver.py, tests/kit/test_bacnet.py
"""One UDP socket, and the stations that are reached through it.

Law of this file: whose answer is whose. What an answer means is `asked`'s and `writing`'s; messages that nobody asked
for are handed to the station they come from.

Theory of operation. BACnet/IP has no connection: the link is up once its socket is open, and only answers show that
somebody is there. A question bears an invoke id of 8 bits, so a late answer could be taken for that of a later question
with the same id. Therefore an id whose answer did not come is *owed* and not used again for OWED_S; a device that owes
all 256 is not asked until it has been silent that long. An answer counts only from the address, network and MAC that
was asked.

A datagram leaves at once or not at all: there is no queue of ours in which a command could wait. (Where the partner's
hardware address is not known, the system holds the last few datagrams while it looks for it, about 3 s.)
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from drivers.bacnet import frames
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.frames import Frame, Pdu
from drivers.bacnet.tags import Garbled
from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.gate import Gate

OWED_S: Final = 60.0
IDS: Final = 256
SHARED_WINDOW: Final = 64
ROUTER_REASONS: Final = {
    1: "it knows no way to this network", 2: "it is busy", 3: "it does not know the message",
    4: "the message is too long",
}  # fmt: skip


class NotSent(Exception):
    """No byte left, and why."""


class Station:
    """One device on a link, as it is addressed.

    Attributes:
        key: host, port, network, MAC.
        notices: takes messages of the station that answer nothing of ours.
    """

    def __init__(self, link: BacnetLink, device: BacnetDevice) -> None:
        self.key = (link.address(device), device.port, device.network, bytes.fromhex(device.mac))
        self.notices: Callable[[Frame], None] = lambda frame: None
        self.pending: dict[int, asyncio.Future[Frame]] = {}
        self._link = link
        self._npdu = frames.npdu_to(device.network, self.key[3], True)
        self._plain = frames.npdu_to(device.network, self.key[3], False)
        self._gate = Gate(device.window)
        self._next = 0
        self._owed: dict[int, float] = {}

    async def ask(self, tail: bytes, timeout_s: float, may_leave: Callable[[], bool] | None = None) -> Frame:
        """Put one question and wait for its answer, whichever it is: an acknowledgement, error, reject or abort.

        Args:
            tail: service choice and parameters.
            timeout_s: from when it leaves [s].
            may_leave: asked last, right before the socket; only for writes.

        Raises:
            LinkDown: the socket is closed, or was while waiting; DeviceSilent: no answer; Busy: too many answers owed.
            NotSent: a write that did not leave; only with `may_leave`.
        """
        ticket = self._gate.try_enter() or await self._gate.enter(first=may_leave is not None)
        try:
            turn = self._link.turns.try_enter() or await self._link.turns.enter(first=may_leave is not None)
            try:
                return await self._ask(tail, timeout_s, may_leave)
            finally:
                self._link.turns.leave(turn)
        finally:
            self._gate.leave(ticket)

    async def _ask(self, tail: bytes, timeout_s: float, may_leave: Callable[[], bool] | None) -> Frame:
        loop = asyncio.get_running_loop()
        id_ = self._invoke_id(loop.time())
        apdu = frames.confirmed(id_, tail[0], tail[1:])
        if may_leave is not None and not may_leave():
            raise NotSent("the permit to write has ended")
        self._link.send(frames.envelope(self._npdu, apdu), self.key, may_leave is not None)
        answer: asyncio.Future[Frame] = loop.create_future()
        self.pending[id_] = answer
        timer = loop.call_later(timeout_s, _silent, answer)
        try:
            return await answer
        except BaseException:
            self._owed[id_] = loop.time() + OWED_S
            raise
        finally:
            timer.cancel()
            self.pending.pop(id_, None)

    def _invoke_id(self, now_s: float) -> int:
        for _ in range(IDS):
            id_ = self._next
            self._next = (id_ + 1) % IDS
            if id_ not in self.pending and self._owed.get(id_, 0.0) <= now_s:
                self._owed.pop(id_, None)
                return id_
        raise Busy(f"all {IDS} invoke ids wait for answers that may still come late")

    def tell(self, apdu: bytes) -> None:
        """Send what needs no answer: an acknowledgement."""
        if self._link.is_up:
            self._link.send(frames.envelope(self._plain, apdu), self.key, False)

    def heard(self, frame: Frame) -> None:
        """A message from this station has come."""
        answer = None
        if frame.kind in _ANSWERS:
            answer = self.pending.get(frame.id)
        if answer is None:
            if frame.kind in (Pdu.CONFIRMED, Pdu.UNCONFIRMED):
                self.notices(frame)
        elif not answer.done():
            answer.set_result(frame)

    def lost(self, error: Exception) -> None:
        """Nothing will be answered."""
        for answer in self.pending.values():
            if not answer.done():
                answer.set_exception(error)


_ANSWERS: Final = (Pdu.SIMPLE_ACK, Pdu.COMPLEX_ACK, Pdu.ERROR, Pdu.REJECT, Pdu.ABORT)


def _silent(answer: asyncio.Future[Frame]) -> None:
    if not answer.done():
        answer.set_exception(DeviceSilent("nothing came"))


class BacnetLink:
    """A `drivers.base.Link` over BACnet/IP.

    Attributes:
        strangers: messages from nobody who was asked, or that were none.
    """

    def __init__(self, device: BacnetDevice) -> None:
        self.where = device.where
        self.strangers = 0
        self._device = device
        self._stations: dict[tuple[str, int, int, bytes], Station] = {}
        self._addresses: dict[str, str] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._attempt = 0
        self._down = "not opened yet"
        self._refusal: OSError | None = None
        self._on_lost: Callable[[str], None] | None = None
        self.turns = Gate(self.window)

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
            raise self._cannot(f"expected a free local address {local[0]}:{local[1]}, got {_text(error)}") from error
        if attempt != self._attempt:
            transport.abort()
            raise self._cannot("closed while it was opened")
        self._transport = transport

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

    def address(self, device: BacnetDevice) -> str:
        """The IP address a device's messages come from; its host's, as it was last looked up."""
        return self._addresses.get(device.host, device.host)

    async def station(self, device: BacnetDevice) -> Station:
        """The station of a device; its host's name is looked up.

        Raises:
            LinkDown: no such host.
        """
        if not _is_address(device.host):
            loop = asyncio.get_running_loop()
            try:
                found = await loop.getaddrinfo(device.host, device.port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
            except (OSError, UnicodeError) as error:
                raise LinkDown(f"{self.where}: expected a host name or address: {_text(error)}") from error
            self._addresses[device.host] = str(found[0][4][0])
        station = Station(self, device)
        known = self._stations.get(station.key)
        if known is None:
            known = self._stations[station.key] = station
        return known

    def send(self, data: bytes, key: tuple[str, int, int, bytes], is_write: bool) -> None:
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
            raise sort(f"{self.where}: {_text(self._refusal)}")

    # --- what comes

    def heard(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """A datagram has come; what is no message of a partner is counted and forgotten."""
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
        if station is None:
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
        self._transport, self._down = None, _text(error) if error else "the socket was closed"
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


def _text(error: Exception) -> str:
    code = getattr(error, "errno", None)
    return os.strerror(code) if isinstance(code, int) and code > 0 else str(error) or type(error).__name__
