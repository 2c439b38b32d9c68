# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends as a where clause is judged, and what is found good can be evaluated on any event."""

from __future__ import annotations

import re
from typing import Any

from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.events import value as v
from supervisor.hmi.events.event import PlainEvent
from supervisor.hmi.events.filter import read_filter
from supervisor.hmi.events.like import Pattern
from supervisor.hmi.events.value import Type, Value, pack_all
from tests.nodeset import at, clause, element, event_filter, standard_types

VT = ua.VariantType
LITERALS = st.one_of(
    st.booleans().map(lambda x: ua.Variant(x, VT.Boolean)),
    st.integers(0, 2**16 - 1).map(lambda x: ua.Variant(x, VT.UInt16)),
    st.integers(-(2**63), 2**63 - 1).map(lambda x: ua.Variant(x, VT.Int64)),
    st.floats().map(lambda x: ua.Variant(x, VT.Double)),
    st.text("abc%_[]^-\\12", max_size=6).map(lambda x: ua.Variant(x, VT.String)),
    st.lists(st.integers(0, 9), max_size=3).map(lambda x: ua.Variant(x, VT.Int32, is_array=True)),
    st.sampled_from([2041, 2782, 2915, 58, 6, 12]).map(lambda x: ua.Variant(ua.NodeId(x), VT.NodeId)),
    st.just(ua.Variant()),
)
FIELDS = st.sampled_from(["Severity", "Message", "Time", "SourceNode", "EnabledState/Id", "LocalTime", "Quality"])
OPERATORS = st.sampled_from([op for op in ua.FilterOperator if op not in (ua.FilterOperator.InView,)])
OPERANDS = st.one_of(LITERALS, FIELDS, st.integers(0, 6).map(at))
ELEMENTS = st.lists(
    st.tuples(OPERATORS, st.lists(OPERANDS, min_size=1, max_size=3)).map(lambda e: element(e[0], *e[1])), max_size=6
)
EVENTS = st.builds(
    lambda severity, words, quality: PlainEvent(
        (0, 2915), b"1", 1, severity, {"fr": words}, more={"Quality": Value(Type.STATUS_CODE, quality)}
    ),
    st.integers(1, 1000), st.text("abc12", max_size=5), st.sampled_from([0, 0x80000000]),
)  # fmt: skip


@given(ELEMENTS, EVENTS)
def test_a_filter_is_refused_with_a_code_or_can_be_used(elements: list[Any], event: PlainEvent) -> None:
    made, result = read_filter(event_filter([clause("Message"), clause("Quality")], elements), standard_types())
    if made is None:
        assert result is not None
        assert len(result.WhereClauseResult.ElementResults) == len(elements)
        assert not all(r.StatusCode.is_good() for r in result.WhereClauseResult.ElementResults)
    else:
        assert made.passes(event, "fr") in (True, False)
        assert made.pack(event, "fr") == pack_all([v.text(event.message["fr"], "fr"), event.more["Quality"]])


SAFE = st.text("ab%_", max_size=8)


@given(SAFE, st.text("abc", max_size=12))
def test_wildcards_are_those_of_a_regular_expression(pattern: str, text: str) -> None:
    same = "".join({"%": ".*", "_": "."}.get(c, c) for c in pattern)
    assert Pattern(pattern).matches(text) is (re.fullmatch(same, text) is not None)
