# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_writing.py, tests/kit/test_opcua.py, tests/system/test_opcua_server_node.py
"""One value to a server, once, and what became of it.

Law of this file: every check that can refuse a write is made before a byte leaves, the permit last; nothing is ever
sent twice. Three outcomes: *accepted* (the server said Good), *refused* (it said no, or nothing left), *unknown* (it
left and nobody knows; also where the server says that it does not know, as with BadTimeout of the device behind it).

The value alone is written, without status and time. It is written as the built-in type the server last answered with;
before that as the point's `type`, else as its kind's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from config.words import Clock, Outcome, Permit
from drivers.base import DeviceSilent, LinkDown, Point, WriteItem, WriteOutcome
from drivers.opcua import codec
from drivers.opcua.address import OpcuaDevice, OpcuaPoint
from drivers.opcua.cells import CannotEncode, variant
from drivers.opcua.codec import ServiceFault
from drivers.opcua.layout import Bytes, Garbled
from drivers.opcua.link import OpcuaLink
from drivers.opcua.plan import wire_type
from drivers.opcua.wire import NotSent

ACCEPTED: Final = WriteOutcome(Outcome.ACCEPTED)
BAD: Final = 0x80000000
# BadUnexpectedError, BadInternalError, BadCommunicationError, BadTimeout, BadRequestTimeout, BadNoCommunication,
# BadDeviceFailure, BadUnknownResponse, BadShutdown, BadServerHalted: it may have been done.
NOBODY_KNOWS: Final = frozenset(
    (0x80010000, 0x80020000, 0x80050000, 0x80090000, 0x800A0000, 0x800C0000, 0x800E0000, 0x80310000, 0x80850000,
     0x808B0000)
)  # fmt: skip


class Writer:
    """Writes for one device.

    Args:
        types: built-in type each point last came as, 0: not known; filled by the driver.
    """

    def __init__(
        self, name: str, device: OpcuaDevice, points: Sequence[Point], link: OpcuaLink, clock: Clock, types: Bytes
    ) -> None:
        self._name, self._device, self._points, self._link = name, device, points, link
        self._clock, self._types = clock, types

    async def write(self, item: WriteItem, permit: Permit, timeout_s: float) -> WriteOutcome:
        """Write one value once; never raises for what device or link say."""
        point = self._points[item.point]
        address: OpcuaPoint = point.address
        where = f"{self._name}: {point.name} at {address.node}"
        if not point.access.writable:
            return _refused(f"{where}: expected a tag that may be written, it is read only; nothing was sent")
        try:
            question = self._question(point, item)
        except (CannotEncode, codec.NoSuchNamespace, ValueError, LinkDown) as error:
            return _refused(f"{where}: {error}; nothing was sent")
        try:
            data = await self._link.wire.command(
                codec.WRITE, question, timeout_s, lambda: permit.valid(self._clock.boot_s())
            )
            [code] = codec.statuses(data, codec.answer(data, codec.WRITE_ANSWER), 1)
        except NotSent as error:
            return _refused(f"{where}: {error}; nothing was sent")
        except DeviceSilent as error:
            return _unknown(f"{where}: no answer within {timeout_s:g} s ({error}); it may or may not have been done")
        except LinkDown as error:
            return _unknown(f"{where}: sent, then the link broke ({error}); it may or may not have been done")
        except Garbled as error:
            return _unknown(f"{where}: the answer cannot be read ({error}); it may or may not have been done")
        except ServiceFault as fault:
            code = fault.code
        return _judge(where, code)

    def _question(self, point: Point, item: WriteItem) -> bytes:
        """The parameters of the Write.

        Raises:
            CannotEncode, NoSuchNamespace, ValueError, LinkDown.
        """
        address: OpcuaPoint = point.address
        index = -1 if address.index is None else address.index
        node = codec.node_id(address.node, self._device.root, self._link.server.namespaces)
        type_ = int(self._types[item.point]) or wire_type(point)
        return codec.write_parameters(node, index, variant(point.kind, type_, item.cell, item.text, index >= 0))


def _judge(where: str, code: int) -> WriteOutcome:
    if code < BAD:
        return ACCEPTED
    said = f"{where}: the server says {codec.status_name(code)}"
    return (
        _unknown(f"{said}; it may or may not have been done")
        if code & codec.CODE_BITS in NOBODY_KNOWS
        else _refused(said)
    )


def _refused(reason: str) -> WriteOutcome:
    return WriteOutcome(Outcome.REFUSED, reason)


def _unknown(reason: str) -> WriteOutcome:
    return WriteOutcome(Outcome.UNKNOWN, reason)
