# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py, tests/property/test_modbus_hostile.py
"""The memory of a simulated Modbus unit, and its answer to any question.

Law of this file: pure; no sockets, no time. Any bytes get an answer PDU; nothing raises. Registers are plain numpy
arrays that the simulated plant fills as it likes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from drivers.modbus.codec import decode, encode
from drivers.modbus.place import BIT_TABLES, BITS_MAX, REGISTERS_MAX, WRITE_REGISTERS_MAX, ModbusPoint, Table

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
WRITE_BITS_MAX: Final = 1968  # source: Modbus Application Protocol V1.1b3, 6.11
WRITES: Final = frozenset((5, 6, 15, 16, 22))

OnWrite = Callable[[Table, int, int], None]


class _Refusal(Exception):
    """An exception answer; its code."""


class Memory:
    """Four tables of one unit.

    Attributes:
        holding, input: registers, (size,) u16.
        coil, discrete_input: bits, (size,) bool.
        rejected: (table, address) that get exception 2, also within a block.
        on_write: called after a client wrote: table, first address, count.
        identification: objects that 43/14 tells, by number; empty: it does not know the function.
    """

    def __init__(self, size: int = 65536, on_write: OnWrite | None = None) -> None:
        self.holding: npt.NDArray[np.uint16] = np.zeros(size, np.uint16)
        self.input: npt.NDArray[np.uint16] = np.zeros(size, np.uint16)
        self.coil: npt.NDArray[np.bool_] = np.zeros(size, np.bool_)
        self.discrete_input: npt.NDArray[np.bool_] = np.zeros(size, np.bool_)
        self.rejected: set[tuple[str, int]] = set()
        self.on_write = on_write
        self.identification: dict[int, str] = {}

    def table(self, name: str) -> npt.NDArray[Any]:
        """The array of a table."""
        return getattr(self, name)  # type: ignore[no-any-return]

    # --- for the simulated plant

    def put(self, address: ModbusPoint, value: bool | int | float | str) -> None:
        """Make the device hold a value where it is read.

        Raises:
            CannotEncode: it does not fit.
        """
        if address.table in BIT_TABLES:
            self.table(address.table)[address.address] = bool(value)
        elif address.type == "bit":
            registers, mask = self.table(address.table), 1 << (address.bit or 0)
            now = int(registers[address.address])
            registers[address.address] = now | mask if value else now & ~mask
        else:
            words = np.frombuffer(encode(address, value), ">u2")
            self.table(address.table)[address.address : address.address + len(words)] = words

    def get(self, address: ModbusPoint) -> bool | int | float | str:
        """The value held where it is read.

        Raises:
            CannotDecode: the registers hold no value of this type.
        """
        return self._get(address, address.table, address.address)

    def written(self, address: ModbusPoint) -> bool | int | float | str:
        """The value held where it is written."""
        return self._get(address, address.put_table, address.put_address)

    def _get(self, address: ModbusPoint, table: str, first: int) -> bool | int | float | str:
        if table in BIT_TABLES:
            return bool(self.table(table)[first])
        if address.type == "bit":
            return bool(int(self.table(table)[first]) >> (address.bit or 0) & 1)
        return decode(address, self.table(table)[first : first + address.width].astype(">u2").tobytes())

    # --- for clients

    def answer(self, pdu: bytes) -> bytes:
        """The answer to a question, both without header; an exception answer for whatever cannot be done."""
        function = pdu[0] if pdu else 0
        handler = self._handlers.get(function)
        if handler is None:
            return bytes((function | 0x80, ILLEGAL_FUNCTION))
        try:
            return handler(self, pdu)
        except _Refusal as refusal:
            return bytes((function | 0x80, refusal.args[0]))
        except struct.error:
            return bytes((function | 0x80, ILLEGAL_VALUE))

    def _span(self, table: str, first: int, count: int, count_max: int) -> slice:
        if not 1 <= count <= count_max:
            raise _Refusal(ILLEGAL_VALUE)
        if first + count > len(self.table(table)):
            raise _Refusal(ILLEGAL_ADDRESS)
        if self.rejected and any((table, at) in self.rejected for at in range(first, first + count)):
            raise _Refusal(ILLEGAL_ADDRESS)
        return slice(first, first + count)

    def _read_bits(self, pdu: bytes) -> bytes:
        function, first, count = struct.unpack(">BHH", pdu)
        table = "coil" if function == 1 else "discrete_input"
        bits = self.table(table)[self._span(table, first, count, BITS_MAX)]
        data = np.packbits(bits, bitorder="little").tobytes()
        return bytes((function, len(data))) + data

    def _read_registers(self, pdu: bytes) -> bytes:
        function, first, count = struct.unpack(">BHH", pdu)
        table = "holding" if function == 3 else "input"
        data = self.table(table)[self._span(table, first, count, REGISTERS_MAX)].astype(">u2").tobytes()
        return bytes((function, len(data))) + data

    def _write_coil(self, pdu: bytes) -> bytes:
        _, first, value = struct.unpack(">BHH", pdu)
        if value not in (0, 0xFF00):
            raise _Refusal(ILLEGAL_VALUE)
        self.coil[self._span("coil", first, 1, 1)] = value != 0
        self._tell("coil", first, 1)
        return pdu

    def _write_register(self, pdu: bytes) -> bytes:
        _, first, value = struct.unpack(">BHH", pdu)
        self.holding[self._span("holding", first, 1, 1)] = value
        self._tell("holding", first, 1)
        return pdu

    def _write_coils(self, pdu: bytes) -> bytes:
        _, first, count, size = struct.unpack_from(">BHHB", pdu)
        if size != (count + 7) // 8 or len(pdu) != 6 + size:
            raise _Refusal(ILLEGAL_VALUE)
        where = self._span("coil", first, count, WRITE_BITS_MAX)
        self.coil[where] = np.unpackbits(np.frombuffer(pdu, np.uint8, size, 6), count=count, bitorder="little")
        self._tell("coil", first, count)
        return pdu[:5]

    def _write_registers(self, pdu: bytes) -> bytes:
        _, first, count, size = struct.unpack_from(">BHHB", pdu)
        if size != 2 * count or len(pdu) != 6 + size:
            raise _Refusal(ILLEGAL_VALUE)
        self.holding[self._span("holding", first, count, WRITE_REGISTERS_MAX)] = np.frombuffer(pdu, ">u2", count, 6)
        self._tell("holding", first, count)
        return pdu[:5]

    def _mask_write(self, pdu: bytes) -> bytes:
        _, first, and_mask, or_mask = struct.unpack(">BHHH", pdu)
        where = self._span("holding", first, 1, 1)
        self.holding[where] = int(self.holding[first]) & and_mask | or_mask & ~and_mask
        self._tell("holding", first, 1)
        return pdu

    def _identify(self, pdu: bytes) -> bytes:
        _, mei, category, first = struct.unpack(">BBBB", pdu)
        if not self.identification or mei != 0x0E:
            raise _Refusal(ILLEGAL_FUNCTION)
        last = {1: 2, 2: 6, 3: 255}.get(category)
        if last is None:
            raise _Refusal(ILLEGAL_VALUE)
        told = [(n, text.encode("latin-1")) for n, text in sorted(self.identification.items()) if first <= n <= last]
        part, size = [], 7
        while told and size + 2 + len(told[0][1]) <= 253:
            size += 2 + len(told[0][1])
            part.append(told.pop(0))
        more = (0xFF, told[0][0]) if told else (0, 0)
        head = bytes((0x2B, 0x0E, category, category, *more, len(part)))
        return head + b"".join(bytes((n, len(text))) + text for n, text in part)

    def _tell(self, table: Table, first: int, count: int) -> None:
        if self.on_write is not None:
            self.on_write(table, first, count)

    _handlers: ClassVar[dict[int, Callable[[Memory, bytes], bytes]]] = {
        1: _read_bits,
        2: _read_bits,
        3: _read_registers,
        4: _read_registers,
        5: _write_coil,
        6: _write_register,
        15: _write_coils,
        16: _write_registers,
        22: _mask_write,
        43: _identify,
    }
