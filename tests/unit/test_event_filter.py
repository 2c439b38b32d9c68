# SPDX-License-Identifier: Apache-2.0
"""Event filters, clause by clause and operator by operator: OPC 10000-4, 7.7 and 7.22.3."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from asyncua import ua

from supervisor.hmi.events import value as v
from supervisor.hmi.events.event import PlainEvent
from supervisor.hmi.events.filter import CLAUSES_MAX, EventFilter, read_filter
from supervisor.hmi.events.like import PATTERN_LENGTH_MAX, Pattern
from supervisor.hmi.events.value import Type, Value
from supervisor.hmi.events.where import ELEMENTS_MAX, OPERANDS_MAX
from tests.nodeset import at, clause, element, event_filter, standard_types

IDS, CODES, OP = ua.ObjectIds, ua.StatusCodes, ua.FilterOperator
VT = ua.VariantType

EVENT = PlainEvent(
    (0, IDS.ExclusiveLevelAlarmType),
    b"\x01\x02",
    1_000_000_000,
    750,
    {"fr": "Tension haute", "en": "Voltage high"},
    source=(2, "21605/CAB-0003"),
    source_name="21605/CAB-0003",
    more={
        "": v.node_id(2, "21605/CAB-0003/V"),
        "EnabledState/Id": v.TRUE,
        "HighLimit": Value(Type.DOUBLE, 253.0),
        "Retain": v.TRUE,
        "Quality": Value(Type.STATUS_CODE, 0x80340000),
        "ConditionSubClassId": Value(Type.NODE_ID, ((0, 1), (0, 2), (0, 3)), True),
        "2:Added": Value(Type.BYTE, 0b0110),
    },
)


def lit(value: Any, type_: ua.VariantType) -> ua.Variant:
    return ua.Variant(value, type_)


def node(number: int) -> ua.Variant:
    return lit(ua.NodeId(number), VT.NodeId)


NULL = ua.Variant()
TRUE, FALSE = lit(True, VT.Boolean), lit(False, VT.Boolean)


def read(*elements: Any) -> EventFilter:
    made, _ = read_filter(event_filter([clause("EventId")], list(elements)), standard_types())
    assert made is not None
    return made


def passes(*elements: Any) -> bool:
    return read(*elements).passes(EVENT, "fr")


# --- select clauses ---------------------------------------------------------------------------------------------------


def select(*clauses: Any, locale: str = "fr") -> tuple[list[Value | None], list[int]]:
    made, result = read_filter(event_filter([clause("EventId"), *clauses]), standard_types())
    assert made is not None
    codes = [] if result is None else [c.value for c in result.SelectClauseResults][1:]
    return made.fields(EVENT, locale)[1:], codes


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (clause("Severity"), Value(Type.UINT16, 750)),
        (clause("SourceNode"), Value(Type.NODE_ID, (2, "21605/CAB-0003"))),
        (clause("EnabledState/Id", IDS.ConditionType), v.TRUE),
        (clause("EnabledState/Id"), v.TRUE),  # BaseEventType: the path alone counts
        (clause("HighLimit", IDS.LimitAlarmType), Value(Type.DOUBLE, 253.0)),
        (clause("", IDS.ConditionType), Value(Type.NODE_ID, (2, "21605/CAB-0003/V"))),
        (clause("2:Added"), Value(Type.BYTE, 6)),
        (clause("2:Added", IDS.AlarmConditionType), Value(Type.BYTE, 6)),
        (clause("NormalState", IDS.OffNormalAlarmType), None),  # this event is of another type
        (clause("LocalTime"), None),  # it has none
        (clause("SourceName", IndexRange="0:4"), Value(Type.STRING, "21605")),
        (clause("ConditionSubClassId", IndexRange="1"), Value(Type.NODE_ID, ((0, 2),), True)),
        (clause("ConditionSubClassId", IndexRange="7"), None),
        (clause("EventId", IndexRange="1"), Value(Type.BYTE_STRING, b"\x02")),
    ],
)
def test_what_is_selected(wanted: Any, value: Value | None) -> None:
    assert select(wanted) == ([value], [])


def test_texts_come_in_the_language_of_the_session() -> None:
    assert select(clause("Message"), locale="en")[0] == [v.text("Voltage high", "en")]
    assert select(clause("Message"), locale="fr")[0] == [v.text("Tension haute", "fr")]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (clause("Severity", IDS.FolderType), CODES.BadTypeDefinitionInvalid),
        (clause("Severity", 0), CODES.BadTypeDefinitionInvalid),
        (clause("NoSuchField"), CODES.BadNodeIdUnknown),
        (clause("HighLimit", IDS.ConditionType), CODES.BadNodeIdUnknown),
        (clause("3:Severity"), CODES.BadNodeIdUnknown),
        (clause("Severity", AttributeId=ua.AttributeIds.DisplayName), CODES.BadAttributeIdInvalid),
        (clause("ShelvingState", IDS.AlarmConditionType), CODES.BadAttributeIdInvalid),
        (clause("", IDS.ConditionType, AttributeId=ua.AttributeIds.Value), CODES.BadAttributeIdInvalid),
        (clause("", IDS.SystemEventType), CODES.BadNodeIdUnknown),
        (clause("Severity", IndexRange="1:2"), CODES.BadTypeMismatch),
        (clause("SourceName", IndexRange="2:1"), CODES.BadIndexRangeInvalid),
        (clause("SourceName", IndexRange="1:1"), CODES.BadIndexRangeInvalid),
        (clause("SourceName", IndexRange="-1"), CODES.BadIndexRangeInvalid),
        (clause("SourceName", IndexRange="9" * 20), CODES.BadIndexRangeInvalid),
    ],
)
def test_what_no_event_has_is_null_and_said(wanted: Any, code: int) -> None:
    """OPC 10000-4, 7.22.3: result codes of the select clauses."""
    assert select(wanted) == ([None], [code])


def test_a_path_with_a_nameless_step() -> None:
    wanted = clause("Severity")
    wanted.BrowsePath = [ua.QualifiedName(None)]
    assert select(wanted) == ([None], [CODES.BadBrowseNameInvalid])


@pytest.mark.parametrize("clauses", [[], [clause("NoSuchField")], [clause("EventId")] * (CLAUSES_MAX + 1)])
def test_a_filter_that_selects_nothing_or_too_much_is_none(clauses: list[Any]) -> None:
    assert read_filter(event_filter(clauses), standard_types())[0] is None


# --- operators --------------------------------------------------------------------------------------------------------

EQUALS = [
    ("Severity", lit(750, VT.UInt16), True),
    ("Severity", lit(750, VT.Int32), True),  # UInt16 -> Int32
    ("Severity", lit(750.0, VT.Double), True),
    ("Severity", lit("750", VT.String), True),  # String -> UInt16
    ("Severity", lit("urgent", VT.String), False),  # the conversion fails: FALSE, not null
    ("Severity", lit(uuid.UUID(int=1), VT.Guid), False),  # there is no conversion
    ("Message", lit("Tension haute", VT.String), True),  # LocalizedText -> String
    ("SourceNode", lit("ns=2;s=21605/CAB-0003", VT.String), True),  # NodeId -> String
    ("SourceNode", lit(ua.NodeId("21605/CAB-0003", 2), VT.NodeId), True),
    ("EnabledState/Id", TRUE, True),
    ("EnabledState/Id", lit(1, VT.Int32), True),  # Boolean -> Int32
    ("LocalTime", lit(1, VT.Int32), False),
    ("LocalTime", NULL, False),
    ("ConditionSubClassId", lit([ua.NodeId(1), ua.NodeId(2), ua.NodeId(3)], VT.NodeId), True),
]


@pytest.mark.parametrize(("field", "literal", "wanted"), EQUALS)
def test_equals(field: str, literal: ua.Variant, wanted: bool) -> None:
    assert passes(element(OP.Equals, field, literal)) is wanted
    assert passes(element(OP.Equals, literal, field)) is wanted


ORDER = [
    (OP.GreaterThan, 749, True), (OP.GreaterThan, 750, False),
    (OP.LessThan, 751, True), (OP.LessThan, 750, False),
    (OP.GreaterThanOrEqual, 750, True), (OP.GreaterThanOrEqual, 751, False),
    (OP.LessThanOrEqual, 750, True), (OP.LessThanOrEqual, 749, False),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "number", "wanted"), ORDER)
def test_comparisons(operator: ua.FilterOperator, number: int, wanted: bool) -> None:
    assert passes(element(operator, "Severity", lit(number, VT.Int32))) is wanted


@pytest.mark.parametrize("operator", [OP.GreaterThan, OP.LessThan, OP.GreaterThanOrEqual, OP.LessThanOrEqual])
def test_what_has_no_order_compares_false(operator: ua.FilterOperator) -> None:
    for literal in (NULL, lit(ua.NodeId(1), VT.NodeId)):
        assert not passes(element(operator, "SourceNode", literal))
    assert not passes(element(operator, "LocalTime", lit(1, VT.Int32)))


def test_is_null() -> None:
    assert passes(element(OP.IsNull, "LocalTime"))
    assert not passes(element(OP.IsNull, "Severity"))


@pytest.mark.parametrize(("low", "high", "wanted"), [(750, 750, True), (700, 800, True), (751, 800, False)])
def test_between_includes_both_ends(low: int, high: int, wanted: bool) -> None:
    assert passes(element(OP.Between, "Severity", lit(low, VT.UInt16), lit(high, VT.Int64))) is wanted


def test_in_list() -> None:
    same = [lit(n, VT.UInt16) for n in (450, 750)]
    mixed = [lit("x", VT.String), lit(750.0, VT.Double)]
    assert passes(element(OP.InList, "Severity", *same))
    assert passes(element(OP.InList, "Severity", *mixed))
    assert passes(element(OP.InList, "Severity", *[lit(n, VT.Int32) for n in (450, 750)]))
    assert not passes(element(OP.InList, "Severity", lit(751, VT.UInt16)))
    assert not passes(element(OP.InList, "LocalTime", lit(751, VT.UInt16)))
    assert passes(element(OP.InList, lit(750, VT.UInt16), "LocalTime", "Severity"))


T3 = {True: TRUE, False: FALSE, None: NULL}
AND = [(True, True, True), (True, False, False), (True, None, None), (False, False, False), (False, None, False),
       (None, None, None)]  # fmt: skip
OR = [(True, True, True), (True, False, True), (True, None, True), (False, False, False), (False, None, None),
      (None, None, None)]  # fmt: skip


def logic(operator: ua.FilterOperator, *operands: bool | None) -> bool | None:
    """TRUE, FALSE or null as the value of the element shows it."""
    made = element(operator, *[T3[o] for o in operands])
    if passes(made):
        return True
    return None if passes(element(OP.IsNull, at(1)), made) else False


@pytest.mark.parametrize(("a", "b", "wanted"), AND)
def test_and_has_three_values(a: bool | None, b: bool | None, wanted: bool | None) -> None:
    assert logic(OP.And, a, b) is logic(OP.And, b, a) is wanted


@pytest.mark.parametrize(("a", "b", "wanted"), OR)
def test_or_has_three_values(a: bool | None, b: bool | None, wanted: bool | None) -> None:
    assert logic(OP.Or, a, b) is logic(OP.Or, b, a) is wanted


@pytest.mark.parametrize(("a", "wanted"), [(True, False), (False, True), (None, None)])
def test_not_has_three_values(a: bool | None, wanted: bool | None) -> None:
    assert logic(OP.Not, a) is wanted


@pytest.mark.parametrize(
    ("operand", "data_type", "equal"),
    [
        (lit(2.6, VT.Double), IDS.Int32, lit(3, VT.Int32)),
        (lit("7", VT.String), IDS.Int32, lit(7, VT.Int32)),
        ("Severity", IDS.String, lit("750", VT.String)),
    ],
)
def test_cast(operand: Any, data_type: int, equal: ua.Variant) -> None:
    assert passes(element(OP.Equals, at(1), equal), element(OP.Cast, operand, node(data_type)))


def test_a_cast_that_fails_is_null() -> None:
    assert passes(element(OP.IsNull, at(1)), element(OP.Cast, lit("x", VT.String), node(IDS.Int32)))


@pytest.mark.parametrize(
    ("type_", "wanted"),
    [
        (IDS.ExclusiveLevelAlarmType, True),
        (IDS.AlarmConditionType, True),
        (IDS.AcknowledgeableConditionType, True),
        (IDS.BaseEventType, True),
        (IDS.OffNormalAlarmType, False),
        (IDS.SystemEventType, False),
    ],
)
def test_of_type_counts_subtypes(type_: int, wanted: bool) -> None:
    assert passes(element(OP.OfType, node(type_))) is wanted


def test_bits() -> None:
    assert passes(element(OP.Equals, at(1), lit(2, VT.Byte)), element(OP.BitwiseAnd, "2:Added", lit(0b0011, VT.Byte)))
    assert passes(element(OP.Equals, at(1), lit(7, VT.Int32)), element(OP.BitwiseOr, "2:Added", lit(1, VT.Int32)))
    assert passes(element(OP.IsNull, at(1)), element(OP.BitwiseAnd, "Message", lit(1, VT.Byte)))


LIKE = [
    ("Tension%", True), ("%haute", True), ("%sion%", True), ("Tension", False), ("%", True), ("", False),
    ("Tension_haute", True), ("Tension__haute", False), ("[ST]ension%", True), ("[^ST]ension%", False),
    ("[A-Z]%", True), ("[a-z]%", False), ("%[a-f]_t_", True), ("tension%", False), (r"Tension\ haute", True),
    (r"%\%", False),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "wanted"), LIKE)
def test_like(pattern: str, wanted: bool) -> None:
    assert passes(element(OP.Like, "Message", lit(pattern, VT.String))) is wanted


def test_like_with_a_pattern_from_the_event_and_with_no_text() -> None:
    assert passes(element(OP.Like, lit("21605/CAB-0003", VT.String), "SourceName"))
    assert not passes(element(OP.Like, "EnabledState/Id", lit("%", VT.String)))
    assert not passes(element(OP.Like, "Message", "LocalTime"))


def test_a_pattern_has_a_bound() -> None:
    with pytest.raises(ValueError, match="at most 500"):
        Pattern("_" * (PATTERN_LENGTH_MAX + 1))
    with pytest.raises(ValueError, match="without its"):
        Pattern("[abc")


def test_a_hostile_pattern_costs_no_more_than_its_length_times_the_text() -> None:
    assert not Pattern("%a" * 250).matches("a" * 249 + "b" * 2000)


# --- where clauses that cannot be used -------------------------------------------------------------------------------


def judged(*elements: Any) -> tuple[list[int], list[list[int]]]:
    made, result = read_filter(event_filter([clause("EventId")], list(elements)), standard_types())
    assert made is None
    assert result is not None
    rows = result.WhereClauseResult.ElementResults
    return [r.StatusCode.value for r in rows], [[c.value for c in r.OperandStatusCodes] for r in rows]


ATTRIBUTE_OPERAND = ua.uaprotocol_auto.AttributeOperand()
BAD_OPERANDS = [
    (element(OP.Equals, ATTRIBUTE_OPERAND, TRUE), [CODES.BadFilterOperandInvalid, CODES.Good]),
    (element(OP.Equals, "NoSuchField", TRUE), [CODES.BadNodeIdUnknown, CODES.Good]),
    (element(OP.Not, at(0)), [CODES.BadFilterElementInvalid]),  # itself: a loop
    (element(OP.Not, at(5)), [CODES.BadFilterElementInvalid]),
    (element(OP.OfType, lit("i=2041", VT.String)), [CODES.BadFilterOperandInvalid]),
    (element(OP.OfType, node(IDS.FolderType)), [CODES.BadNodeIdUnknown]),
    (element(OP.Cast, TRUE, node(IDS.BaseEventType)), [CODES.Good, CODES.BadFilterOperandInvalid]),
    (element(OP.Like, "Message", lit("[a", VT.String)), [CODES.Good, CODES.BadFilterLiteralInvalid]),
    (element(OP.Equals, "Message", lit(ua.Range(), VT.ExtensionObject)), [CODES.Good, CODES.BadFilterLiteralInvalid]),
]


@pytest.mark.parametrize(("bad", "codes"), BAD_OPERANDS)
def test_operands_that_are_refused(bad: Any, codes: list[int]) -> None:
    assert judged(bad) == ([CODES.BadFilterOperandInvalid], [codes])


@pytest.mark.parametrize("operator", [OP.InView, OP.RelatedTo])
def test_operators_that_need_nodes_are_unsupported(operator: ua.FilterOperator) -> None:
    assert judged(element(operator, TRUE)) == ([CODES.BadFilterOperatorUnsupported], [[]])


@pytest.mark.parametrize("bad", [element(OP.Not), element(OP.And, TRUE), element(OP.IsNull, TRUE, TRUE)])
def test_the_number_of_operands_counts(bad: Any) -> None:
    assert judged(bad) == ([CODES.BadFilterOperandCountMismatch], [[]])


def test_every_element_is_judged() -> None:
    codes, _ = judged(element(OP.Not, at(1)), element(OP.Not, at(2)), element(OP.InView, TRUE))
    assert codes == [CODES.Good, CODES.Good, CODES.BadFilterOperatorUnsupported]


def test_a_where_clause_is_bounded() -> None:
    good = element(OP.Not, TRUE)
    assert judged(*[good] * (ELEMENTS_MAX + 1)) == ([], [])
    assert judged(element(OP.InList, *[TRUE] * (OPERANDS_MAX + 1))) == ([], [])


def test_an_element_that_many_refer_to_is_evaluated_once() -> None:
    """Two to the hundredth evaluations, if each reference were followed."""
    chain = [element(OP.And, at(i + 1), at(i + 1)) for i in range(ELEMENTS_MAX - 1)]
    assert passes(*chain, element(OP.Not, FALSE))


def test_what_the_first_element_does_not_lead_to_is_ignored() -> None:
    assert read(element(OP.Not, FALSE), element(OP.Not, TRUE)).where.steps[1] is None


def test_without_elements_everything_passes() -> None:
    assert passes()
