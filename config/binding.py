# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_binding.py
"""What the names of an expression mean: kinds are checked, value names become numbers.

Law of this file: pure. It knows kinds and value names, never values; the same check runs in `vigie check` and at start.

Three types are enough: number, truth (a Boolean), and enumeration with its value names. A truth counts as 0 or 1 where
a number is asked for (`lamps_K1 * K1_Fb`); a number never counts as a truth, so that `if P` must be written `if P > 0`.
String and DateTime tags cannot be calculated with; a DateTime can be asked whether it is past. All numbers are computed
as float64: integers beyond 2^53 lose their last digits.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from config.expression import Expression, ExpressionError
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
)
from config.words import Kind


@dataclass(frozen=True, slots=True)
class Operand:
    """What an expression may know of a tag or parameter.

    Attributes:
        values: value names of an Enumeration, by number; None for other kinds.
        is_tag: False for a parameter, whose status is always Good.
    """

    kind: Kind
    values: tuple[str, ...] | None = None
    is_tag: bool = True


class _Basic(Enum):
    NUMBER = auto()
    TRUTH = auto()
    TEXT = auto()


_Type = _Basic | tuple[str, ...]
"""A tuple is an enumeration with these value names."""

_TRUTH_BLOCKS: Final = ("held_for", "unchanged_for", "is_night", "is_past")


def bind(expression: Expression, scope: Mapping[str, Operand], result: Operand) -> Node:
    """The tree with every value name replaced by its number, fit to be computed.

    Args:
        scope: tags and parameters of the equipment type, by name.
        result: the calculated tag itself.
    Raises:
        ExpressionError: an unknown name, a kind that does not fit, a value name the Enumeration does not have.
    """
    return _Binder(scope).result(expression.tree, result)


class _Binder:
    def __init__(self, scope: Mapping[str, Operand]) -> None:
        self._scope = scope
        self._known: dict[int, tuple[Node, _Type]] = {}

    def result(self, tree: Node, result: Operand) -> Node:
        if result.kind in (Kind.String, Kind.DateTime):
            raise ExpressionError(f"a {result.kind.name} cannot be calculated", tree.column)
        if result.kind is Kind.Enumeration:
            return self._valued(tree, result.values or ())
        node, type_ = self._any(tree)
        if type_ is _Basic.TEXT:
            raise ExpressionError(f"expected a {result.kind.name}, got a value name", tree.column)
        if result.kind is Kind.Boolean and type_ is not _Basic.TRUTH:
            raise ExpressionError("expected a condition for a Boolean, such as 'P > 0', got a number", tree.column)
        return node

    def _any(self, node: Node) -> tuple[Node, _Type]:
        """A node and its type; remembered, so that asking twice at every level stays linear."""
        if (known := self._known.get(id(node))) is None:
            known = self._known[id(node)] = self._typed(node)
        return known

    def _typed(self, node: Node) -> tuple[Node, _Type]:
        match node:
            case Number():
                return node, _Basic.NUMBER
            case Truth():
                return node, _Basic.TRUTH
            case Text():
                return node, _Basic.TEXT
            case Name():
                return node, self._type_of(node.name, node.column)
            case Quality():
                if not self._operand(node.name, node.column).is_tag:
                    raise ExpressionError(f"good() asks for a tag; '{node.name}' is a parameter", node.column)
                return node, _Basic.TRUTH
            case Unary(operator="not"):
                return replace(node, operand=self._truth(node.operand)), _Basic.TRUTH
            case Unary():
                return replace(node, operand=self._number(node.operand)), _Basic.NUMBER
            case Binary():
                return replace(node, left=self._number(node.left), right=self._number(node.right)), _Basic.NUMBER
            case Compare():
                return self._compare(node), _Basic.TRUTH
            case Logic():
                return replace(node, operands=tuple(self._truth(n) for n in node.operands)), _Basic.TRUTH
            case Choice():
                return self._choice(node)
            case Call():
                return replace(node, arguments=tuple(self._number(n) for n in node.arguments)), _Basic.NUMBER
            case BlockCall():
                return self._block(node)

    def _operand(self, name: str, column: int) -> Operand:
        operand = self._scope.get(name)
        if operand is None:
            close = difflib.get_close_matches(name, self._scope, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ExpressionError(f"no tag or parameter '{name}' in this type{hint}", column)
        return operand

    def _type_of(self, name: str, column: int) -> _Type:
        operand = self._operand(name, column)
        if operand.kind in (Kind.String, Kind.DateTime):
            raise ExpressionError(f"'{name}' is a {operand.kind.name}, which cannot be calculated with", column)
        if operand.kind is Kind.Boolean:
            return _Basic.TRUTH
        return operand.values if operand.kind is Kind.Enumeration and operand.values else _Basic.NUMBER

    def _number(self, node: Node) -> Node:
        bound, type_ = self._any(node)
        if type_ is _Basic.TEXT:
            raise ExpressionError("expected a number, got a value name", node.column)
        if isinstance(type_, tuple):
            raise ExpressionError(
                f"expected a number, got an Enumeration; compare it, as in == '{type_[0]}'", node.column
            )
        return bound

    def _time(self, node: Node) -> None:
        """A node that must be the name of a DateTime tag."""
        if not isinstance(node, Name) or self._operand(node.name, node.column).kind is not Kind.DateTime:
            raise ExpressionError("expected the name of a DateTime tag", node.column)

    def _truth(self, node: Node) -> Node:
        bound, type_ = self._any(node)
        if type_ is not _Basic.TRUTH:
            raise ExpressionError("expected a condition such as 'K1_Fb' or 'P > 0'", node.column)
        return bound

    def _valued(self, node: Node, values: tuple[str, ...]) -> Node:
        """A node that must give a value of one Enumeration."""
        if isinstance(node, Text):
            if node.text not in values:
                raise ExpressionError(
                    f"expected one of {', '.join(values)}, got '{node.text}'{_guess(node.text, values)}", node.column
                )
            return Number(node.column, float(values.index(node.text)))
        if isinstance(node, Choice):
            condition = self._truth(node.condition)
            then, otherwise = self._valued(node.then, values), self._valued(node.otherwise, values)
            return replace(node, condition=condition, then=then, otherwise=otherwise)
        bound, type_ = self._any(node)
        if type_ != values:
            raise ExpressionError(f"expected a value of {', '.join(values)}", node.column)
        return bound

    def _compare(self, node: Compare) -> Node:
        typed = [self._any(n) for n in node.operands]
        enumeration = next((t for _, t in typed if isinstance(t, tuple)), None)
        if enumeration is not None:
            if any(op not in ("==", "!=") for op in node.operators):
                raise ExpressionError("an Enumeration is compared with == or != only", node.column)
            return replace(node, operands=tuple(self._valued(n, enumeration) for n in node.operands))
        if any(type_ is _Basic.TEXT for _, type_ in typed):
            raise ExpressionError("a value name is compared with an Enumeration only", node.column)
        return replace(node, operands=tuple(bound for bound, _ in typed))

    def _choice(self, node: Choice) -> tuple[Node, _Type]:
        condition = self._truth(node.condition)
        (then, type_then), (otherwise, type_otherwise) = self._any(node.then), self._any(node.otherwise)
        type_ = type_then
        enumeration = next((t for t in (type_then, type_otherwise) if isinstance(t, tuple)), None)
        if enumeration is not None:
            type_ = enumeration
            then, otherwise = self._valued(node.then, enumeration), self._valued(node.otherwise, enumeration)
        elif type_then is not type_otherwise:
            if _Basic.TEXT in (type_then, type_otherwise):
                raise ExpressionError("expected both results of if/else to be value names", node.column)
            type_ = _Basic.NUMBER
        return replace(node, condition=condition, then=then, otherwise=otherwise), type_

    def _block(self, node: BlockCall) -> tuple[Node, _Type]:
        type_ = _Basic.TRUTH if node.block in _TRUTH_BLOCKS else _Basic.NUMBER
        if node.argument is None:
            return node, type_
        if node.block == "is_past":
            self._time(node.argument)
            return node, type_
        if node.block in ("held_for", "count_in"):
            return replace(node, argument=self._truth(node.argument)), type_
        if node.block == "unchanged_for":
            bound, watched = self._any(node.argument)
            if watched is _Basic.TEXT:
                raise ExpressionError("expected a tag to watch, got a value name", node.column)
            return replace(node, argument=bound), type_
        return replace(node, argument=self._number(node.argument)), type_


def _guess(text: str, values: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(text, values, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
