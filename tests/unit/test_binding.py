# SPDX-License-Identifier: Apache-2.0
"""Kinds of an expression: what fits, and what an engineer is told when it does not."""

import pytest

from config.binding import Operand, bind
from config.expression import ExpressionError, parse
from config.tree import Number, walk
from config.words import Kind

MODES = ("auto", "off", "manual")
SCOPE = {
    "P": Operand(Kind.Float),
    "N": Operand(Kind.Int32),
    "K1": Operand(Kind.Boolean),
    "Mode": Operand(Kind.Enumeration, MODES),
    "Mode2": Operand(Kind.Enumeration, MODES),
    "Pos": Operand(Kind.Enumeration, ("up", "down")),
    "FW": Operand(Kind.String),
    "Until": Operand(Kind.DateTime),
    "lamps": Operand(Kind.Int32, is_tag=False),
}
NUMBER, TRUTH, STATE = Operand(Kind.Float), Operand(Kind.Boolean), Operand(Kind.Enumeration, ("off", "on", "fault"))

FITS = [
    ("P + K1 * lamps", NUMBER),
    ("K1", NUMBER),
    ("1 if K1 else P", NUMBER),
    ("true if K1 else P", NUMBER),
    ("P > 0 and not K1", TRUTH),
    ("K1 == true", TRUTH),
    ("Mode == 'off' != 'auto'", TRUTH),
    ("Mode == Mode2", TRUTH),
    ("(Mode if K1 else 'manual') == 'off'", TRUTH),
    ("'off' == ('auto' if K1 else Mode)", TRUTH),
    ("good(FW) and good(Until)", TRUTH),
    ("unchanged_for(Mode, '1 h')", TRUTH),
    ("count_in(P > 1, '10 min') >= 3", TRUTH),
    ("change_in(P, '1 h') < 0 and local_hour() < 5.5", TRUTH),
    ("Mode != 'auto' and is_past(Until) or is_past(Until, '26 h')", TRUTH),
    ("held_for(P > 1, '1 s') or is_night()", TRUTH),
    ("integrate(K1, 'h') + sun_elevation()", NUMBER),
    ("'off' if not K1 else 'fault' if P > 1 else 'on'", STATE),
    ("Mode", Operand(Kind.Enumeration, MODES)),
]

MISFITS = [
    ("Q + 1", NUMBER, 1, "no tag or parameter 'Q'"),
    ("P + lamp", NUMBER, 5, "did you mean 'lamps'?"),
    ("good(lamps)", TRUTH, 1, "is a parameter"),
    ("good(Px)", TRUTH, 1, "no tag"),
    ("FW == 'x'", TRUTH, 1, "'FW' is a String"),
    ("Until > 0", TRUTH, 1, "'Until' is a DateTime"),
    ("P", Operand(Kind.String), 1, "String cannot be calculated"),
    ("P", Operand(Kind.DateTime), 1, "DateTime cannot be calculated"),
    ("P", TRUTH, 1, "expected a condition for a Boolean"),
    ("'on'", NUMBER, 1, "expected a Float, got a value name"),
    ("P + 'on'", NUMBER, 5, "expected a number, got a value name"),
    ("P + Mode", NUMBER, 5, "got an Enumeration; compare it, as in == 'auto'"),
    ("1 if P else 2", NUMBER, 6, "expected a condition"),
    ("not Mode", TRUTH, 5, "expected a condition"),
    ("K1 and P", TRUTH, 8, "expected a condition"),
    ("Mode < 'off'", TRUTH, 1, "== or != only"),
    ("Mode == 'manul'", TRUTH, 9, "did you mean 'manual'?"),
    ("Mode == 1", TRUTH, 9, "expected a value of auto, off, manual"),
    ("Mode == Pos", TRUTH, 9, "expected a value of auto, off, manual"),
    ("P == 'on'", TRUTH, 1, "compared with an Enumeration only"),
    ("('a' if K1 else 1) > 2", TRUTH, 2, "both results"),
    ("'on' if K1 else 'of'", STATE, 17, "did you mean 'off'?"),
    ("'on' if P else 'off'", STATE, 9, "expected a condition"),
    ("Mode", STATE, 1, "expected a value of off, on, fault"),
    ("1", STATE, 1, "expected a value of off, on, fault"),
    ("held_for(P, '1 s')", TRUTH, 10, "expected a condition"),
    ("unchanged_for('on', '1 s')", TRUTH, 1, "expected a tag to watch"),
    ("count_in(P, '1 s') > 1", TRUTH, 10, "expected a condition"),
    ("is_past(P)", TRUTH, 9, "expected the name of a DateTime tag"),
    ("is_past(P > 1)", TRUTH, 9, "expected the name of a DateTime tag"),
    ("is_past(lamps)", TRUTH, 9, "expected the name of a DateTime tag"),
    ("delta(Mode)", NUMBER, 7, "got an Enumeration"),
]


@pytest.mark.parametrize(("text", "result"), FITS, ids=[f[0] for f in FITS])
def test_fits(text: str, result: Operand) -> None:
    bind(parse(text), SCOPE, result)


@pytest.mark.parametrize(("text", "result", "column", "message"), MISFITS, ids=[m[0] for m in MISFITS])
def test_misfit(text: str, result: Operand, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        bind(parse(text), SCOPE, result)
    assert message in caught.value.message
    assert caught.value.column == column


def test_value_names_become_their_numbers() -> None:
    tree = bind(parse("'off' if Mode == 'manual' else 'fault'"), SCOPE, STATE)
    assert [n.value for n in walk(tree) if isinstance(n, Number)] == [2.0, 0.0, 2.0]


def test_deep_nesting_stays_linear() -> None:
    text = "Mode == 'off'"
    for _ in range(12):
        text = f"('auto' if {text} else Mode) == 'off'"
    bind(parse(text), SCOPE, TRUTH)
