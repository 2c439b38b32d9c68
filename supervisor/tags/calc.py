# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_calc.py, tests/property/test_calc_property.py
"""Calculated tags: every calculated tag of every type, in an order in which inputs come first.

Law of this file: one step per (type, tag), over all its instances at once; no loop over rows, no clock, no I/O.

A step runs in each scan in which one of its inputs was written, be it with what was there: the result's time is that
of its newest input, and must move even when no value did. Steps with function blocks, and those that read nothing, run
in every scan; the time of such a result is that of the scan itself where blocks count time and the result is Good. A
row is dirty only if its value or status differs (TagTable's rule).

The result of a step: no number, or beyond its kind -> BadOutOfRange; outside the tag's declared range ->
UncertainEngineeringUnitsExceeded; not fitted -> BadNotSupported. Numbers become integers by rounding half to even.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.binding import Operand, bind
from config.expression import CLOCKS, Expression, ExpressionError, parse
from config.words import UNCERTAIN, Cells, Kind, StatusCode, Statuses
from supervisor.plant.match import match_series
from supervisor.plant.plant import Block, EquipmentType, Plant
from supervisor.tags.blocks import Counter, FunctionBlock, tick
from supervisor.tags.evaluate import Array, Compiler, Frame, Function, tags_in
from supervisor.tags.locality import Locality
from supervisor.tags.table import TagTable

_OUT_OF_RANGE: Final = np.uint32(StatusCode.BadOutOfRange)


@dataclass(frozen=True, slots=True)
class Step:
    """One calculated tag over all instances of its type.

    Attributes:
        inputs: tags it reads.
        asks: their blocks and its own, by index; empty: it runs in every scan.
        counts_time: its result is as new as the scan, not only as its inputs.
        unsupported: instances that do not have it; None if all do.
        blocks: its function blocks, by their rendered text.
    """

    block: Block
    function: Function
    inputs: tuple[Block, ...]
    asks: tuple[int, ...]
    counts_time: bool
    unsupported: npt.NDArray[np.bool_] | None
    blocks: dict[str, FunctionBlock]


class Program:
    """All calculated tags of a plant.

    Args:
        place: of the site, for expressions that ask for the sun or the clock.

    Raises:
        ValueError: an expression that does not fit its type, or calculated tags in a circle. `vigie check` reports the
            same before, with file and line.
    """

    def __init__(self, plant: Plant, place: Locality) -> None:
        self.plant = plant
        self.place = place
        self.steps: tuple[Step, ...] = tuple(s for t in plant.types.values() for s in _steps(plant, t))
        self.last_ns: int | None = None
        self._ran_on: TagTable | None = None

    def run(self, table: TagTable, now_ns: int) -> None:
        """Compute everything once and put it into the table.

        Args:
            now_ns: UTC [ns]. A step back, or a pause longer than `blocks.GAP_S`, adds nothing to any function block.
        """
        now = tick(self.last_ns, now_ns)
        self.last_ns = now_ns
        whole, self._ran_on = self._ran_on is not table, table
        written = table.written_blocks
        with np.errstate(all="ignore"):
            for step in self.steps:
                if whole or not step.asks or any(written[i] for i in step.asks):
                    _run(step, Frame(table, now, self.place))
        written[:] = False

    def memories(self) -> Iterator[tuple[Block, str, FunctionBlock]]:
        """Every function block with memory: the tag it works for, its rendered text, itself."""
        for step in self.steps:
            for key, block in step.blocks.items():
                yield step.block, key, block

    def adopt(self, old: Program) -> int:
        """Take over the memory of the generation before, wherever tag (series id) and block are the same.

        Returns: number of elements carried.
        """
        saved = {(b.type, b.tag, key): (b, memory) for b, key, memory in old.memories()}
        carried = 0
        for block, key, memory in self.memories():
            if (found := saved.get((block.type, block.tag, key))) is None:
                continue
            was, former = found
            took, at = match_series(old.plant.series[was.rows], self.plant.series[block.rows])
            memory.adopt(former, took, at)
            carried += len(at)
        self.last_ns = old.last_ns
        return carried

    @property
    def counter_resets(self) -> int:
        """Resets or replacements that `counter` blocks have met."""
        return sum(int(m.resets.sum()) for _, _, m in self.memories() if isinstance(m, Counter))


def _run(step: Step, frame: Frame) -> None:
    values, status = step.function(frame)
    n = step.block.count
    cells, in_range = _to_cells(step.block, np.broadcast_to(values, n))
    codes: Statuses = np.zeros(n, np.uint32) if status is None else np.array(np.broadcast_to(status, n))
    if in_range is not None:
        codes[~in_range & (codes < 0x80000000)] = _OUT_OF_RANGE
    _judge_range(step.block, cells, codes)
    if step.unsupported is not None:
        codes[step.unsupported] = StatusCode.BadNotSupported
    source = np.broadcast_to(frame.newest(step.inputs), n)
    if step.counts_time:
        source = np.where(codes < UNCERTAIN, frame.now.now_ns, source)
    frame.table.put(step.block.rows, cells, codes, source)


def _to_cells(block: Block, values: Array) -> tuple[Cells, npt.NDArray[np.bool_] | None]:
    """Cells of the tag's kind, and where they are valid (None: everywhere)."""
    kind = block.info.kind
    if kind is Kind.Boolean:
        return values.astype(np.int64), None
    numbers = np.array(values, np.float64)
    if kind.is_float:
        valid = np.isfinite(numbers.astype(np.float32) if kind is Kind.Float else numbers)
        return numbers.view(np.int64), None if valid.all() else valid
    low, high = kind.bounds or (0, 0)
    if kind is Kind.Enumeration:
        high = len(block.info.values) - 1
    numbers = np.rint(numbers)
    valid = (numbers >= low) & (numbers < float(high + 1))
    safe = np.where(valid, numbers, 0.0)
    cells = safe.astype(np.uint64).view(np.int64) if kind is Kind.UInt64 else safe.astype(np.int64)
    return cells, None if valid.all() else valid


