# SPDX-License-Identifier: Apache-2.0
"""A condition's row as the fields of OPC 10000-9: types and classes, ISA states, limits, texts in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asyncua import ua

from config.model import AlarmRule
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import REST, Cause, State
from supervisor.hmi.conditions.condition import ConditionEvent, where_heard
from supervisor.hmi.conditions.fields import ADDED, FIELDS
from supervisor.hmi.conditions.kind import Expiring, kind_of
from supervisor.hmi.conditions.moment import Remark
from supervisor.hmi.events import value as v
from supervisor.hmi.events.filter import read_filter
from supervisor.hmi.events.hierarchy import EventTypes
from supervisor.hmi.events.queue import TEMPLATES_MAX, Group
from supervisor.hmi.events.value import Type, Value
from tests.nodeset import clause, element, event_filter, standard_types
from tests.plants import TypeSpec, make_plant, tag

IDS = ua.ObjectIds
TEXT = {"fr": "Tension", "en": "Voltage"}
S = 1_000_000_000
NOW = 1_750_000_000 * S
UP = State(process=True, level=1, acked=False, raised_ns=NOW, occurrence_ns=NOW, annunciated=True)
LIMITS = {"on": "limit", "tag": "V", "high": 253, "high_high": "Nominal * 1.15", "low": 207, "deadband": 2}


def kind(rule: dict[str, Any], system: str | None = None) -> Any:
    spec = {t: tag(k) for t, k in {"V": "Float", "On": "Boolean", "Cmd": "Boolean", "Ref": "Float"}.items()}
    spec["Sys"] = replace(tag("Boolean"), system=system)
    spec["Plate"] = replace(tag("Boolean"), personal=True)
    plant = make_plant({"CAB": TypeSpec(spec)}, {"CAB": ["21605/CAB-0001"]})
    model = AlarmRule.model_validate({"text": TEXT, "priority": "P3"} | rule)
    (block,) = RuleBook(plant, {"CAB": {"Rule": model}}).blocks
    return kind_of(block, plant)


def event(state: State = UP, rule: dict[str, Any] | None = None, **more: Any) -> ConditionEvent:
    name = "21605/CAB-0001/Rule"
    given: dict[str, Any] = {"kind": kind(rule or LIMITS), "number": 0, "name": name, "id": b"\x01", "state": state}
    given |= {"time_ns": NOW, "receive_ns": NOW + S, "what": "alarm", "limit_of": lambda _, level: 264.5 + level}
    return ConditionEvent(**(given | {"notifiers": where_heard(name), "domain": ("21605", "")} | more))


def with_added() -> EventTypes:
    """Event types as the server has them, our own fields among them."""
    types = standard_types()
    return replace(types, every={**types.every, **ADDED})


TYPES = [
    (LIMITS, None, IDS.ExclusiveLevelAlarmType),
    ({"on": "deviation", "tag": "V", "from": "Ref", "high": 5}, None, IDS.ExclusiveDeviationAlarmType),
    ({"on": "rate", "tag": "V", "per": "1 s", "high": 5}, None, IDS.ExclusiveRateOfChangeAlarmType),
    ({"on": "discrete", "tag": "On", "equals": True}, None, IDS.OffNormalAlarmType),
    ({"on": "discrete", "tag": "On", "equals": True, "latching": True}, None, IDS.TripAlarmType),
    ({"on": "discrepancy", "command": "Cmd", "feedback": "On"}, None, IDS.DiscrepancyAlarmType),
    ({"on": "stale", "tag": "V", "after": "1 min"}, None, IDS.InstrumentDiagnosticAlarmType),
    ({"on": "discrete", "tag": "Sys", "equals": False}, "comm", IDS.SystemDiagnosticAlarmType),
    ({"on": "limit", "tag": "Sys", "low": 30}, "pki.days", IDS.CertificateExpirationAlarmType),
    ({"on": "calculated", "condition": "V > 250"}, None, IDS.AlarmConditionType),
]


@pytest.mark.parametrize(("rule", "system", "wanted"), TYPES)
def test_each_kind_of_rule_has_its_type(rule: dict[str, Any], system: str | None, wanted: int) -> None:
    assert kind(rule, system).type == (0, wanted)
    assert standard_types().is_a((0, wanted), (0, IDS.AlarmConditionType))


@pytest.mark.parametrize(
    ("class_", "wanted"),
    [("process", 11164), ("maintenance", 11165), ("system", 11166), ("safety", 17218)],
)
def test_condition_classes(class_: str, wanted: int) -> None:
    assert event(rule=LIMITS | {"class": class_}).field("ConditionClassId", "fr") == v.node_id(0, wanted)


ON, OFF = True, False
STATES = [
    # state, Active, Acked, Latched, Suppressed, OutOfService, SuppressedOrShelved, Retain (plant documentation 3.1)
    (REST, OFF, ON, OFF, OFF, OFF, OFF, OFF),  # A
    (UP, ON, OFF, OFF, OFF, OFF, OFF, ON),  # B
    (replace(UP, acked=True), ON, ON, OFF, OFF, OFF, OFF, ON),  # C
    (replace(UP, process=False), OFF, OFF, OFF, OFF, OFF, OFF, ON),  # D
    (replace(UP, process=False, latched=True), ON, OFF, ON, OFF, OFF, OFF, ON),  # E
    (replace(UP, process=False, latched=True, acked=True), ON, ON, ON, OFF, OFF, OFF, ON),  # F
    (replace(UP, shelved_until_ns=NOW + S), ON, OFF, OFF, OFF, OFF, ON, ON),  # G
    (replace(UP, causes=frozenset({Cause("p", True)})), ON, OFF, OFF, ON, OFF, ON, ON),  # H
    (replace(UP, work_order="OT 12", review_ns=NOW), ON, OFF, OFF, OFF, ON, ON, ON),  # I
    (replace(REST, shelved_until_ns=NOW + S), OFF, ON, OFF, OFF, OFF, ON, OFF),  # G, nothing in alarm
    (replace(UP, process=False, acked=True, confirmed=False), OFF, ON, OFF, OFF, OFF, OFF, ON),  # to be confirmed
    (replace(UP, enabled=False), ON, OFF, OFF, OFF, OFF, OFF, OFF),  # disabled
]
FLAGS = ["ActiveState/Id", "AckedState/Id", "LatchedState/Id", "SuppressedState/Id", "OutOfServiceState/Id",
         "SuppressedOrShelved", "Retain"]  # fmt: skip


@pytest.mark.parametrize("row", STATES)
def test_states_are_projected_as_agreed(row: tuple[Any, ...]) -> None:
    made = event(row[0])
    assert [made.field(name, "fr") for name in FLAGS] == [v.boolean(flag) for flag in row[1:]]
    assert made.field("EnabledState/Id", "fr") == v.boolean(row[0].enabled)
    assert made.field("2:ProcessActive", "fr") == v.boolean(row[0].process)
    assert made.field("2:IsaState", "fr") == v.string(row[0].flat.value)


def duration(s: float) -> Value:
    return Value(Type.DOUBLE, s * 1000.0)


TABLE = [
    ("", v.node_id(3, "21605/CAB-0001/Rule")),
    ("EventId", Value(Type.BYTE_STRING, b"\x01")),
    ("EventType", v.node_id(0, IDS.ExclusiveLevelAlarmType)),
    ("SourceNode", v.node_id(2, "21605/CAB-0001")),
    ("SourceName", v.string("21605/CAB-0001")),
    ("ConditionName", v.string("Rule")),
    ("BranchId", v.node_id(0, 0)),
    ("Time", v.time(NOW)),
    ("ReceiveTime", v.time(NOW + S)),
    ("Message", v.text("Tension (haut)", "fr")),
    ("Severity", Value(Type.UINT16, 600)),
    ("LastSeverity", Value(Type.UINT16, 600)),
    ("InputNode", v.node_id(2, "21605/CAB-0001/V")),
    ("Quality", Value(Type.STATUS_CODE, 0)),
    ("EnabledState", v.text("En service", "fr")),
    ("EnabledState/EffectiveDisplayName", v.text("Active, Non acquittée", "fr")),
    ("ActiveState", v.text("Active", "fr")),
    ("ActiveState/TransitionTime", v.time(NOW)),
    ("AckedState/TransitionTime", v.time(NOW)),
    ("AckedState/FalseState", v.text("Non acquittée", "fr")),
    ("ConfirmedState/Id", v.TRUE),
    ("ShelvingState/CurrentState/Id", v.node_id(0, IDS.ShelvedStateMachineType_Unshelved)),
    ("ShelvingState/UnshelveTime", None),
    ("MaxTimeShelved", duration(12 * 3600)),
    ("HighLimit", Value(Type.DOUBLE, 253.0)),
    ("HighHighLimit", Value(Type.DOUBLE, 266.5)),  # an expression: the instance's own
    ("LowLimit", Value(Type.DOUBLE, 207.0)),
    ("LowLowLimit", None),
    ("SeverityHighHigh", Value(Type.UINT16, 600)),
    ("HighDeadband", Value(Type.DOUBLE, 2.0)),
    ("LimitState/CurrentState", v.text("High", "en")),
    ("LimitState/CurrentState/Id", v.node_id(0, IDS.ExclusiveLimitStateMachineType_High)),
    ("OnDelay", duration(0)),
    ("FirstInGroupFlag", v.FALSE),
    ("2:Limit", Value(Type.DOUBLE, 265.5)),
    ("2:Priority", v.string("P3")),
    ("2:Cause", None),
    ("2:Chattering", v.FALSE),
    ("NoSuchField", None),
]


@pytest.mark.parametrize(("name", "wanted"), TABLE)
def test_fields(name: str, wanted: Value | None) -> None:
    assert event().field(name, "fr") == wanted


def test_every_mandatory_field_of_its_type_is_there() -> None:
    """Those of OPC 10000-9 with the modelling rule Mandatory, transitions and what is null by nature left out."""
    mandatory = (
        "EventId EventType SourceNode SourceName Time ReceiveTime Message Severity ConditionClassId ConditionClassName "
        "ConditionName BranchId Retain EnabledState EnabledState/Id Quality Quality/SourceTimestamp LastSeverity "
        "LastSeverity/SourceTimestamp Comment ClientUserId AckedState AckedState/Id ActiveState ActiveState/Id "
        "InputNode SuppressedOrShelved SupportsFilteredRetain"
    ).split()
    assert [name for name in mandatory if event().field(name, "en") is None] == []


def test_names_of_the_table_are_those_of_the_types() -> None:
    known = standard_types().every
    assert [name for name in FIELDS if name and name not in known and name not in ADDED] == []


def test_texts_in_english_and_a_whole_state_in_one_line() -> None:
    made = event(replace(UP, acked=True, shelved_until_ns=NOW, evaluable=False))
    assert made.field("Message", "en") == v.text("Voltage (high)", "en")
    assert made.field("EnabledState/EffectiveDisplayName", "en") == v.text(
        "Active, Acknowledged, Shelved, UNKNOWN", "en"
    )
    off = event(replace(UP, enabled=False))
    assert off.field("EnabledState/EffectiveDisplayName", "fr") == v.text("Désactivée", "fr")


@pytest.mark.parametrize(("one_shot", "wanted"), [(False, 2932), (True, 2933)])
def test_shelving_tells_what_is_left_when_it_is_looked_at(one_shot: bool, wanted: int) -> None:
    made = event(replace(UP, shelved_until_ns=NOW + 61 * S, one_shot=one_shot))
    assert made.field("ShelvingState/CurrentState/Id", "fr") == v.node_id(0, wanted)
    assert made.field("ShelvingState/UnshelveTime", "fr") == duration(60)
    assert made.seen(NOW + 31 * S).field("ShelvingState/UnshelveTime", "fr") == duration(30)
    assert made.seen(NOW + 99 * S).field("ShelvingState/UnshelveTime", "fr") == duration(0)
    made = event()
    assert made.seen(NOW) is made


@pytest.mark.parametrize("gone", [replace(UP, process=False), REST])
def test_no_limit_state_where_it_is_within_its_limits(gone: State) -> None:
    assert event(gone).field("LimitState/CurrentState/Id", "fr") is None


def test_what_somebody_said() -> None:
    made = event(remark=Remark("anne", "équipe en route", NOW))
    assert made.field("Comment", "fr") == v.text("équipe en route", "fr")
    assert made.field("Comment/SourceTimestamp", "fr") == v.time(NOW)
    assert made.field("ClientUserId", "fr") == v.string("anne")
    assert event().field("Comment/SourceTimestamp", "fr") is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, None), (True, v.TRUE), (255.5, Value(Type.DOUBLE, 255.5)), (3, Value(Type.INT64, 3)), ("x", v.string("x"))],
)
def test_the_value_it_had(value: Any, wanted: Value | None) -> None:
    assert event(value=value).field("2:Value", "fr") == wanted


def test_a_discrepancy_names_what_it_compares() -> None:
    made = event(rule={"on": "discrepancy", "command": "Cmd", "feedback": "On", "on_delay": "5 s"})
    assert made.field("TargetValueNode", "fr") == v.node_id(2, "21605/CAB-0001/Cmd")
    assert made.field("InputNode", "fr") == v.node_id(2, "21605/CAB-0001/On")
    assert made.field("ExpectedTime", "fr") == duration(5)


def test_the_rationale_comes_along() -> None:
    texts = {"fr": "Appeler", "en": "Call"}
    made = event(rule=LIMITS | {"operator_action": texts, "owner_desk": "Eclairage", "response_time": "30 min"})
    assert made.field("2:OperatorAction", "en") == v.text("Call", "en")
    assert made.field("2:OwnerDesk", "en") == v.string("Eclairage")
    assert made.field("2:ResponseTime", "en") == duration(1800)


def test_an_alarm_on_personal_data_is_personal() -> None:
    assert kind({"on": "discrete", "tag": "Plate", "equals": True}).personal
    assert not event().personal


def test_where_it_is_heard() -> None:
    assert event().notifiers == ("21605/CAB-0001", "21605", "Plant", "")


IDENTITY = {"on": "identity", "tag": "V"}
TOLD = {
    "time_ns": 1,
    "id": b"other",
    "number": 7,
    "name": "21000/CAB-0009/Rule",
    "limit_of": lambda _, level: 1.0 * level,
}
MORE = [
    {"notifiers": (), "domain": None, "value": 3.5, "seen_ns": NOW + 1},
    {"what": "level"},
    {"receive_ns": 2},
    {"quality": 0x80000000},
    {"first": True},
    {"recorded": False},
    {"remark": Remark("anne", "vu", NOW)},
    {"expiring": Expiring(NOW, b"der")},
    {"state": replace(UP, level=2)},
]


@pytest.mark.parametrize("more", MORE, ids=lambda m: next(iter(m)))
@pytest.mark.parametrize("rule", [LIMITS, IDENTITY], ids=["limit", "identity"])
def test_what_a_group_packs_once_is_that_of_each_of_its_events(rule: dict[str, Any], more: dict[str, Any]) -> None:
    """Whatever differs between two events of a rule, each is told as if it were the only one."""
    read, _ = read_filter(event_filter([clause(name) for name in FIELDS]), with_added())
    assert read is not None
    group = Group((b"", "fr"), read)
    kind_ = kind(rule)
    one = event(kind=kind_, value="CAB-0008")
    other = replace(event(kind=kind_, **TOLD, value="CAB-0001"), **more)
    for each in (one, other, one):
        assert group.pack(each) == read.pack(each, "fr")


@pytest.mark.parametrize("name", ["SourceName", "Severity", "EventType", "ConditionName", "LastSeverity"])
def test_what_a_group_asks_once_is_true_of_each_of_its_events(name: str) -> None:
    """Of events that are alike one is judged for all, unless the filter looks at what each has of its own."""
    kind_ = kind(LIMITS)
    alike = [event(kind=kind_), replace(event(kind=kind_), **TOLD), event(kind=kind_)]
    for wanted in {alike[0].field(name, "fr"), alike[1].field(name, "fr"), v.string("none of them")}:
        assert wanted is not None
        data = ua.NodeId(*reversed(wanted.data)) if wanted.type is Type.NODE_ID else wanted.data
        literal = ua.Variant(data, ua.VariantType(int(wanted.type)))
        clauses = [element(ua.FilterOperator.Equals, clause(name), literal)]
        read, _ = read_filter(event_filter([clause("Severity")], clauses), with_added())
        assert read is not None
        group = Group((b"", "fr"), read)
        assert [group.wants(each) for each in alike] == [read.passes(each, "fr") for each in alike]


def test_templates_are_bounded() -> None:
    read, _ = read_filter(event_filter([clause("Severity")]), standard_types())
    assert read is not None
    group = Group((b"", "fr"), read)
    for i in range(TEMPLATES_MAX + 1):
        group.pack(event(replace(UP, raised_ns=i)))
    assert len(group._templates) == 1


def test_an_alarm_on_certificates_tells_which_one_and_until_when() -> None:
    """OPC 10000-9, 5.8.24 (CertificateExpirationAlarmType); the rule counts days, the type tells milliseconds."""
    rule = {"on": "limit", "tag": "Sys", "low": 30}
    end_ns = NOW + 29 * 86_400 * S
    of = event(rule=rule, expiring=Expiring(end_ns, b"\x30\x82"))
    of = replace(of, kind=kind(rule, "pki.days"))
    assert of.field("ExpirationDate", "fr") == v.time(end_ns)
    assert of.field("Certificate", "fr") == Value(Type.BYTE_STRING, b"\x30\x82")
    assert of.field("CertificateType", "fr") == v.node_id(0, IDS.RsaSha256ApplicationCertificateType)
    assert of.field("ExpirationLimit", "fr") == Value(Type.DOUBLE, 30 * 86_400_000.0)
    assert {event().field(name, "fr") for name in ("ExpirationDate", "Certificate", "ExpirationLimit")} == {None}
