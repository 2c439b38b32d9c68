# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_busmodel.py
"""A simulated DALI bus: gear that hears frames, answers, collides, fails. One model behind every simulated gateway.

Several gateways may be masters of one bus: its time is shared, and what one sends the others overhear.

Law of this file: pure; no sockets. Time is an argument. Source: IEC 62386-102:2014, 9 and 11.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping
from dataclasses import dataclass, field
from typing import Final, Literal

from drivers.dali import banks
from drivers.dali import frames as f
from drivers.dali.curve import LEVEL_MAX, MASK

Said = Literal["nothing", "value", "collision"]
LATCH_LOCATION: Final = 2


@dataclass(slots=True)
class Gear:
    """One control gear.

    Attributes:
        groups: bits 0..15.
        level: actual level, 0..254.
        scenes: 16 levels; MASK: not in the scene.
        lamp_failed, gear_failed: bits 1 and 0 of its status.
        power_cycle: bit 7: it was without mains since its last level frame.
        status_extra: bits 3 to 6 of its status (tests).
        dtr: its data transfer registers 0 and 1.
        failure_bits: answer to the LED failure status.
        dead: it neither hears nor answers.
        numbers: value -> number, of its memory banks; what is not there has no location.
        refused: values whose question it does not answer (tests).
        gtin, serial: what bank 0 says of it; 0: it has no bank 0.
    """

    short: int
    groups: int = 0
    level: int = 0
    scenes: list[int] = field(default_factory=lambda: [MASK] * 16)
    lamp_failed: bool = False
    gear_failed: bool = False
    failure_bits: int = 0
    power_cycle: bool = False
    status_extra: int = 0
    dead: bool = False
    numbers: MutableMapping[str, float] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    gtin: int = 0
    serial: int = 0
    dtr: list[int] = field(default_factory=lambda: [0, 0])
    _led: bool = False
    _write: bool = False
    _latched: dict[int, dict[int, int]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """Answer to QUERY STATUS."""
        lit = self.level > 0 and not self.lamp_failed and not self.gear_failed
        bits = self.gear_failed | self.lamp_failed << 1 | lit << 2 | self.power_cycle << 7
        return int(bits | self.status_extra & 0x78)

    def go(self, level: int) -> None:
        """Go to a level; MASK changes nothing."""
        if level != MASK:
            self.level, self.power_cycle = min(level, LEVEL_MAX), False

    def location(self, bank: int, at: int) -> int | None:
        """A byte of a memory bank; None: there is no such location."""
        if bank in self._latched:
            return self._latched[bank].get(at)
        return self._bytes(bank).get(at)

    def _bytes(self, bank: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for name, (first, last) in banks.NAMEPLATE.items() if bank == 0 and self.serial else ():
            number = self.gtin if name == "gtin" else self.serial
            found |= dict(enumerate(number.to_bytes(last - first + 1), first))
        for name, field_ in banks.FIELDS.items():
            if field_.bank == bank and name in self.numbers and name not in self.refused:
                data = banks.encode(field_, self.numbers[name], _scale(name))
                found |= dict(enumerate(data, field_.first))
        return found

    def number(self, name: str) -> float:
        """A number as its bank tells it: rounded to what its bytes can say."""
        field_ = banks.FIELDS[name]
        return banks.decode(field_, list(banks.encode(field_, self.numbers.get(name, 0.0), _scale(name))))

    # --- frames

    def special(self, address: int, data: int) -> None:
        """A command without address."""
        if address in (f.DTR0, f.DTR1):
            self.dtr[address == f.DTR1] = data
        elif address == f.WRITE_MEMORY and self._write:
            bank, at = self.dtr[1], self.dtr[0]
            if at == LATCH_LOCATION and data == f.LATCH:
                self._latched[bank] = self._bytes(bank)
            self.dtr[0] = min(0xFF, at + 1)
        self._led = address == f.ENABLE_DEVICE_TYPE and data == f.LED
        if address not in (f.DTR0, f.DTR1, f.WRITE_MEMORY):
            self._write = False

    def command(self, code: int) -> int | None:
        """A command or query that is for this gear; its answer."""
        led, self._led = self._led, False
        self._write = code == f.ENABLE_WRITE
        if code == f.OFF:
            self.go(0)
        elif f.GO_TO_SCENE <= code < f.GO_TO_SCENE + 16:
            self.go(self.scenes[code - f.GO_TO_SCENE])
        elif code == f.LED_FAILURE_STATUS:
            return self.failure_bits if led and "failures" not in self.refused else None
        elif code == f.READ_MEMORY:
            return self._read_memory()
        answer = _ANSWERS.get(code)
        return None if answer is None else answer(self)

    def _read_memory(self) -> int | None:
        bank, at = self.dtr[1], self.dtr[0]
        self.dtr[0] = min(0xFF, at + 1)
        return self.location(bank, at)

    def answers_for(self, name: str, value: int) -> int | None:
        """An answer, unless the test has taken it away."""
        return None if name in self.refused else value


def _scale(name: str) -> int:
    """Power of ten a simulated number is told in: powers in mW."""
    return -3 if name.endswith("power") else 0


_ANSWERS: Final[dict[int, Callable[[Gear], int | None]]] = {
    f.QUERY_STATUS: lambda g: g.answers_for("status", g.status),
    f.QUERY_PRESENT: lambda g: f.YES,
    f.QUERY_DEVICE_TYPE: lambda g: g.answers_for("device_type", f.LED),
    f.QUERY_LAMP_FAILURE: lambda g: f.YES if g.lamp_failed else None,
    f.QUERY_GEAR_FAILURE: lambda g: f.YES if g.gear_failed else None,
    f.QUERY_ACTUAL_LEVEL: lambda g: g.answers_for("level", g.level),
    f.QUERY_GROUPS_0_7: lambda g: g.groups & 0xFF,
    f.QUERY_GROUPS_8_15: lambda g: g.groups >> 8,
}


class Bus:
    """A line and its gear.

    Attributes:
        gear: by short address.
        powered: the bus has its voltage.
        shorted: both wires touch: no voltage, and nothing gets through.
        scene: the last scene that all or a group were told; None: none yet.
        frames: how many were sent.
        free_s: when the bus is free again [s].
        masters: who overhears what others send.
    """

    def __init__(self, gear: list[Gear]) -> None:
        self.gear = {g.short: g for g in gear}
        self.powered, self.shorted = True, False
        self.scene: int | None = None
        self.frames = 0
        self.free_s = 0.0
        self.masters: dict[Hashable, Callable[[f.Frame], None]] = {}

    @property
    def is_well(self) -> bool:
        """A frame gets through."""
        return self.powered and not self.shorted

    def members(self, target: f.Target) -> list[Gear]:
        """Gear that hears a target."""
        living = [g for g in self.gear.values() if not g.dead]
        if target.gear is not None:
            return [g for g in living if g.short == target.gear]
        return [g for g in living if target.group is None or g.groups >> target.group & 1]

    def take(self, now_s: float, air_s: float) -> float:
        """Occupy the bus for a frame; returns when it is over [s]."""
        self.free_s = max(self.free_s, now_s) + air_s
        return self.free_s

    def send(self, frame: f.Frame, by: Hashable = None) -> tuple[Said, int]:
        """One frame, by a master or a panel on the wall; what is heard in answer. The caller has asked whether the
        bus is well.
        """
        self.frames += 1
        for master, overhear in self.masters.items():
            if master != by:
                overhear(frame)
        address, data = frame
        target = f.target_of(address)
        if target is None:
            for gear in self.members(f.ALL):
                gear.special(address, data)
            return "nothing", 0
        if address & 1 == 0:
            for gear in self.members(target):
                gear.go(data)
            return "nothing", 0
        if f.GO_TO_SCENE <= data < f.GO_TO_SCENE + 16:
            self.scene = data - f.GO_TO_SCENE
        answers = [a for gear in self.members(target) if (a := gear.command(data)) is not None]
        if not answers:
            return "nothing", 0
        return ("value", answers[0]) if len(answers) == 1 else ("collision", 0)

    def power_cycle(self) -> None:
        """The mains of all gear was off and on again: full light, and the bit that says so."""
        for gear in self.gear.values():
            gear.level, gear.power_cycle = LEVEL_MAX, True