def _judge_range(block: Block, cells: Cells, codes: Statuses) -> None:
    info = block.info
    if np.isnan(info.low) or not (info.kind.is_float or info.kind.is_integer):
        return
    values: npt.NDArray[Any] = cells.view(info.kind.dtype)
    outside = (values < info.low) | (values > info.high)
    if outside.any():
        codes[outside & (codes < UNCERTAIN)] = StatusCode.UncertainEngineeringUnitsExceeded


def _steps(plant: Plant, t: EquipmentType) -> Iterator[Step]:
    expressions = {tag: _parsed(block) for tag, block in t.blocks.items() if block.info.calc is not None}
    scope = scope_of(t)
    for tag in _ordered(t.name, expressions):
        block = t.blocks[tag]
        try:
            tree = bind(expressions[tag], scope, scope[tag])
        except ExpressionError as error:
            raise ValueError(f"{t.name}/{tag}: {error}") from None
        compiler = Compiler(t.blocks, t.parameters, block.count)
        function = compiler.compile(tree)
        supported = plant.supported[block.rows]
        timed = any(m.counts_time for m in compiler.blocks.values())
        inputs = tags_in(tree, t.blocks)
        yield Step(
            block=block,
            function=function,
            inputs=inputs,
            asks=() if expressions[tag].blocks or not inputs else (block.index, *(b.index for b in inputs)),
            counts_time=timed or _asks_the_clock(expressions[tag]),
            unsupported=None if supported.all() else ~supported,
            blocks=compiler.blocks,
        )


def scope_of(t: EquipmentType) -> dict[str, Operand]:
    """What the expressions of a type may name; a tag hides a parameter of the same name."""
    kinds = {"b": Kind.Boolean, "i": Kind.Int64, "u": Kind.Int64, "f": Kind.Double}
    scope = {p: Operand(kinds.get(v.dtype.kind, Kind.String), is_tag=False) for p, v in t.parameters.items()}
    return scope | {tag: Operand(b.info.kind, b.info.values or None) for tag, b in t.blocks.items()}


def _parsed(block: Block) -> Expression:
    try:
        return parse(block.info.calc or "")
    except ExpressionError as error:
        raise ValueError(f"{block.type}/{block.tag}: {error}") from None


def _ordered(type_name: str, expressions: dict[str, Expression]) -> Iterable[str]:
    """Calculated tags of one type, inputs before what reads them.

    Raises:
        ValueError: some of them wait for each other.
    """
    graph = {tag: sorted(e.names & expressions.keys()) for tag, e in expressions.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ValueError(f"{type_name}: calculated tags in a circle: {circle}") from None


def _asks_the_clock(expression: Expression) -> bool:
    return any(b.block in CLOCKS for b in expression.blocks)
