# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_conditions.py
"""From an alarm rule as the engineer wrote it to the watch that looks at all its instances.

Law of this file: built once for each type and generation; nothing here is asked in a scan but the sources it hands out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from config.binding import Operand, bind
from config.expression import ExpressionError, parse
from config.model import AlarmRule
from config.words import Kind
from drivers.identity import Identities
from supervisor.alarms.delays import Mask
from supervisor.alarms.watch import (
    CalculatedWatch,
    Change,
    DiscrepancyWatch,
    DiscreteWatch,
    Floats,
    IdentityWatch,
    LimitWatch,
    Source,
    StaleWatch,
    Watch,
    both,
    usable_of,
)
from supervisor.plant.plant import Block, EquipmentType
from supervisor.tags.calc import scope_of
from supervisor.tags.evaluate import Compiler, Frame, Function, tags_in


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
            return (a - b if signed else np.abs(a - b)), both(usable_a, usable_b)

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
        return values.astype(np.float64, copy=False), usable_of(status)

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
