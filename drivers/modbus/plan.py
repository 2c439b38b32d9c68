# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_plan.py, tests/property/test_modbus_plan.py (against a planner that knows no tricks)
"""Points to questions: which registers are asked together.

Law of this file: pure; runs once per type and generation. Every readable polled point lies in exactly one exchange; a
value is never split; no exchange is longer than the device allows or touches a forbidden address.

Theory of operation. Points are sorted by poll class, table and address; a point joins the block before it while the
gap between them is at most `gap_max`, the block stays within the limit and no forbidden address lies between. A gap of
16 registers costs 32 bytes in the answer, a question of its own costs a round trip, so gaps are cheap; bits cost a
sixteenth of a register, hence 16 times the gap.

Worked example: gap_max 16, registers_max 125.

    holding 0 uint16, holding 1 float32, holding 10 int16, holding 40 uint32, coil 3, coil 90; all of poll class 'fast'
    -> FC3 holding 0..10   11 registers: the gap 3..9 is read in vain, it saves a question
       FC3 holding 40..41  the gap 11..39 is 29 > 16
       FC1 coil 3..90      the gap of 86 bits is <= 16 x 16
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.base import Exchange, Point
from drivers.modbus.address import AddressRange, ModbusDevice
from drivers.modbus.decode import Decoder, Member, group_key
from drivers.modbus.place import BIT_TABLES, ModbusPoint

READ_FUNCTION: Final = {"coil": 1, "discrete_input": 2, "holding": 3, "input": 4}
BITS_PER_REGISTER: Final = 16


@dataclass(frozen=True, slots=True)
class Body:
    """The prepared question of an exchange and the way to read its answer.

    Attributes:
        question: protocol data unit: function, first address, quantity.
        head: what the answer must begin with: function and byte count.
        answer_len: bytes of the whole answer PDU.
        members: the points, in the order of the answer's cells.
    """

    table: str
    first: int
    quantity: int
    question: bytes
    head: bytes
    answer_len: int
    members: tuple[Member, ...]
    decoder: Decoder

    @property
    def label(self) -> str:
        """For people: 'holding 100..124'."""
        last = self.first + self.quantity - 1
        return f"{self.table} {self.first}" if self.quantity == 1 else f"{self.table} {self.first}..{last}"


def plan(device: ModbusDevice, points: Sequence[Point]) -> list[Exchange]:
    """Exchanges that read all readable polled points of a device.

    Returns: in order of poll class (as first met), table and address.

    Raises:
        ValueError: a point lies in a forbidden range or is longer than the device answers at once.
    """
    polls = list(dict.fromkeys(p.poll for p in points if p.poll is not None))
    exchanges = []
    for poll in polls:
        chosen = [i for i, p in enumerate(points) if p.poll == poll and p.access.readable]
        for body in bodies(device, points, chosen):
            take = np.array([m.position for m in body.members], np.int64)
            exchanges.append(Exchange(take=take, poll=poll, label=body.label, body=body))
    return exchanges


def bodies(device: ModbusDevice, points: Sequence[Point], chosen: Iterable[int]) -> list[Body]:
    """The blocks that cover the points at positions `chosen`, whatever their poll class.

    Raises:
        ValueError: as `plan`.
    """
    by_table: dict[str, list[int]] = {}
    for i in chosen:
        by_table.setdefault(points[i].address.table, []).append(i)
    found = []
    for table in READ_FUNCTION:
        positions = sorted(by_table.get(table, ()), key=lambda i: (points[i].address.address, points[i].address.last))
        for block in _blocks(device, table, points, positions):
            found.append(make_body(points, block))
    return found


def _blocks(device: ModbusDevice, table: str, points: Sequence[Point], positions: Sequence[int]) -> list[list[int]]:
    """Positions sorted by address, cut into blocks."""
    bits = table in BIT_TABLES
    limit = device.bits_max if bits else device.registers_max
    gap_max = device.gap_max * BITS_PER_REGISTER if bits else device.gap_max
    forbidden = [r for r in device.forbidden if r.table == table]
    blocks: list[list[int]] = []
    first = last = 0
    for i in positions:
        address: ModbusPoint = points[i].address
        _refuse_impossible(points[i], address, limit, forbidden)
        end = max(last, address.last)
        joins = (
            blocks
            and address.address - last - 1 <= gap_max
            and end - first + 1 <= limit
            and not _touches(forbidden, first, end)
        )
        if joins:
            blocks[-1].append(i)
            last = end
        else:
            blocks.append([i])
            first, last = address.address, address.last
    return blocks


def make_body(points: Sequence[Point], block: Sequence[int]) -> Body:
    """One question for the points at positions `block`, all of one table and within its limits."""
    table = points[block[0]].address.table
    bits = table in BIT_TABLES
    first = min(points[i].address.address for i in block)
    quantity = max(points[i].address.last for i in block) - first + 1
    members = [Member(i, points[i].address.address - first, points[i].kind, points[i].address) for i in block]
    if not bits:
        members.sort(key=lambda m: group_key(m.kind, m.address))
    decoder = Decoder(members, quantity, bits)
    function = READ_FUNCTION[table]
    return Body(
        table=table,
        first=first,
        quantity=quantity,
        question=struct.pack(">BHH", function, first, quantity),
        head=bytes((function, decoder.data_len)),
        answer_len=2 + decoder.data_len,
        members=tuple(members),
        decoder=decoder,
    )


def _touches(ranges: Iterable[AddressRange], first: int, last: int) -> bool:
    return any(r.first <= last and first <= r.last for r in ranges)


def _refuse_impossible(point: Point, address: ModbusPoint, limit: int, forbidden: Sequence[AddressRange]) -> None:
    if address.width > limit:
        raise ValueError(f"{point.name}: expected at most {limit} registers (registers_max), {address} has more")
    if _touches(forbidden, address.address, address.last):
        raise ValueError(f"{point.name}: {address} lies in a range that the device's `forbidden` excludes from reading")
