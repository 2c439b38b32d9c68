# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_writing.py, tests/kit/test_modbus.py, tests/system/test_libmodbus.py
"""One value to a device, once, and what became of it.

Law of this file: every check that can refuse a write is made before a byte leaves, the permit last; nothing is ever
sent twice. Three outcomes: *accepted* (the device said yes), *refused* (it said no, or nothing left), *unknown* (it
left and nobody knows).

    coil                      FC5   (write_multiple: FC15)
    one register              FC6   (write_multiple: FC16)
    wider values, texts       FC16  in one piece
    a bit of a register       FC22, one step in the device; with owns_register read and FC6
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from config.words import Clock, Outcome, Permit
from drivers.base import Busy, DeviceSilent, LinkDown, Point, WriteItem, WriteOutcome
from drivers.modbus.address import ModbusDevice
from drivers.modbus.codec import CannotEncode, encode_cell
from drivers.modbus.link import ModbusLink
from drivers.modbus.place import BIT_TABLES, READ_ONLY_TABLES, ModbusPoint
from drivers.modbus.wire import NotSent

ACCEPTED: Final = WriteOutcome(Outcome.ACCEPTED)
MASK_WRITE: Final = 22
ILLEGAL_FUNCTION: Final = 1
IN_PROGRESS: Final = 5  # "acknowledge": accepted, the work takes long
LEFT_HALF_DONE: Final = {
    4: "the device failed while doing it",
    11: "the gateway passed it on and got no answer",
}
SAID_NO: Final = {
    1: "it does not know this function",
    2: "it has no such address",
    3: "it does not take this value",
    6: "it is busy",
    7: "it cannot do this now",
    8: "its memory is damaged",
    10: "the gateway has no way to it",
}


class Writer:
    """Writes points of one device."""

    def __init__(
        self, name: str, device: ModbusDevice, points: Sequence[Point], link: ModbusLink, clock: Clock
    ) -> None:
        self._name, self._device, self._points, self._link, self._clock = name, device, points, link, clock

    async def write(self, item: WriteItem, permit: Permit, timeout_s: float) -> WriteOutcome:
        """Write one value.

        Args:
            timeout_s: longest wait for the device's answer [s].
        """
        point = self._points[item.point]
        address: ModbusPoint = point.address
        where = f"{self._name}: {point.name} at {address.put_table} {address.put_address}"
        if not point.access.writable or address.put_table in READ_ONLY_TABLES:
            return _refused(f"{where}: expected a point that may be written, this one is read only")
        try:
            question = await self._question(point, item, timeout_s)
        except CannotEncode as error:
            return _refused(f"{where}: {error}; nothing was sent")
        except (LinkDown, DeviceSilent, Busy) as error:
            return _refused(f"{where}: cannot read the other bits of the register first: {error}; nothing was sent")
        return await self._send(where, question, permit, timeout_s)

    async def _send(self, where: str, question: bytes, permit: Permit, timeout_s: float) -> WriteOutcome:
        def may_leave() -> bool:
            return permit.valid(self._clock.boot_s())

        try:
            answer = await self._link.command(self._device.unit_id, question, timeout_s, may_leave)
        except (NotSent, Busy) as error:
            return _refused(f"{where}: {error}; nothing was sent")
        except DeviceSilent as error:
            return _unknown(f"{where}: no answer within {timeout_s:g} s ({error}); it may or may not have been done")
        except LinkDown as error:
            return _unknown(f"{where}: sent, then the link broke ({error}); it may or may not have been done")
        return _judge(where, question, answer)

    async def _question(self, point: Point, item: WriteItem, timeout_s: float) -> bytes:
        """The PDU that writes the item.

        Raises:
            CannotEncode: the value does not fit.
            LinkDown, DeviceSilent, Busy: reading the register of an owned bit.
        """
        address: ModbusPoint = point.address
        table, first = address.put_table, address.put_address
        if address.type == "bit":
            if item.cell not in (0, 1):
                raise CannotEncode(f"expected true or false, got cell {item.cell}")
            if table in BIT_TABLES:
                return self._coil(first, bool(item.cell))
            return await self._bit(address, bool(item.cell), timeout_s)
        data = encode_cell(address, point.kind, item.cell, item.text)
        if len(data) == 2 and not self._device.write_multiple:
            return struct.pack(">BH", 6, first) + data
        return struct.pack(">BHHB", 16, first, len(data) // 2, len(data)) + data

    def _coil(self, first: int, on: bool) -> bytes:
        if self._device.write_multiple:
            return struct.pack(">BHHBB", 15, first, 1, 1, on)
        return struct.pack(">BHH", 5, first, 0xFF00 if on else 0)

    async def _bit(self, address: ModbusPoint, on: bool, timeout_s: float) -> bytes:
        mask = 1 << (address.bit or 0)
        first = address.put_address
        if not address.owns_register:
            return struct.pack(">BHHH", MASK_WRITE, first, 0xFFFF ^ mask, mask if on else 0)
        answer = await self._link.ask(self._device.unit_id, struct.pack(">BHH", 3, first, 1), timeout_s)
        if answer[:2] != b"\x03\x02" or len(answer) != 4:
            raise DeviceSilent(f"expected one register, got {answer.hex(' ')}")
        now = int.from_bytes(answer[2:], "big")
        value = now | mask if on else now & ~mask
        if self._device.write_multiple:
            return struct.pack(">BHHBH", 16, first, 1, 2, value)
        return struct.pack(">BHH", 6, first, value)


def _judge(where: str, question: bytes, answer: bytes) -> WriteOutcome:
    """What the device's answer to a write means."""
    function = question[0]
    if answer[0] == function:
        echo = question if function in (5, 6, MASK_WRITE) else question[:5]
        if answer == echo:
            return ACCEPTED
        return _unknown(f"{where}: expected the echo {echo.hex(' ')}, got {answer.hex(' ')}")
    code = answer[1] if len(answer) == 2 else 0
    if code == IN_PROGRESS:
        return ACCEPTED
    if function == MASK_WRITE and code == ILLEGAL_FUNCTION:
        return _refused(
            f"{where}: exception 1: the device cannot write a single bit (FC22); "
            "if nobody else writes this register, say owns_register: true"
        )
    if code in SAID_NO:
        return _refused(f"{where}: exception {code}: {SAID_NO[code]}")
    return _unknown(f"{where}: exception {code}: {LEFT_HALF_DONE.get(code, 'of no known meaning')}")


def _refused(reason: str) -> WriteOutcome:
    return WriteOutcome(Outcome.REFUSED, reason)


def _unknown(reason: str) -> WriteOutcome:
    return WriteOutcome(Outcome.UNKNOWN, reason)
