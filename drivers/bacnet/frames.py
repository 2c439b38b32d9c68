# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_codec.py, tests/property/test_bacnet_codec.py
"""The envelope of a message: BVLC, NPDU and the head of the APDU. Source: ASHRAE 135, annex J, clauses 6.2 and 20.1.

Law of this file: pure; the only error is `Garbled`. What stands inside an answer is `layout`'s and `tags`'.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.bacnet.tags import Garbled

FRAME_MAX: Final = 1497
"""Longest message of BACnet/IP [bytes]. Source: clause 6.1, table 6-1 (NPDU of 1497)."""
BVLC: Final = 0x81
RESULT, FORWARDED, REGISTER, TO_BBMD, UNICAST, BROADCAST = 0x00, 0x04, 0x05, 0x09, 0x0A, 0x0B
GRANTED, REGISTER_REFUSED, BROADCAST_REFUSED = 0x0000, 0x0030, 0x0060
"""Results of a BBMD. Source: annex J.2.1.2."""
SEGMENTATION_NOT_SUPPORTED: Final = 4
"""Reason of an abort. Source: clause 18.10."""
REJECT_TO_NETWORK: Final = 0x03
APDU_CODES: Final = {50: 0, 128: 1, 206: 2, 480: 3, 1024: 4, 1476: 5}
"""Max-APDU-length-accepted as it is told. Source: clause 20.1.2.5."""


class Pdu(IntEnum):
    """Type of an APDU. Source: clause 20.1.1 .. 20.1.9."""

    CONFIRMED = 0
    UNCONFIRMED = 1
    SIMPLE_ACK = 2
    COMPLEX_ACK = 3
    SEGMENT_ACK = 4
    ERROR = 5
    REJECT = 6
    ABORT = 7


class Service(IntEnum):
    """Confirmed services used here. Source: clause 21, BACnetConfirmedServiceChoice."""

    CONFIRMED_COV = 1
    SUBSCRIBE_COV = 5
    READ_PROPERTY = 12
    READ_MULTIPLE = 14
    WRITE_PROPERTY = 15
    SUBSCRIBE_COV_PROPERTY = 28


I_AM, UNCONFIRMED_COV, WHO_IS = 0, 2, 8  # unconfirmed services; clause 21, BACnetUnconfirmedServiceChoice


@dataclass(frozen=True, slots=True)
class Frame:
    """A message that came.

    Attributes:
        data: all of it.
        at: where its APDU begins, or the network message's type.
        network, mac: where it comes from behind a router; 0 and empty: from the sender itself.
        kind: of the APDU; None: a message of the network layer.
        id: invoke id; 0 where there is none.
        code: service, or reject or abort reason.
        body: where the service's parameters begin.
        origin: of a forwarded message, who sent it first: (host, port).
    """

    data: bytes
    at: int
    network: int
    mac: bytes
    kind: Pdu | None
    id: int = 0
    code: int = 0
    body: int = 0
    origin: tuple[str, int] | None = None

    @property
    def is_segment(self) -> bool:
        """True for a part of a request or answer; we take whole ones only. Source: clauses 20.1.2.1, 20.1.5.1."""
        return self.kind in (Pdu.CONFIRMED, Pdu.COMPLEX_ACK) and bool(self.data[self.at] & 0x08)

    @property
    def is_of_a_client(self) -> bool:
        """True for an abort of the device's own question, whose id is none of ours. Source: clause 20.1.9."""
        return self.kind is Pdu.ABORT and not self.data[self.at] & 1


def parse(data: bytes) -> Frame:
    """A datagram as a message.

    Raises:
        Garbled: it is none, or one that was cut.
    """
    n = len(data)
    if n < 6 or n > FRAME_MAX + 10 or data[0] != BVLC or data[2] << 8 | data[3] != n:
        raise Garbled(f"expected a BACnet/IP message of {n} bytes, got {data[:4].hex(' ')}")
    function, at, origin = data[1], 4, None
    if function == FORWARDED and n >= 12:
        origin = (".".join(map(str, data[4:8])), data[8] << 8 | data[9])
        at = 10
    elif function not in (UNICAST, BROADCAST):
        raise Garbled(f"BVLC function {function:#04x}, expected 0x04, 0x0a or 0x0b")
    try:
        network, mac, is_network, at = _npdu(data, at)
        if is_network:
            return Frame(data, at, network, mac, None, code=data[at], body=at + 1)
        return _apdu(data, at, network, mac, origin)
    except (IndexError, ValueError):
        raise Garbled(f"a message cut at byte {n}") from None


