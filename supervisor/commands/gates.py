# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_commands.py
"""What a command must pass before anything is written down: rights, the tag, the equipment's life, the value.

Law of this file: pure; the plant and one wish in, an order or a refusal out. First gate that refuses ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from config.model import Life, Role
from config.words import Rows
from supervisor.commands import values
from supervisor.commands.life import Cause
from supervisor.people import User
from supervisor.plant.plant import Plant, TagInfo

_ABSENT: Final = frozenset({Life.PLANNED, Life.RETIRED})


class Wiring:
    """Which device and which of its points a row is; built once per plant.

    Attributes:
        device: index in `plant.devices` of each row, -1 where no device has it, (rows,) i4.
        point: position in that device's point list, (rows,) i4.
    """

    def __init__(self, plant: Plant) -> None:
        self.device = np.full(plant.rows, -1, np.int32)
        self.point = np.full(plant.rows, -1, np.int32)
        for i, spec in enumerate(plant.devices):
            rows: Rows = spec.rows
            self.device[rows] = i
            self.point[rows] = np.arange(len(rows), dtype=np.int32)

    def at(self, row: int) -> tuple[int, int] | None:
        """(device, point) of a row; None where no device has it."""
        return (int(self.device[row]), int(self.point[row])) if self.device[row] >= 0 else None


@dataclass(frozen=True, slots=True)
class Order:
    """One command that passed: what goes to which point of which device, and where its effect is seen.

    Attributes:
        value: engineering value.
        cell, text: what the driver gets.
        readable: the device can be asked what it holds; False for write-only points and for acts, whose pulse may
            be over before anyone can look.
        feedback: row of the feedback tag, None if the type names none.
        feedback_at: (device, point) it is told by, None if no device tells it.
        within_s: how long the effect may take [s].
    """

    row: int
    name: str
    info: TagInfo
    value: values.Value
    device: int
    point: int
    cell: int
    text: str | None
    readable: bool
    feedback: int | None
    feedback_at: tuple[int, int] | None
    within_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command does not begin."""

    cause: Cause
    sentence: str


def check(plant: Plant, wiring: Wiring, user: User, row: int, asked: values.Asked) -> Order | Refusal:
    """Every gate in order."""
    if not 0 <= row < plant.rows:
        return Refusal(Cause.UNKNOWN_TAG, "no such tag in this generation of the plant")
    block = plant.block(row)
    info = block.info
    instance = row - block.start
    kind = plant.types[block.type]
    path = kind.equipment[instance]
    area = path.partition("/")[0]
    if not user.may_write(area, kind.maintainer(instance)):
        return Refusal(Cause.NO_RIGHTS, f"{user.name} ({user.role}) may not command equipment of area {area}")
    if not plant.supported[row]:
        return Refusal(Cause.NOT_SUPPORTED, "this equipment does not have it")
    if not info.access.writable or wiring.device[row] < 0:
        return Refusal(Cause.NOT_WRITABLE, "this tag is read-only")
    if (refusal := _life(kind.life[instance], user)) is not None:
        return refusal
    if getattr(info.model, "two_step", False):
        return Refusal(Cause.TWO_STEP, "this command needs select and execute, which this door does not offer")
    try:
        value = values.engineering(info, asked)
    except values.WrongType as e:
        return Refusal(Cause.WRONG_TYPE, str(e))
    except values.OutOfRange as e:
        return Refusal(Cause.OUT_OF_RANGE, str(e))
    cell, text = values.wire(info, value)
    feedback, within_s = None, 0.0
    if info.confirm is not None:
        feedback, within_s = kind.blocks[info.confirm[0]].start + instance, info.confirm[1]
        if not plant.supported[feedback]:
            feedback = None
    return Order(
        row=row,
        name=plant.name(row),
        info=info,
        value=value,
        device=int(wiring.device[row]),
        point=int(wiring.point[row]),
        cell=cell,
        text=text,
        readable=info.access.readable and info.command != "act",
        feedback=feedback,
        feedback_at=None if feedback is None else wiring.at(feedback),
        within_s=within_s,
    )


def _life(life: str, user: User) -> Refusal | None:
    if life in _ABSENT:
        return Refusal(Cause.OUT_OF_SERVICE, f"this equipment is {life}")
    if life == Life.COMMISSIONING and user.role is not Role.ENGINEER:
        return Refusal(Cause.NO_RIGHTS, "this equipment is in commissioning; only an engineer commands it")
    return None
