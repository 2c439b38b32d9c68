# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_conditions.py
"""What each kind of rule looks at: one `Watch` per rule, all instances at once.

Law of this file: numpy over slices; no delay (`delays`), no loop over instances, nothing of the machine.

A watch gives (level, usable): level 0 normal, -2..2 as limits have it, 1 for every other kind; usable None means
everywhere. What is usable is what is not Bad: an Uncertain value is still a value.

- limit: the tag against up to four limits, with deadband.
- deviation: the same on tag - `from`, or on its size if no low limit is given.
- rate: the same on how far the tag rose or fell within the last `per` (the farthest in any part of it).
- discrete: the tag equals a value, or one of several.
- discrepancy: command and feedback differ (numbers: by more than the deadband).
- stale: the value did not change in this scan; how long that may last is its on-delay.
- calculated: a condition in the language of calculated tags.
- identity: the device that a `Comm` tag speaks of answers as another one. The one kind that looks at no value: what the
  drivers found is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from config.binding import Operand, bind
from config.expression import ExpressionError, parse
from config.model import AlarmRule
from config.words import BAD, NS_PER_S, Kind, Rows, Statuses
from drivers.identity import Identities
from supervisor.alarms.delays import Levels, Mask
from supervisor.alarms.limits import LimitBank
from supervisor.plant.plant import Block, EquipmentType
from supervisor.tags.calc import scope_of
from supervisor.tags.evaluate import Compiler, Frame, Function, tags_in

Floats: TypeAlias = npt.NDArray[np.float64]
Look: TypeAlias = tuple[npt.NDArray[Any], Mask | None]
Source: TypeAlias = Callable[[Frame], tuple[Floats, Mask | None]]

RATE_SLOTS: Final = 8
"""Parts into which the time of a rate is divided: its window ends within an eighth of `per`."""


class Watch:
    """Base: looks at the table through a frame of its type."""

    def look(self, frame: Frame) -> Look:
        """(level, usable), both (n,) or scalar; usable None: everywhere."""
        raise TypeError(f"{type(self).__name__} looks at nothing")

    def seed(self, level: Levels) -> None:
        """Start from these levels, (n,): where a deadband holds what stood before."""

    def beyond(self, instances: Rows, level: Levels) -> Floats | None:
        """The limit that each of some instances is beyond at a level [unit], (k,), not finite where there is none; None
        for rules without limits.
        """
        return None


class LimitWatch(Watch):
    """Numbers from anywhere against limits.

    Args:
        limits: as `LimitBank`, (4, n).
        deadband: (n,).
    """

    def __init__(self, source: Source, limits: Floats, deadband: Floats) -> None:
        self._source = source
        self._bank = LimitBank(np.zeros(0, np.int64), limits, deadband)
        self._all: Mask = np.ones(limits.shape[1], np.bool_)

    def look(self, frame: Frame) -> Look:
        values, usable = self._source(frame)
        self._bank.judge(values, self._all if usable is None else usable)
        return self._bank.level, usable

    def seed(self, level: Levels) -> None:
        self._bank.level = level.copy()

    def beyond(self, instances: Rows, level: Levels) -> Floats | None:
        return self._bank.beyond(instances, level)


class DiscreteWatch(Watch):
    """A tag equals one of some numbers."""

    def __init__(self, block: Block, equals: tuple[float, ...]) -> None:
        self._block = block
        self._equals = equals

    def look(self, frame: Frame) -> Look:
        values, status = frame.read(self._block)
        truth = values == self._equals[0]
        for number in self._equals[1:]:
            truth |= values == number
        return truth, _usable(status)


class DiscrepancyWatch(Watch):
    """Command and feedback differ."""

    def __init__(self, command: Block, feedback: Block, deadband: float) -> None:
        self._command = command
        self._feedback = feedback
        self._deadband = deadband

    def look(self, frame: Frame) -> Look:
        (a, status_a), (b, status_b) = frame.read(self._command), frame.read(self._feedback)
        if self._deadband > 0:
            truth = np.abs(np.subtract(a, b, dtype=np.float64)) > self._deadband
        else:
            truth = a != b
        return truth, _both(_usable(status_a), _usable(status_b))


class StaleWatch(Watch):
    """Nothing new: true in every scan in which the cell is what it was."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._last: npt.NDArray[np.int64] | None = None

    def look(self, frame: Frame) -> Look:
        cells = frame.table.cells[self._block.rows]
        same = np.ones(len(cells), np.bool_) if self._last is None else cells == self._last
        self._last = cells.copy()
        usable: Mask = frame.table.status[self._block.rows] < BAD
        return same, usable


