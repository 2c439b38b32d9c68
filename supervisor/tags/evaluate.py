# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_calc.py, tests/property/test_calc_property.py
"""A bound tree becomes a function over arrays: every instance of a type at once, value and quality together.

Law of this file: numpy over slices; no loop over instances, no clock, nothing is written.

A **result** is (values, status): (n,) arrays or scalars that broadcast; status None means Good everywhere, so that a
healthy plant pays nothing for quality. Quality follows what was *needed*, in three-valued logic:

- arithmetic, comparison, functions: the worst operand; its own code, the leftmost of equals; any Good is plain Good;
- `a and b` / `a or b`: an operand that decides the result alone decides its quality too (false and Bad is Good false);
- `x if c else y`: the worst of c and the branch taken; a branch not taken does not count;
- parameters are Good. A division by zero, or any number beyond float64, is BadOutOfRange from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from config.tree import (
    Binary,
    BlockCall,
    Call,
    Choice,
    Compare,
    Logic,
    Name,
    Node,
    Number,
    Quality,
    Truth,
    Unary,
    render,
    walk,
)
from config.words import NS_PER_S, UNCERTAIN, Kind, StatusCode, Statuses, TimesNs
from supervisor.plant.plant import Block
from supervisor.tags.blocks import FunctionBlock, Input, Tick
from supervisor.tags.locality import Locality
from supervisor.tags.memory import make_block
from supervisor.tags.table import TagTable

Array: TypeAlias = npt.NDArray[Any]
Result: TypeAlias = tuple[Array, Statuses | None]

_OUT_OF_RANGE: Final = np.uint32(StatusCode.BadOutOfRange)
_GOOD: Final = np.uint32(0)
_SEVERITY_SHIFT: Final = np.uint32(30)

_ARITHMETIC: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_COMPARE: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


class Frame:
    """One run of one step: reads slices of the table, remembers what it has read."""

    def __init__(self, table: TagTable, now: Tick, place: Locality) -> None:
        self.table = table
        self.now = now
        self.place = place
        self._read: dict[str, Result] = {}
        self.done: dict[str, Result] = {}

    def read(self, block: Block) -> Result:
        """A tag over all instances: numbers as float64, Booleans as bool."""
        if (known := self._read.get(block.tag)) is None:
            known = self._read[block.tag] = _cells(self.table, block), self._status(block)
        return known

    def _status(self, block: Block) -> Statuses | None:
        status = self.table.status[block.rows]
        return np.where(status < UNCERTAIN, _GOOD, status) if (status >= UNCERTAIN).any() else None

    def newest(self, blocks: tuple[Block, ...]) -> TimesNs:
        """Newest source time over some tags of one type, (n,) [ns]; this run's own time if there are none."""
        if not blocks:
            return np.array(self.now.now_ns, np.int64)
        newest = self.table.source_ns[blocks[0].rows].copy()
        for block in blocks[1:]:
            np.maximum(newest, self.table.source_ns[block.rows], out=newest)
        return newest


def _cells(table: TagTable, block: Block) -> Array:
    kind = block.info.kind
    if kind.is_float:
        return table.floats[block.rows]
    if kind is Kind.Boolean:
        return np.not_equal(table.cells[block.rows], 0)
    if kind is Kind.UInt64:
        return table.uints[block.rows].astype(np.float64)
    return table.cells[block.rows].astype(np.float64)


def worst(a: Statuses | None, b: Statuses | None) -> Statuses | None:
    """The worse severity of each pair; a where they are equal."""
    if a is None or b is None:
        return b if a is None else a
    return np.where((b >> _SEVERITY_SHIFT) > (a >> _SEVERITY_SHIFT), b, a)


def _best(a: Statuses, b: Statuses) -> Statuses:
    return np.where((b >> _SEVERITY_SHIFT) < (a >> _SEVERITY_SHIFT), b, a)


def _codes(status: Statuses | None) -> Statuses:
    return np.zeros((), np.uint32) if status is None else status


