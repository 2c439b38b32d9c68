# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_line.py
"""What is known of a line since its connection stands: levels asked for, failures, members, how long a round takes.

Law of this file: pure; instants are arguments. Nothing is kept over a lost connection: what others did meanwhile is not
known.

After a command to a group or to all, the levels asked for of its members are computed, not asked for again: DALI gear
obeys a level frame or is broken, and the next level poll shows which.
"""

from __future__ import annotations

from drivers.dali import frames as f
from drivers.dali.curve import MASK
from drivers.dali.faults import Faults


class Line:
    """Knowledge of one line.

    Attributes:
        faults: which gear has failed, and which groups it is in.
        targets: gear -> level last asked for.
        scene: the last scene told to all; None: none since the connection stands.
        counted: the line was counted: `faults.groups` holds every gear.
        counted_to: the short address whose turn is next in the count under way.
        meddled: how often another master has changed the registers (DTR) or the device type that questions go by.
    """

    def __init__(self, fresh_s: float) -> None:
        self.faults = Faults(fresh_s)
        self.targets: dict[int, int] = {}
        self.scene: int | None = None
        self.counted = False
        self.counted_to = 0
        self.meddled = 0
        self._found: dict[int, int] = {}
        self._level_s: dict[int, float] = {}
        self._round_s: dict[int, float] = {}

    # --- told

    def overheard(self, frame: f.Frame) -> None:
        """Another master, or a panel on the wall, put a frame on the bus."""
        address, data = frame
        self.meddled += f.target_of(address) is None or (bool(address & 1) and data == f.READ_MEMORY)
        self.heard(frame)

    def heard(self, frame: f.Frame) -> None:
        """A frame of ours or another's was on the bus: what it asks of whom."""
        address, data = frame
        target = f.target_of(address)
        if target is None:
            return
        if address & 1 == 0:
            if data != MASK:
                for gear in self._concerned(target):
                    self.targets[gear] = data
        elif data == f.OFF:
            for gear in self._concerned(target):
                self.targets[gear] = 0
        elif data < f.QUERY_STATUS and (data <= 0x0F or f.GO_TO_SCENE <= data < f.GO_TO_SCENE + 16):
            if data >= f.GO_TO_SCENE and target == f.ALL:
                self.scene = data - f.GO_TO_SCENE
            for gear in self._concerned(target):
                self.targets.pop(gear, None)  # steps and scenes: only the gear knows where they lead

    def _concerned(self, target: f.Target) -> list[int]:
        if target.gear is not None:
            return [target.gear]
        known = {*self.faults.groups, *self.faults.heard_s, *self.targets}
        if target.group is None:
            return sorted(known)
        if not self.counted:
            self.targets.clear()  # of whom something was asked before may be a member
            return []
        return self.members(target.group)

    def answered(self, gear: int, now_s: float) -> None:
        """A gear answered for itself."""
        self.faults.heard(gear, now_s)

    def told_level(self, gear: int, now_s: float) -> None:
        """A level was read; how long since the one before."""
        self.faults.heard(gear, now_s)
        if (before_s := self._level_s.get(gear)) is not None:
            self._round_s[gear] = now_s - before_s
        self._level_s[gear] = now_s

    def count(self, gear: int, groups: int | None) -> None:
        """A gear was asked which groups it is in [bits 0..15]; None: nobody answers by this address."""
        if groups is not None:
            self._found[gear] = groups
        self.counted_to = gear + 1

    def count_is_over(self) -> None:
        """All gear was asked; who did not answer is not there."""
        self.faults.groups, self._found = self._found, {}
        self.counted, self.counted_to = True, 0

    # --- asked

    def members(self, group: int) -> list[int]:
        """Gear in a group, by short address."""
        return [gear for gear, bits in sorted(self.faults.groups.items()) if bits >> group & 1]

    @property
    def cycle_s(self) -> float | None:
        """The longest time between two levels of one gear [s]; None before there were two."""
        return max(self._round_s.values(), default=None)