class CalculatedWatch(Watch):
    """A condition in the language of calculated tags."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def look(self, frame: Frame) -> Look:
        truth, status = self._function(frame)
        return truth, _usable(status)


class IdentityWatch(Watch):
    """Another device answers.

    Args:
        devices: of each instance, '' where it has none, (n,).
    """

    def __init__(self, devices: Sequence[str], identities: Identities) -> None:
        self._devices, self._identities = devices, identities
        self._instance = {name: i for i, name in enumerate(devices) if name}
        self._level: Levels = np.zeros(len(devices), np.int8)
        self._usable: Mask = np.ones(len(devices), np.bool_)
        self._unknown = 0

    def look(self, frame: Frame) -> Look:
        if self._level.any():
            self._level[:] = 0
        for name in self._identities.wrong:
            if (instance := self._instance.get(name)) is not None:
                self._level[instance] = 1
        unknown = self._identities.unknown
        if len(unknown) != self._unknown:  # it is the same set that shrinks
            self._unknown = len(unknown)
            self._usable = np.array([name not in unknown for name in self._devices], np.bool_)
        return self._level, self._usable

    def said(self, instance: int) -> str | None:
        """Who answers in the place of an instance: an equipment's name, or what the device says; None: it is right."""
        found = self._identities.wrong.get(self._devices[instance])
        if found is None:
            return None
        return found.answers_as.rpartition("/")[2].partition(".")[0] if found.is_known else found.answers_as