def _npdu(data: bytes, at: int) -> tuple[int, bytes, bool, int]:
    """Source network, source MAC, is it of the network layer, what follows. Source: clause 6.2.2."""
    version, control = data[at], data[at + 1]
    if version != 1:
        raise Garbled(f"NPDU version {version}, expected 1")
    at += 2
    network, mac = 0, b""
    if control & 0x20:
        at += 3 + data[at + 2]
    if control & 0x08:
        network, n = data[at] << 8 | data[at + 1], data[at + 2]
        mac = data[at + 3 : at + 3 + n]
        at += 3 + n
    return network, mac, bool(control & 0x80), at + bool(control & 0x20)


def _apdu(data: bytes, at: int, network: int, mac: bytes, origin: tuple[str, int] | None) -> Frame:
    kind = Pdu(data[at] >> 4)
    match kind:
        case Pdu.CONFIRMED:
            return Frame(data, at, network, mac, kind, data[at + 2], data[at + 3], at + 4, origin)
        case Pdu.UNCONFIRMED:
            return Frame(data, at, network, mac, kind, 0, data[at + 1], at + 2, origin)
        case Pdu.COMPLEX_ACK:
            return Frame(data, at, network, mac, kind, data[at + 1], data[at + 2], at + 3, origin)
        case _:
            return Frame(data, at, network, mac, kind, data[at + 1], data[at + 2], at + 3, origin)


def result(data: bytes) -> int | None:
    """The code of a BVLC-Result; None: it is none. Source: annex J.2.1."""
    if len(data) == 6 and data[:4] == bytes((BVLC, RESULT, 0, 6)):
        return data[4] << 8 | data[5]
    return None


def register(ttl_s: int) -> bytes:
    """Register-Foreign-Device. Source: annex J.2.6.

    Args:
        ttl_s: time to live, 1..65535 [s].
    """
    return bytes((BVLC, REGISTER, 0, 6)) + ttl_s.to_bytes(2, "big")


def envelope(npdu: bytes, apdu: bytes, function: int = UNICAST) -> bytes:
    """A whole datagram."""
    return bytes((BVLC, function)) + (4 + len(npdu) + len(apdu)).to_bytes(2, "big") + npdu + apdu


def npdu_to(network: int, mac: bytes, expects_reply: bool) -> bytes:
    """Network layer head towards a station; network 0: the partner itself. Source: clause 6.2.2."""
    reply = 0x04 if expects_reply else 0x00
    if not network:
        return bytes((1, reply))
    return bytes((1, 0x20 | reply)) + network.to_bytes(2, "big") + bytes((len(mac),)) + mac + b"\xff"


def npdu_from(network: int, mac: bytes) -> bytes:
    """Network layer head as a router adds it to what comes from behind it."""
    if not network:
        return b"\x01\x00"
    return b"\x01\x08" + network.to_bytes(2, "big") + bytes((len(mac),)) + mac


def confirmed(id: int, service: int, parameters: bytes, apdu: int = 1476) -> bytes:
    """A request. We take whole answers only, of at most `apdu` bytes. Source: clause 20.1.2."""
    return bytes((0x00, APDU_CODES[apdu], id, service)) + parameters


def unconfirmed(service: int, parameters: bytes) -> bytes:
    """An unconfirmed request. Source: clause 20.1.3."""
    return bytes((0x10, service)) + parameters


def simple_ack(id: int, service: int) -> bytes:
    """Done. Source: clause 20.1.4."""
    return bytes((0x20, id, service))


def complex_ack(id: int, service: int, parameters: bytes) -> bytes:
    """Done, with an answer. Source: clause 20.1.5."""
    return bytes((0x30, id, service)) + parameters


def error(id: int, service: int, class_: int, code: int) -> bytes:
    """Refused. Source: clause 20.1.7."""
    return bytes((0x50, id, service)) + _enumerated(class_) + _enumerated(code)


def reject(id: int, reason: int) -> bytes:
    """Not understood. Source: clause 20.1.8."""
    return bytes((0x60, id, reason))


def abort(id: int, reason: int, by_server: bool = True) -> bytes:
    """Given up by who was asked, or by who asked. Source: clause 20.1.9."""
    return bytes((0x70 | by_server, id, reason))


def _enumerated(number: int) -> bytes:
    content = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return bytes((0x90 | len(content),)) + content
