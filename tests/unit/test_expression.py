# SPDX-License-Identifier: Apache-2.0
"""What the language of calculated tags accepts, and where its errors point."""

import pytest

from config.expression import DEPTH_MAX, LENGTH_MAX, NODES_MAX, ExpressionError, parse
from config.tree import BlockCall, Choice, Compare, Name, Number, Text, Truth, walk

BAD = [
    # text, column, part of the message
    ("", 1, "got nothing"),
    ("   ", 1, "got nothing"),
    ("P +", None, "cannot be read"),
    ("P = 1", None, "cannot be read"),
    ("P; Q", None, "cannot be read"),
    ("1if K1 else 2", None, "cannot be read"),
    ("a.b", 1, "'.' after a name"),
    ("1 + a[0]", 5, "an index"),
    ("(lambda: 1)", 2, "a lambda"),
    ("[x for x in y]", 1, "'ListComp'"),
    ("f'{x}'", 1, "an f-string"),
    ("(a := 1)", 2, "':='"),
    ("1, 2", 1, "a list of values"),
    ("{1: 2}", 1, "a mapping"),
    ("x ** 2", 1, "+ - * /"),
    ("x % 2", 1, "+ - * /"),
    ("x // 2", 1, "+ - * /"),
    ("x & y", 1, "+ - * /"),
    ("~x", 1, "'-' or 'not'"),
    ("+x", 1, "'-' or 'not'"),
    ("x is y", 1, "to compare"),
    ("x in y", 1, "to compare"),
    ("True", 1, "true or false"),
    ("None", 1, "true or false"),
    ("1j", 1, "expected a number"),
    ("b'on'", 1, "expected a number"),
    ("...", 1, "expected a number"),
    ("1e999", 1, "expected a number"),
    ("9" * 400, 1, "expected a number"),
    ("''", 1, "1..64 characters"),
    ("'" + "x" * 65 + "'", 1, "1..64 characters"),
    ("_x", 1, "expected a name"),
    ("x__class__" + "y" * 40, 1, "expected a name"),
    ("été + 1", 1, "expected a name"),
    ("'é' == x.y", 8, "'.' after a name"),
    ("__import__('os')", 1, "no function '__import__'"),
    ("eval('1')", 1, "no function 'eval'"),
    ("P + mxa(1, 2)", 5, "did you mean 'max'?"),
    ("held_fr(x, '1 s')", 1, "did you mean 'held_for'?"),
    ("x.y()", 1, "name of a function"),
    ("max(*x)", 1, "plain arguments"),
    ("max(x, y, key=z)", 1, "plain arguments"),
    ("min(x)", 1, "expected 2..16 arguments"),
    ("abs(x, y)", 1, "expected 1 arguments"),
    ("clip(x, 1)", 1, "expected 3 arguments"),
    ("round(x, 10)", 10, "digits"),
    ("round(x, 0.5)", 10, "digits"),
    ("good(1)", 1, "good(Tag)"),
    ("good(a, b)", 1, "good(Tag)"),
    ("held_for(x)", 1, "held_for(condition, '10 s')"),
    ("held_for(x, 10)", 13, "quoted duration"),
    ("held_for(x, '10')", 13, "quoted duration"),
    ("held_for(x, '0 s')", 13, "above 0"),
    ("held_for(x, '367 d')", 13, "up to '366 d'"),
    ("held_for(x, y)", 13, "quoted duration"),
    ("integrate(x, 'hour')", 14, "'s', 'min', 'h' or 'd'"),
    ("counter(x)", 1, "counter(value, 4294967296)"),
    ("counter(x, 1)", 12, "modulus"),
    ("counter(x, y)", 12, "a number here"),
    ("counter(x, true)", 12, "a number here"),
    ("counter(x, 100, 100)", 17, "below the modulus"),
    ("is_night(1)", 1, "got 1 arguments"),
    ("local_hour(x)", 1, "expected local_hour(), got 1 arguments"),
    ("is_past()", 1, "expected is_past(Until), got 0 arguments"),
    ("is_past(x, 26)", 12, "quoted duration"),
    ("count_in(x)", 1, "count_in(condition, '10 min')"),
    ("count_in(x, '400 d')", 13, "up to '366 d'"),
    ("change_in(x, y)", 14, "quoted duration"),
    ("'a\\x41'", 3, "not allowed"),
    ("a\0b", 2, "not allowed"),
    ("(" * 300 + "1" + ")" * 300, None, "cannot be read"),
    ("-" * 900 + "1", DEPTH_MAX + 1, "levels of nesting"),
    ("+".join("1" * (NODES_MAX // 2 + 2)), None, "levels of nesting"),
    (
        "max("
        + ",".join(["max(" + ",".join("a" * 16) + ")"] * 16)
        + ") if max("
        + ",".join(["max(" + ",".join("a" * 16) + ")"] * 16)
        + ") > 1 else 1",
        None,
        "parts in one",
    ),
    ("1" + " " * LENGTH_MAX, LENGTH_MAX, "at most"),
]


@pytest.mark.parametrize(("text", "column", "message"), BAD, ids=[repr(b[0][:24]) for b in BAD])
def test_refused_with_its_column(text: str, column: int | None, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in caught.value.message
    if column is not None:
        assert caught.value.column == column
    assert 1 <= caught.value.column <= len(text) + 1
    assert str(caught.value) == f"column {caught.value.column}: {caught.value.message}"


def test_names_blocks_and_literals() -> None:
    e = parse(
        "integrate(a, 'min') + delta(b) if held_for(good(c) and d, '1.5 min') and e < 1 < f else counter(g, 65536)"
    )
    assert e.names == set("abcdefg")
    assert {(b.block, b.literals) for b in e.blocks} == {
        ("integrate", (60.0,)),
        ("delta", ()),
        ("held_for", (90.0,)),
        ("counter", (65536.0, 16384.0)),
    }


def test_inner_blocks_come_before_outer_ones() -> None:
    e = parse("held_for(unchanged_for(x, '1 h'), '10 s')")
    assert [b.block for b in e.blocks] == ["unchanged_for", "held_for"]


def test_tree_of_a_choice() -> None:
    e = parse("'fault' if Supply_Loss else 'on'")
    assert e.tree == Choice(1, Name(12, "Supply_Loss"), Text(1, "fault"), Text(29, "on"))


def test_chained_comparison_and_small_truths() -> None:
    assert parse("0 < x <= 0x10").tree == Compare(1, ("<", "<="), (Number(1, 0.0), Name(5, "x"), Number(10, 16.0)))
    assert parse("true").tree == Truth(1, True)


def test_layout_does_not_matter_and_columns_count_it() -> None:
    e = parse("\n  a\n\t+ b\n")
    assert [(n.name, n.column) for n in walk(e.tree) if isinstance(n, Name)] == [("a", 4), ("b", 9)]
    assert parse("'été' == x").names == {"x"}


def test_nothing_is_run() -> None:
    e = parse("held_for(1 / 0 > 0, '10 s')")
    assert isinstance(e.tree, BlockCall)