class Change:
    """How far a value rose or fell within a time, (n,); source of a rate.

    Args:
        falls, rises: which of the two is asked for; if both, the greater.
    """

    def __init__(self, source: Source, n: int, per_s: float, falls: bool, rises: bool) -> None:
        self._source = source
        self._slot_ns = max(1, round(per_s * NS_PER_S) // RATE_SLOTS)
        self._falls = falls
        self._rises = rises
        self._low: Floats = np.full((RATE_SLOTS + 1, n), np.inf)
        self._high: Floats = np.full((RATE_SLOTS + 1, n), -np.inf)
        self._slot: int | None = None

    def __call__(self, frame: Frame) -> tuple[Floats, Mask | None]:
        values, usable = self._source(frame)
        at = self._turn(frame.now.now_ns)
        seen = values if usable is None else np.where(usable, values, np.nan)
        np.fmin(self._low[at], seen, out=self._low[at])
        np.fmax(self._high[at], seen, out=self._high[at])
        rise, fall = values - self._low.min(axis=0), values - self._high.max(axis=0)
        if not self._falls:
            return rise, usable
        return (np.where(rise >= -fall, rise, fall) if self._rises else fall), usable

    def _turn(self, now_ns: int) -> int:
        """The slot of now, emptied if it is new; everything is forgotten when the clock was set back."""
        slot = now_ns // self._slot_ns
        last = slot - 1 - RATE_SLOTS if self._slot is None or slot < self._slot else self._slot
        for new in range(max(last, slot - RATE_SLOTS - 1) + 1, slot + 1):
            self._low[new % (RATE_SLOTS + 1)] = np.inf
            self._high[new % (RATE_SLOTS + 1)] = -np.inf
        self._slot = slot
        return slot % (RATE_SLOTS + 1)


class WatchMaker:
    """Makes the watches of one type; its expressions share their function blocks.

    Args:
        device_of: row of a `Comm` tag -> the device it speaks of.
        identities: who answers in whose place.

    Raises (all methods):
        ValueError: a rule that does not fit its type. `vigie check` reports the same before, with file and line.
    """

    def __init__(self, t: EquipmentType, device_of: Mapping[int, str], identities: Identities) -> None:
        self._type = t
        self._device_of = device_of
        self._identities = identities
        self._n = len(t.equipment)
        self._scope = scope_of(t)
        self._compiler = Compiler(t.blocks, t.parameters, self._n)

    def make(self, name: str, model: AlarmRule) -> Watch:
        """The watch of a rule."""
        try:
            return self._make(model)
        except (ValueError, ExpressionError) as error:
            raise ValueError(f"{self._type.name}: alarm rule {name}: {error}") from None

    def condition(self, text: str) -> Function:
        """A Boolean expression over the type's tags and parameters."""
        return self._compiler.compile(bind(parse(text), self._scope, Operand(Kind.Boolean)))

    def inputs(self, model: AlarmRule) -> tuple[int, ...] | None:
        """Blocks that a rule depends on, by index: while none of them changes, it says what it said.

        None: it depends on time, on what was before or on no tag, and is looked at in each scan.
        """
        if model.on in ("rate", "stale", "identity"):
            return None
        texts = [text for text in (model.condition, model.only_while, model.suppress_when) if text is not None]
        expressions = [parse(text) for text in texts]
        if any(expression.blocks for expression in expressions):
            return None
        trees = [bind(expression, self._scope, Operand(Kind.Boolean)) for expression in expressions]
        found = {block.index for tree in trees for block in tags_in(tree, self._type.blocks)}
        if model.on != "calculated":
            tag = None if model.on == "discrepancy" and model.feedback is not None else model.tag
            names = (tag, model.from_, model.command, model.feedback)
            found |= {self._block(name).index for name in names if name is not None}
        return tuple(sorted(found))

    def _make(self, model: AlarmRule) -> Watch:
        match model.on:
            case "limit":
                return self._limits(model, _number(self._block(model.tag)))
            case "deviation":
                return self._limits(model, self._difference(model))
            case "rate":
                return self._limits(model, self._change(model))
            case "discrete":
                block = self._block(model.tag)
                return DiscreteWatch(block, _numbers(block, model.equals))
            case "discrepancy":
                return DiscrepancyWatch(
                    self._block(model.command), self._block(model.feedback or model.tag), float(model.deadband)
                )
            case "stale":
                return StaleWatch(self._block(model.tag))
            case "calculated":
                return CalculatedWatch(self.condition(model.condition or ""))
            case "identity":
                block = self._block(model.tag)
                rows = range(block.start, block.start + block.count)
                return IdentityWatch([self._device_of.get(row, "") for row in rows], self._identities)
            case "fed":
                raise ValueError("what is fed is counted over all types (`feeders`)")

    def _block(self, tag: str | None) -> Block:
        if tag is None or (block := self._type.blocks.get(tag)) is None:
            raise ValueError(f"expected the name of a tag of this type, got {tag!r}")
        return block

    def _limits(self, model: AlarmRule, source: Source) -> LimitWatch:
        low_low, low, high, high_high = (
            self._parameter(limit) for limit in (model.low_low, model.low, model.high, model.high_high)
        )
        # A rule that names only the outer limit of a side goes straight to its outer level.
        low, high = np.where(np.isnan(low), low_low, low), np.where(np.isnan(high), high_high, high)
        limits = np.array([low_low, low, high, high_high])
        return LimitWatch(source, limits, np.full(self._n, float(model.deadband)))

    def _parameter(self, limit: float | int | str | None) -> Floats:
        """A limit for each instance: a number, or an expression over parameters; NaN where there is none."""
        if not isinstance(limit, str):
            return np.full(self._n, np.nan if limit is None else float(limit))
        expression = parse(limit)
        tags = sorted(expression.names & self._type.blocks.keys())
        if tags or expression.blocks:
            raise ValueError(f"a limit may name parameters only, not {', '.join(tags) or 'function blocks'}")
        function = self._compiler.compile(bind(expression, self._scope, Operand(Kind.Double)))
        # Parameters and numbers read nothing, so that there need be no frame yet.
        values, _ = function(cast(Frame, None))
        return np.array(np.broadcast_to(values, self._n), np.float64)

    def _difference(self, model: AlarmRule) -> Source:
        left, right = _number(self._block(model.tag)), _number(self._block(model.from_))
        signed = model.low is not None or model.low_low is not None

        def difference(frame: Frame) -> tuple[Floats, Mask | None]:
            (a, usable_a), (b, usable_b) = left(frame), right(frame)
            return (a - b if signed else np.abs(a - b)), _both(usable_a, usable_b)

        return difference

    def _change(self, model: AlarmRule) -> Source:
        if model.per is None:
            raise ValueError("a rate needs `per`")
        falls = model.low is not None or model.low_low is not None
        rises = model.high is not None or model.high_high is not None
        lowest = [self._parameter(limit) for limit in (model.low_low, model.low)]
        highest = [self._parameter(limit) for limit in (model.high, model.high_high)]
        # The farthest fall is never above 0, the farthest rise never below: such a limit would always be passed.
        if any((limit > 0).any() for limit in lowest) or any((limit < 0).any() for limit in highest):
            raise ValueError("the low limit of a rate is 0 or a fall (negative), the high one 0 or a rise")
        return Change(_number(self._block(model.tag)), self._n, model.per, falls, rises)


def _number(block: Block) -> Source:
    def read(frame: Frame) -> tuple[Floats, Mask | None]:
        values, status = frame.read(block)
        return values.astype(np.float64, copy=False), _usable(status)

    return read


def _numbers(block: Block, equals: bool | int | str | list[str] | None) -> tuple[float, ...]:
    """What a discrete rule compares with, as numbers."""
    wanted = equals if isinstance(equals, list) else [equals]
    names = block.info.values
    numbers = []
    for value in wanted:
        if isinstance(value, str):
            if value not in names:
                raise ValueError(f"'{value}' is no value of {block.tag}; expected one of {', '.join(names) or 'none'}")
            numbers.append(float(names.index(value)))
        elif value is None:
            raise ValueError("a discrete rule needs `equals`")
        else:
            numbers.append(float(value))
    return tuple(numbers)


def _usable(status: Statuses | None) -> Mask | None:
    return None if status is None else status < BAD


def _both(a: Mask | None, b: Mask | None) -> Mask | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b
