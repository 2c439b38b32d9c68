# SPDX-License-Identifier: Apache-2.0
# Tests: tests/config
"""What the expressions of a type may name, and whether one of them can be computed.

Law of this file: names and kinds, no values. Names of entries that are wrong in themselves exist, but nobody knows
their kind: an expression that reads one is not judged further.
"""

from __future__ import annotations

from config.binding import Operand, bind
from config.expression import Expression, ExpressionError, parse
from config.problems import Problem
from config.source import Place
from config.typefile import TypeFile
from config.words import Kind


def is_number(kind: Kind) -> bool:
    """A kind that has limits, a range, a unit: counts and measurements, neither codes nor truths."""
    return kind.is_float or (kind.is_integer and kind is not Kind.Enumeration)


class Scope:
    """What an expression of a type may name."""

    def __init__(self, type_: TypeFile) -> None:
        self.type = type_
        self.parameters = {n: Operand(p.kind, None, False) for n, p in type_.model.parameters.items()}
        tags = {n: Operand(t.kind, tuple(t.values) if t.values else None) for n, t in type_.model.tags.items()}
        nameless = {n for n, t in tags.items() if t.kind is Kind.Enumeration and not t.values}
        self.all = {**self.parameters, **tags}
        self.broken = type_.broken["tags"] | type_.broken["parameters"] | nameless

    def expression(
        self, text: str, result: Operand, place: Place, *, parameters_only: bool = False
    ) -> Expression | Problem:
        """The expression if every name in it exists and every kind fits, else what is wrong, at the character."""
        document = self.type.document
        try:
            expression = parse(text)
            if not expression.names & self.broken:
                bind(expression, self.parameters if parameters_only else self.all, result)
        except ExpressionError as error:
            return document.problem_inside(place, text, error.column, error.message)
        return expression
