# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_expression.py, tests/property/test_expression_property.py
"""The language of calculated tags: text -> checked tree.

Law of this file: nothing is ever evaluated here, and what is not on the white list is an error with its column.
Whether a name exists and what kind it has is `config.binding`'s matter; the numbers are `supervisor.tags.calc`'s.

An expression names tags and parameters of its own equipment:

    'fault' if Supply_Loss or K1_Trip else 'on' if K1_Fb else 'off'
    0 if P_exp == 0 else (P - P_exp) / P_exp * 100
    integrate(K1_Fb, 'h')

Python's grammar reads it (`ast.parse`, which runs nothing); the tree is then copied node by node into the few classes
of `config.tree`. Words: `true`, `false`, `and`, `or`, `not`, `a if c else b`, comparisons (chained too), `+ - * /`,
`min max abs round floor clip good`, and the function blocks of `BLOCKS`. A quoted word is a value of an Enumeration.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from config.model import seconds
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
    Text,
    Truth,
    Unary,
    walk,
)

LENGTH_MAX: Final = 2000
"""Longest expression [characters]. The longest one shipped has about 300."""
DEPTH_MAX: Final = 40
"""Deepest nesting of nodes; keeps every walk over a tree far from Python's recursion limit."""
NODES_MAX: Final = 400
"""Most nodes of one expression; bounds the cost of one calculated tag."""
DURATION_MAX_S: Final = 366 * 86400.0
"""Longest duration of a function block [s]."""

ARITHMETIC: Final = ("+", "-", "*", "/")
COMPARISONS: Final = ("<", "<=", ">", ">=", "==", "!=")
FUNCTIONS: Final = {"min": (2, 16), "max": (2, 16), "abs": (1, 1), "floor": (1, 1), "round": (1, 2), "clip": (3, 3)}
"""Function -> fewest and most arguments."""
BLOCKS: Final = {
    "held_for": "held_for(condition, '10 s')",
    "integrate": "integrate(value, 'h')",
    "delta": "delta(value)",
    "counter": "counter(value, 4294967296)",
    "unchanged_for": "unchanged_for(value, '2 h')",
    "sun_elevation": "sun_elevation()",
    "is_night": "is_night()",
    "local_hour": "local_hour()",
    "local_weekday": "local_weekday()",
    "is_past": "is_past(Until)",
    "count_in": "count_in(condition, '10 min')",
    "change_in": "change_in(value, '1 h')",
}
"""Function block -> how it is written."""
CLOCKS: Final = frozenset({"sun_elevation", "is_night", "local_hour", "local_weekday", "is_past"})
"""Of these, those that have no memory: what they tell follows from the time alone, or from it and one tag."""
TIME_UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""Units of time for `integrate` [s]."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_BINARY: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


