# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_modbus_codec.py, tests/bench/bench_modbus.py
"""A whole answer to cells in a few numpy operations, whatever types lie in it.

Law of this file: pure; all that can be known is prepared once, per exchange and shared by all devices of a type; the
hot path runs no Python per value (texts excepted: they are few and short).

Theory of operation. The cells of an exchange are ordered by *group*: same wire type, same byte order, same kind of
cell. One prepared gather brings the answer's bytes into a scratch buffer in which every value lies native-endian and
the values of a group lie together; each group is then one cast from a view of the scratch into a view of the result.
Byte order therefore costs nothing. The scratch is shared: decoding never awaits.

    answer   b0 b1 b2 b3 b4 b5 ...      two float32, ABCD: gather 3 2 1 0 7 6 5 4, view '<f4', cast to float64 cells
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import Cells, Kind, StatusCode, Statuses
from drivers.modbus.codec import INT64_MAX, CannotDecode, decode_text, reorder
from drivers.modbus.place import ModbusPoint, needs_range_check

Bytes = npt.NDArray[np.uint8]
OUT_OF_RANGE: Final = int(StatusCode.BadOutOfRange)

_DTYPES: Final[dict[str, str]] = {
    "bit": "<u2",
    "int16": "<i2",
    "uint16": "<u2",
    "bcd16": "<u2",
    "int32": "<i4",
    "uint32": "<u4",
    "bcd32": "<u4",
    "unix32": "<u4",
    "int64": "<i8",
    "uint64": "<u8",
    "unix64": "<u8",
    "unix64_ms": "<u8",
    "float32": "<f4",
    "float64": "<f8",
}
_NS: Final = {"unix32": 1_000_000_000, "unix64": 1_000_000_000, "unix64_ms": 1_000_000}


@dataclass(frozen=True, slots=True)
class Member:
    """One point of an exchange.

    Attributes:
        position: in the device's point list.
        offset: registers (bits in a bit table) from the first address of the exchange.
    """

    position: int
    offset: int
    kind: Kind
    address: ModbusPoint


def group_key(kind: Kind, address: ModbusPoint) -> tuple[int, str, str, str]:
    """Points with an equal key are decoded by one operation; wide types first, so that the scratch stays aligned."""
    cell = kind.name if needs_range_check(kind, address.type) else kind.dtype.str
    return (-_bytes_of(address), address.type, address.order, cell)


def _bytes_of(address: ModbusPoint) -> int:
    return 0 if address.type == "string" else 2 * address.width


class Decoder:
    """Decodes answers of one exchange. Members must be sorted by `group_key`.

    Attributes:
        size: number of cells, n.
        data_len: bytes of data an answer must have.
    """

    def __init__(self, members: Sequence[Member], span: int, bits: bool) -> None:
        self.size = len(members)
        self.data_len = (span + 7) // 8 if bits else 2 * span
        self._cells: Cells = np.zeros(self.size, np.int64)
        self._steps: list[Callable[[], None]] = []
        self._checks: list[Callable[[Statuses], None]] = []
        self._texts = [(i, m) for i, m in enumerate(members) if m.address.type == "string"]
        self._bits = bits
        numbers = [m for m in members if m.address.type != "string"]
        if bits:
            self._index = np.array([m.offset for m in members], np.intp)
            return
        index = [i for m in numbers for i in _gather(m)]
        self._index = np.array(index, np.intp)
        self._scratch: Bytes = np.zeros(len(index), np.uint8)
        self._copy = bool(index) and index == list(range(index[0], index[0] + len(index)))
        self._prepare(members)

    def _prepare(self, members: Sequence[Member]) -> None:
        start = at = 0
        while start < len(members):
            key = group_key(members[start].kind, members[start].address)
            end = start
            while end < len(members) and group_key(members[end].kind, members[end].address) == key:
                end += 1
            group = members[start:end]
            if group[0].address.type != "string":
                width = _bytes_of(group[0].address) * len(group)
                self._add_group(group, slice(start, end), self._scratch[at : at + width])
                at += width
            start = end

    def _add_group(self, group: Sequence[Member], where: slice, raw: Bytes) -> None:
        kind, type_ = group[0].kind, group[0].address.type
        source: npt.NDArray[np.generic] = raw.view(_DTYPES[type_])
        cells: npt.NDArray[np.generic] = self._cells.view(kind.dtype)[where]
        if type_ == "bit":
            shifts = np.array([m.address.bit or 0 for m in group], np.uint16)
            self._steps.append(lambda: _bits(source, shifts, cells))
        elif type_ in ("bcd16", "bcd32"):
            self._steps.append(lambda: _bcd(source, cells))
            self._checks.append(lambda statuses: _check_bcd(source, statuses[where]))
        elif type_ in _NS:
            unit = _NS[type_]
            self._steps.append(lambda: _scale(source, unit, cells))
            if type_ != "unix32":
                self._checks.append(lambda statuses: _check_time(source, unit, statuses[where]))
        else:
            self._steps.append(lambda: np.copyto(cells, source, casting="unsafe"))
        if needs_range_check(kind, type_) and kind.bounds is not None:
            low, high = kind.bounds
            self._checks.append(lambda statuses: _check_bounds(cells, low, high, statuses[where]))

    def cells(self, data: bytes, start: int) -> tuple[Cells, Statuses, dict[int, str] | None]:
        """Decode one answer.

        Args:
            data: holds the answer's data from byte `start` on, `data_len` bytes of it.

        Returns: cells (n,), statuses (n,) and the texts by position, or None where the exchange has none. A value that
            its type or kind cannot hold has BadOutOfRange and a cell without meaning.
        """
        raw: Bytes = np.frombuffer(data, np.uint8, self.data_len, start)
        statuses: Statuses = np.zeros(self.size, np.uint32)
        if self._bits:
            bits = np.unpackbits(raw, bitorder="little")
            return bits.take(self._index).astype(np.int64), statuses, None
        if self._copy:
            self._scratch[:] = raw[self._index[0] : self._index[0] + len(self._index)]
        else:
            raw.take(self._index, out=self._scratch, mode="clip")
        for step in self._steps:
            step()
        for check in self._checks:
            check(statuses)
        texts = self._decode_texts(data, start, statuses) if self._texts else None
        return self._cells.copy(), statuses, texts

    def _decode_texts(self, data: bytes, start: int, statuses: Statuses) -> dict[int, str]:
        texts = {}
        for i, member in self._texts:
            at = start + 2 * member.offset
            raw = reorder(data[at : at + 2 * member.address.width], member.address.order)
            try:
                texts[i] = decode_text(member.address, raw)
            except CannotDecode:
                statuses[i] = OUT_OF_RANGE
                texts[i] = ""
        return texts


def _gather(member: Member) -> list[int]:
    """Positions of a value's bytes in the answer, least significant first."""
    first = 2 * member.offset
    straight = bytes(range(2 * member.address.width))
    return [first + i for i in reversed(reorder(straight, member.address.order))]


