# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_expression.py
"""The checked tree of an expression: all that a calculated tag can say.

Law of this file: frozen shapes only. `config.expression` makes trees, `config.binding` gives their names a meaning,
`supervisor.tags.calc` computes them. `column` is where a node begins in the text, 1 for the first character.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Number:
    column: int
    value: float


@dataclass(frozen=True, slots=True)
class Truth:
    column: int
    value: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A value name of an Enumeration; `config.binding` replaces it by its number."""

    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A tag or a parameter of the same equipment."""

    column: int
    name: str


@dataclass(frozen=True, slots=True)
class Quality:
    """`good(Tag)`: whether the status of a tag is Good. Its own status is always Good."""

    column: int
    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    column: int
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    column: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """`a < b <= c`: operators between neighbours, len(operands) = len(operators) + 1."""

    column: int
    operators: tuple[str, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b and c` or `a or b`."""

    column: int
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    column: int
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function without memory. `digits` belongs to `round` only."""

    column: int
    function: str
    arguments: tuple[Node, ...]
    digits: int = 0


@dataclass(frozen=True, slots=True)
class BlockCall:
    """A function block: a function with memory, or one that looks at the clock.

    Attributes:
        argument: what it watches; None for the sun and the clock.
        literals: its numbers: held_for, unchanged_for, count_in, change_in, is_past: (duration [s],);
            integrate: (time unit [s],);
            counter: (modulus, greatest plausible advance between two samples); else ().
    """

    column: int
    block: str
    argument: Node | None
    literals: tuple[float, ...]


Node: TypeAlias = Number | Truth | Text | Name | Quality | Unary | Binary | Compare | Logic | Choice | Call | BlockCall


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one."""
    match node:
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Compare(operands=operands) | Logic(operands=operands):
            return operands
        case Choice(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case Call(arguments=arguments):
            return arguments
        case BlockCall(argument=argument) if argument is not None:
            return (argument,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """All nodes, those below before the one above."""
    for child in children(node):
        yield from walk(child)
    yield node


def render(node: Node) -> str:
    """The node as text, always the same for the same meaning: every operation in brackets, no layout.

    The memory of a function block is found again under this text after a restart.
    """
    match node:
        case Number(value=value):
            return repr(value)
        case Truth(value=truth):
            return "true" if truth else "false"
        case Text(text=text):
            return repr(text)
        case Name(name=name):
            return name
        case Quality(name=name):
            return f"good({name})"
        case Unary(operator=operator, operand=operand):
            return f"({operator} {render(operand)})"
        case Binary(operator=operator, left=left, right=right):
            return f"({render(left)} {operator} {render(right)})"
        case Compare(operators=operators, operands=operands):
            rest = (f" {op} {render(n)}" for op, n in zip(operators, operands[1:], strict=True))
            return f"({render(operands[0])}{''.join(rest)})"
        case Logic(operator=operator, operands=operands):
            return f"({f' {operator} '.join(map(render, operands))})"
        case Choice(condition=condition, then=then, otherwise=otherwise):
            return f"({render(then)} if {render(condition)} else {render(otherwise)})"
        case Call(function=function, arguments=arguments, digits=digits):
            return f"{function}({', '.join([*map(render, arguments), *([str(digits)] if digits else [])])})"
        case BlockCall(block=block, argument=argument, literals=literals):
            return f"{block}({', '.join([render(argument)] if argument else [])}; {', '.join(map(repr, literals))})"