class ExpressionError(ValueError):
    """An expression that an engineer must change.

    Attributes:
        message: what was expected and what was found.
        column: where, 1 for the first character of the expression.
    """

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    Attributes:
        source: the text as written.
        tree: its root.
        names: tags and parameters it reads.
        blocks: its function blocks, inner ones before outer ones.
    """

    source: str
    tree: Node
    names: frozenset[str]
    blocks: tuple[BlockCall, ...]


def parse(text: str) -> Expression:
    """Read and check an expression.

    Raises:
        ExpressionError: the first thing in it that is not allowed.
    """
    if len(text) > LENGTH_MAX:
        raise ExpressionError(f"expected at most {LENGTH_MAX} characters, got {len(text)}", LENGTH_MAX)
    if not text.strip():
        raise ExpressionError("expected an expression, got nothing", 1)
    for hostile in "\\\0\f":
        if hostile in text:
            raise ExpressionError(f"the character {hostile!r} is not allowed", text.index(hostile) + 1)
    line = re.sub(r"[\r\n\t]", " ", text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            root = ast.parse(line.strip(), mode="eval").body
    except SyntaxError as error:
        column = max(1, error.offset or 1) + len(line) - len(line.lstrip())
        raise ExpressionError("expected an expression such as 'P1 + P2'; it cannot be read from here", column) from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError("expected an expression such as 'P1 + P2'; it cannot be read", 1) from None
    tree = _Reader(line).read(root, 1)
    nodes = tuple(walk(tree))
    names = frozenset(n.name for n in nodes if isinstance(n, Name | Quality))
    return Expression(text, tree, names, tuple(n for n in nodes if isinstance(n, BlockCall)))


class _Reader:
    """Copies Python's tree into ours, refusing what is not on the white list."""

    def __init__(self, line: str) -> None:
        self._bytes = line.strip().encode()
        self._indent = len(line) - len(line.lstrip())
        self._nodes = 0
        self._kinds: dict[type[ast.expr], Callable[..., Node]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.Compare: self._compare,
            ast.BoolOp: self._logic,
            ast.IfExp: self._choice,
            ast.Call: self._call,
        }

    def _column(self, node: ast.expr) -> int:
        return len(self._bytes[: node.col_offset].decode(errors="replace")) + self._indent + 1

    def _refuse(self, node: ast.expr, message: str) -> ExpressionError:
        return ExpressionError(message, self._column(node))

    def read(self, node: ast.expr, depth: int) -> Node:
        self._nodes += 1
        if depth > DEPTH_MAX:
            raise self._refuse(node, f"expected at most {DEPTH_MAX} levels of nesting")
        if self._nodes > NODES_MAX:
            raise self._refuse(node, f"expected at most {NODES_MAX} parts in one expression")
        reader = self._kinds.get(type(node))
        if reader is None:
            raise self._refuse(node, f"{_described(node)} is not allowed in an expression")
        return reader(node, depth + 1)

    def _constant(self, node: ast.Constant, _depth: int) -> Node:
        value = node.value
        if isinstance(value, str):
            if not 1 <= len(value) <= 64:
                raise self._refuse(node, "expected a value name of 1..64 characters")
            return Text(self._column(node), value)
        if isinstance(value, bool) or value is None:
            raise self._refuse(node, f"expected true or false in small letters, got {value}")
        if isinstance(value, int | float) and abs(value) < 1e300 and math.isfinite(value):
            return Number(self._column(node), float(value))
        raise self._refuse(node, "expected a number, true, false or a quoted value name")

    def _name(self, node: ast.Name, _depth: int) -> Node:
        if node.id in ("true", "false"):
            return Truth(self._column(node), node.id == "true")
        if not _NAME.fullmatch(node.id):
            raise self._refuse(node, f"expected a name of letters, digits and '_', got '{node.id}'")
        return Name(self._column(node), node.id)

    def _unary(self, node: ast.UnaryOp, depth: int) -> Node:
        if isinstance(node.op, ast.Not):
            return Unary(self._column(node), "not", self.read(node.operand, depth))
        if isinstance(node.op, ast.USub):
            return Unary(self._column(node), "-", self.read(node.operand, depth))
        raise self._refuse(node, "expected '-' or 'not' before a value")

    def _binary(self, node: ast.BinOp, depth: int) -> Node:
        operator = _BINARY.get(type(node.op))
        if operator is None:
            raise self._refuse(node, "expected one of + - * / between two values")
        return Binary(self._column(node), operator, self.read(node.left, depth), self.read(node.right, depth))

    def _compare(self, node: ast.Compare, depth: int) -> Node:
        operators = tuple(_COMPARE.get(type(op), "") for op in node.ops)
        if "" in operators:
            raise self._refuse(node, f"expected one of {' '.join(COMPARISONS)} to compare")
        operands = tuple(self.read(n, depth) for n in (node.left, *node.comparators))
        return Compare(self._column(node), operators, operands)

    def _logic(self, node: ast.BoolOp, depth: int) -> Node:
        operator = "and" if isinstance(node.op, ast.And) else "or"
        return Logic(self._column(node), operator, tuple(self.read(n, depth) for n in node.values))

    def _choice(self, node: ast.IfExp, depth: int) -> Node:
        parts = (self.read(n, depth) for n in (node.test, node.body, node.orelse))
        return Choice(self._column(node), *parts)

    def _call(self, node: ast.Call, depth: int) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self._refuse(node, "expected the name of a function before '('")
        name = node.func.id
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self._refuse(node, f"expected plain arguments for {name}()")
        if name in BLOCKS:
            return self._block(name, node, depth)
        if name == "good":
            if len(node.args) != 1 or not isinstance(operand := self.read(node.args[0], depth), Name):
                raise self._refuse(node, "expected good(Tag) with the name of one tag")
            return Quality(self._column(node), operand.name)
        if name not in FUNCTIONS:
            raise self._refuse(node, f"no function '{name}'{_guess(name, (*FUNCTIONS, 'good', *BLOCKS))}")
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(node.args) <= most:
            expected = str(fewest) if fewest == most else f"{fewest}..{most}"
            raise self._refuse(node, f"expected {expected} arguments for {name}(), got {len(node.args)}")
        if name == "round" and len(node.args) == 2:
            digits = self._literal(node.args[1])
            if digits not in range(10):
                raise self._refuse(node.args[1], "expected the number of digits 0..9")
            return Call(self._column(node), name, (self.read(node.args[0], depth),), int(digits))
        return Call(self._column(node), name, tuple(self.read(n, depth) for n in node.args))

    def _block(self, name: str, node: ast.Call, depth: int) -> BlockCall:
        arguments = node.args
        fewest, most = _BLOCK_ARGUMENTS[name]
        if not fewest <= len(arguments) <= most:
            raise self._refuse(node, f"expected {BLOCKS[name]}, got {len(arguments)} arguments")
        literals: tuple[float, ...] = ()
        if name in ("held_for", "unchanged_for", "count_in", "change_in"):
            literals = (self._duration(arguments[1]),)
        elif name == "is_past":
            literals = (self._duration(arguments[1]) if len(arguments) == 2 else 0.0,)
        elif name == "integrate":
            literals = (self._time_unit(arguments[1]),)
        elif name == "counter":
            literals = self._modulus(arguments)
        argument = self.read(arguments[0], depth) if arguments else None
        return BlockCall(self._column(node), name, argument, literals)

    def _literal(self, node: ast.expr) -> float:
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300:
            return float(value)
        raise self._refuse(node, "expected a number here, not a calculation")

    def _duration(self, node: ast.expr) -> float:
        text = node.value if isinstance(node, ast.Constant) else None
        try:
            duration = seconds(text)
        except ValueError:
            raise self._refuse(node, "expected a quoted duration such as '10 s', '5 min' or '2 h'") from None
        if not isinstance(duration, float) or not 0 < duration <= DURATION_MAX_S:
            raise self._refuse(node, "expected a duration above 0 and up to '366 d'")
        return duration

    def _time_unit(self, node: ast.expr) -> float:
        text = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(text, str) or text not in TIME_UNITS:
            raise self._refuse(node, "expected the unit of time 's', 'min', 'h' or 'd'")
        return TIME_UNITS[text]

    def _modulus(self, arguments: list[ast.expr]) -> tuple[float, float]:
        modulus = self._literal(arguments[1])
        if not 2 <= modulus <= 2**53:
            raise self._refuse(arguments[1], "expected the counter's modulus 2..9007199254740992 (2^53)")
        advance = self._literal(arguments[2]) if len(arguments) == 3 else modulus / 4
        if not 0 < advance < modulus:
            raise self._refuse(arguments[2], "expected the greatest advance above 0 and below the modulus")
        return modulus, advance


_BLOCK_ARGUMENTS: Final = {
    "held_for": (2, 2),
    "integrate": (2, 2),
    "delta": (1, 1),
    "counter": (2, 3),
    "unchanged_for": (2, 2),
    "count_in": (2, 2),
    "change_in": (2, 2),
    "is_past": (1, 2),
    "sun_elevation": (0, 0),
    "is_night": (0, 0),
    "local_hour": (0, 0),
    "local_weekday": (0, 0),
}

_DESCRIBED: Final[dict[type[ast.expr], str]] = {
    ast.Attribute: "a '.' after a name",
    ast.Subscript: "an index '[...]'",
    ast.Lambda: "a lambda",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment ':='",
    ast.Tuple: "a list of values",
    ast.List: "a list of values",
    ast.Set: "a set '{...}'",
    ast.Dict: "a mapping '{...}'",
    ast.Starred: "a '*' before a value",
}


def _described(node: ast.expr) -> str:
    return _DESCRIBED.get(type(node), f"'{type(node).__name__}'")


def _guess(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(known))}"
