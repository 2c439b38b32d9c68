# SPDX-License-Identifier: Apache-2.0
"""Any text is either an expression or an error with a column inside it; nothing else ever leaves the parser."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from config.binding import Operand, bind
from config.expression import ExpressionError, parse
from config.tree import render, walk
from config.words import Kind

SCOPE = {"P": Operand(Kind.Float), "K1": Operand(Kind.Boolean), "Mode": Operand(Kind.Enumeration, ("auto", "off"))}
PIECES = st.sampled_from(
    "P K1 Mode 1 2.5 0x10 'auto' 'off' '10 s' 'h' ( ) , + - * / < <= == != and or not if else min( max( abs( round( "
    "held_for( integrate( delta( counter( unchanged_for( is_night() sun_elevation() good( true false . [ ] : lambda "
    "** := f'{P}' __class__ é \\ \n \t".split(" ")
)
texts = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map(" ".join))


@settings(max_examples=1500, deadline=None)
@given(texts)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError as error:
        assert 1 <= error.column <= len(text) + 1
        assert error.message
        return
    assert all(1 <= node.column <= len(text) for node in walk(expression.tree))
    for kind in (Kind.Double, Kind.Boolean, Kind.Enumeration):
        try:
            bind(expression, SCOPE, Operand(kind, ("auto", "off")))
        except ExpressionError as error:
            assert 1 <= error.column <= len(text)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_rendered_text_says_the_same(text: str) -> None:
    """What a function block's memory is found by: stable, and read again it renders the same (blocks aside)."""
    try:
        expression = parse(text)
    except ExpressionError:
        return
    if not expression.blocks:
        assert render(parse(render(expression.tree)).tree) == render(expression.tree)
