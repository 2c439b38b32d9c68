# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_frames.py
"""The 16-bit forward frames of DALI that this driver needs, and the time they take on the bus.

Law of this file: pure. A frame is two bytes: whom it addresses, and what. Source: IEC 62386-102:2014, 7.2 (addresses),
11 (commands); IEC 62386-207 (LED, device type 6); times of IEC 62386-101 at 1200 bit/s as Beckhoff gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COMMAND_S: Final = 0.0312
"""A frame without an answer [s]."""
TWICE_S: Final = 0.0594
"""A frame that must be sent twice to count [s]."""
QUERY_S: Final = 0.0467
"""A frame and its answer, or the wait for none [s]."""

GEAR_MAX: Final = 63
GROUP_MAX: Final = 15
SCENE_MAX: Final = 15

OFF: Final = 0x00
GO_TO_SCENE: Final = 0x10
QUERY_STATUS: Final = 0x90
QUERY_PRESENT: Final = 0x91
QUERY_LAMP_FAILURE: Final = 0x92
QUERY_DEVICE_TYPE: Final = 0x99
QUERY_ACTUAL_LEVEL: Final = 0xA0
QUERY_GEAR_FAILURE: Final = 0xAA
QUERY_GROUPS_0_7: Final = 0xC0
QUERY_GROUPS_8_15: Final = 0xC1
READ_MEMORY: Final = 0xC5
ENABLE_WRITE: Final = 0x81
LED_FAILURE_STATUS: Final = 0xF1

DTR0: Final = 0xA3
DTR1: Final = 0xC3
ENABLE_DEVICE_TYPE: Final = 0xC1
WRITE_MEMORY: Final = 0xC9
LED: Final = 6
YES: Final = 0xFF
LATCH: Final = 0xAA
"""Written to location 2 of a bank, it holds the bank's numbers still while they are read byte by byte."""

STATUS_BITS: Final = {
    "gear_failure": 0,
    "lamp_failure": 1,
    "lamp_on": 2,
    "limit_error": 3,
    "fade_running": 4,
    "reset_state": 5,
    "no_short_address": 6,
    "power_cycle": 7,
}
"""Answer to QUERY STATUS. Source: IEC 62386-102, 9.16."""

FAILURE_BITS: Final = {
    "short_circuit": 0,
    "open_circuit": 1,
    "load_decrease": 2,
    "load_increase": 3,
    "current_protector": 4,
    "thermal_shutdown": 5,
    "thermal_derating": 6,
    "reference_failed": 7,
}
"""Answer to QUERY FAILURE STATUS of device type 6. Source: IEC 62386-207, 11.3.4."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a frame addresses: one gear, a group, or all on the line.

    Attributes:
        gear: short address 0..63.
        group: 0..15. Neither: all.
    """

    gear: int | None = None
    group: int | None = None

    @property
    def byte(self) -> int:
        """The address byte of a command; one less for a direct level."""
        if self.gear is not None:
            return self.gear << 1 | 1
        return 0xFF if self.group is None else 0x81 | self.group << 1

    def __str__(self) -> str:
        if self.gear is not None:
            return f"gear {self.gear}"
        return "all gear" if self.group is None else f"group {self.group}"


ALL: Final = Target()

Frame = tuple[int, int]


def command(target: Target, code: int) -> Frame:
    """A command or query."""
    return target.byte, code


def direct_level(target: Target, level: int) -> Frame:
    """DAPC: go to a level, 0..254, within the fade time."""
    return target.byte & 0xFE, level


def target_of(address: int) -> Target | None:
    """Whom an address byte means; None for special commands."""
    if address < 0x80:
        return Target(gear=address >> 1)
    if address < 0xA0:
        return Target(group=address >> 1 & 0x0F)
    return ALL if address >= 0xFE else None


def is_query(frame: Frame) -> bool:
    """True for a frame that asks for an answer."""
    address, code = frame
    return target_of(address) is not None and address & 1 == 1 and code >= QUERY_STATUS
