# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py
"""What can go wrong with a simulated device, in words a person types while the demo runs.

hang [30 s]            questions are heard and never answered
late 5 s               each answer is held that long; later questions are not blocked by it
slow 200 ms            each answer that long after its question, in order
reset                  all connections are reset once
refuse [30 s]          connections are reset, new ones too
clients 1              so many connections are taken, further ones are reset
restart                the device stops and starts again, its memory kept
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
wrong_id [N]           the next N answers bear another transaction id (RTU: another unit)
busy [N]               the next N questions get exception 6: busy
reject holding 104     this address gets exception 2 (accept holding 104 turns it back)
heal                   everything back
"""

from __future__ import annotations

from typing import Final, get_args

from drivers.knobs import Knob, Words, number
from drivers.modbus.place import Table

WORDS: Final = Words(
    lasting=("hang", "refuse"),
    timed=("late", "slow"),
    counted=("garble", "truncate", "duplicate", "wrong_id", "busy"),
    numbered={"clients": (1, 100)},
    named=("reject", "accept"),
    plain=("reset", "restart", "heal"),
)
NAMES: Final = WORDS.names


def parse(text: str) -> Knob:
    """'hang 30 s' -> a knob.

    Raises:
        ValueError: with what was expected.
    """
    knob = WORDS.parse(text)
    if knob.name in WORDS.named:
        place(knob)
    return knob


def place(knob: Knob) -> tuple[str, int]:
    """Table and address that a knob names: 'holding 104'.

    Raises:
        ValueError: with what was expected.
    """
    table, _, address = knob.what.partition(" ")
    if table not in get_args(Table):
        raise ValueError(f"{knob.name}: expected one of {', '.join(get_args(Table))}, got {table!r}")
    return table, number(knob.name, address, 0, 65535)