def _finite(values: Array, status: Statuses | None) -> Result:
    finite = np.isfinite(values)
    if finite.all():
        return values, status
    return values, worst(status, np.where(finite, _GOOD, _OUT_OF_RANGE))


Function: TypeAlias = Callable[[Frame], Result]


class Compiler:
    """Compiles the tree of one calculated tag.

    Args:
        tags: blocks of the equipment type, by tag.
        parameters: per instance, by name.
        n: number of instances.

    Attributes:
        blocks: function blocks met, by their rendered text; equal calls share one memory.
    """

    def __init__(self, tags: Mapping[str, Block], parameters: Mapping[str, Array], n: int) -> None:
        self._tags = tags
        self._parameters = parameters
        self._n = n
        self.blocks: dict[str, FunctionBlock] = {}

    def compile(self, node: Node) -> Function:
        """A function from a frame to the result of `node`."""
        match node:
            case Number(value=value) | Truth(value=value):
                constant = (np.asarray(value), None)
                return lambda frame: constant
            case Name(name=name):
                return self._name(name)
            case Quality(name=name):
                rows = self._tags[name].rows
                return lambda frame: (frame.table.status[rows] < UNCERTAIN, None)
            case Unary(operator=operator, operand=operand):
                return _unary(np.logical_not if operator == "not" else _negative, self.compile(operand))
            case Binary(operator=operator, left=left, right=right):
                return _arithmetic(_ARITHMETIC[operator], self.compile(left), self.compile(right))
            case Compare(operators=operators, operands=operands):
                return _compare([_COMPARE[op] for op in operators], [self.compile(n) for n in operands])
            case Logic(operator=operator, operands=operands):
                return _logic(operator == "and", [self.compile(n) for n in operands])
            case Choice(condition=condition, then=then, otherwise=otherwise):
                return _choice(self.compile(condition), self.compile(then), self.compile(otherwise))
            case Call():
                return self._call(node)
            case BlockCall():
                return self._block(node)
        raise TypeError(f"a bound tree holds no {type(node).__name__}")

    def _name(self, name: str) -> Function:
        if (block := self._tags.get(name)) is not None:
            return lambda frame: frame.read(block)
        values = self._parameters[name]
        constant = (values if values.dtype == np.bool_ else values.astype(np.float64), None)
        return lambda frame: constant

    def _call(self, node: Call) -> Function:
        arguments = [self.compile(n) for n in node.arguments]
        match node.function:
            case "min":
                return _fold(np.minimum, arguments)
            case "max":
                return _fold(np.maximum, arguments)
            case "abs":
                return _unary(_absolute, *arguments)
            case "floor":
                return _unary(_floor, *arguments)
            case "round":
                digits = node.digits
                return _unary(lambda x: np.round(_number(x), digits), *arguments)
            case "clip":
                value, low, high = arguments
                return _fold(np.minimum, [_fold(np.maximum, [value, low]), high])
        raise TypeError(f"no function '{node.function}'")

    def _block(self, node: BlockCall) -> Function:
        if node.argument is None:
            return _CLOCKS[node.block]
        if node.block == "is_past":
            return _is_past(self.compile(node.argument), round(node.literals[0] * NS_PER_S))
        key = render(node)
        if key not in self.blocks:
            self.blocks[key] = make_block(node.block, node.literals, self._n)
        block, argument, n = self.blocks[key], self.compile(node.argument), self._n
        watched = tags_in(node.argument, self._tags)

        def run(frame: Frame) -> Result:
            if (known := frame.done.get(key)) is None:
                values, status = argument(frame)
                known = frame.done[key] = _step(block, np.broadcast_to(values, n), status, frame.newest(watched), frame)
            return known

        return run


def tags_in(node: Node, tags: Mapping[str, Block]) -> tuple[Block, ...]:
    """The tags that a tree reads, each once (parameters left out)."""
    names = dict.fromkeys(n.name for n in walk(node) if isinstance(n, Name | Quality))
    return tuple(tags[name] for name in names if name in tags)