def _bits(source: npt.NDArray[np.generic], shifts: npt.NDArray[np.uint16], cells: npt.NDArray[np.generic]) -> None:
    np.copyto(cells, (source.view(np.uint16) >> shifts) & np.uint16(1), casting="unsafe")


def _scale(source: npt.NDArray[np.generic], unit: int, cells: npt.NDArray[np.generic]) -> None:
    np.multiply(source, unit, out=cells.view(np.int64), dtype=np.int64, casting="unsafe")


def _bcd(source: npt.NDArray[np.generic], cells: npt.NDArray[np.generic]) -> None:
    """Digits join to pairs, pairs to fours, fours to eight: a step for all digits at once."""
    number = source.astype(np.int64)
    for bits, base, low in ((4, 10, 0x0F0F0F0F), (8, 100, 0x00FF00FF), (16, 10_000, 0x0000FFFF)):
        number = (number & low) + (number >> bits & low) * base
    np.copyto(cells, number, casting="unsafe")


def _check_bcd(source: npt.NDArray[np.generic], statuses: Statuses) -> None:
    """A digit is more than 9 if its 8 is set beside its 4 or its 2."""
    packed = source.astype(np.int64)
    statuses[packed >> 3 & (packed >> 2 | packed >> 1) & 0x11111111 != 0] = OUT_OF_RANGE


def _check_time(source: npt.NDArray[np.generic], unit: int, statuses: Statuses) -> None:
    statuses[source.view(np.uint64) > np.uint64(INT64_MAX // unit)] = OUT_OF_RANGE


def _check_bounds(cells: npt.NDArray[np.generic], low: int, high: int, statuses: Statuses) -> None:
    numbers = cells.view(np.int64)
    statuses[(numbers < low) | (numbers > high)] = OUT_OF_RANGE