def _step(block: FunctionBlock, values: Array, status: Statuses | None, newest: TimesNs, frame: Frame) -> Result:
    numbers = values.astype(np.float64)
    good = np.isfinite(numbers)
    if not good.all():
        status = worst(status, np.where(good, _GOOD, _OUT_OF_RANGE))
    if status is not None:
        good &= status < UNCERTAIN
    out, own = block.step(Input(numbers, good, newest), frame.now)
    return out, worst(status, own)


def _negative(x: Array) -> Array:
    return np.negative(_number(x))


def _absolute(x: Array) -> Array:
    return np.abs(_number(x))


def _floor(x: Array) -> Array:
    return np.floor(_number(x))


def _number(x: Array) -> Array:
    return x.astype(np.float64) if x.dtype == np.bool_ else x


def _unary(operation: Callable[[Array], Array], operand: Function) -> Function:
    def run(frame: Frame) -> Result:
        values, status = operand(frame)
        return operation(values), status

    return run


def _arithmetic(operation: Callable[[Array, Array], Array], left: Function, right: Function) -> Function:
    def run(frame: Frame) -> Result:
        (a, status_a), (b, status_b) = left(frame), right(frame)
        return _finite(operation(_number(a), _number(b)), worst(status_a, status_b))

    return run


def _fold(operation: Callable[[Array, Array], Array], operands: list[Function]) -> Function:
    def run(frame: Frame) -> Result:
        values, status = operands[0](frame)
        values = _number(values)
        for operand in operands[1:]:
            other, other_status = operand(frame)
            values, status = operation(values, _number(other)), worst(status, other_status)
        return values, status

    return run


def _compare(operations: list[Callable[[Array, Array], Array]], operands: list[Function]) -> Function:
    def run(frame: Frame) -> Result:
        left, status = operands[0](frame)
        truth: Array = np.asarray(True)
        for operation, operand in zip(operations, operands[1:], strict=True):
            right, right_status = operand(frame)
            truth, status = truth & operation(left, right), worst(status, right_status)
            left = right
        return truth, status

    return run


def _logic(conjunction: bool, operands: list[Function]) -> Function:
    def run(frame: Frame) -> Result:
        values, status = operands[0](frame)
        for operand in operands[1:]:
            other, other_status = operand(frame)
            if status is not None or other_status is not None:
                status = _decided(conjunction, values, status, other, other_status)
            values = values & other if conjunction else values | other
        return values, status

    return run


def _decided(conjunction: bool, a: Array, status_a: Statuses | None, b: Array, status_b: Statuses | None) -> Statuses:
    """Quality of `a and b` (`a or b`): an operand that is false (true) decides alone; of two, the better one."""
    qa, qb = _codes(status_a), _codes(status_b)
    a_decides, b_decides = (~a, ~b) if conjunction else (a, b)
    either = np.where((qb >> _SEVERITY_SHIFT) > (qa >> _SEVERITY_SHIFT), qb, qa)
    one = np.where(a_decides, qa, np.where(b_decides, qb, either))
    return np.where(a_decides & b_decides, _best(qa, qb), one)


def _choice(condition: Function, then: Function, otherwise: Function) -> Function:
    def run(frame: Frame) -> Result:
        truth, status = condition(frame)
        (a, status_a), (b, status_b) = then(frame), otherwise(frame)
        if status_a is not None or status_b is not None:
            taken = np.where(truth, _codes(status_a), _codes(status_b))
            status = worst(status, taken)
        return np.where(truth, a, b), status

    return run


_CLOCKS: Final[dict[str, Function]] = {
    "sun_elevation": lambda frame: (np.asarray(frame.place.sun.elevation(frame.now.now_ns)), None),
    "is_night": lambda frame: (np.asarray(frame.place.sun.is_night(frame.now.now_ns)), None),
    "local_hour": lambda frame: (np.asarray(frame.place.local_hour(frame.now.now_ns)), None),
    "local_weekday": lambda frame: (np.asarray(float(frame.place.local_weekday(frame.now.now_ns))), None),
}


def _is_past(time: Function, after_ns: int) -> Function:
    def run(frame: Frame) -> Result:
        values, status = time(frame)
        return values < frame.now.now_ns - after_ns, status

    return run
