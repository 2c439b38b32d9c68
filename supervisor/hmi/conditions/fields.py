# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_fields.py
"""The fields of condition events: each a function of the alarm engine's row, the whole a table.

Law of this file: pure; nothing is computed that is not asked for. What Part 9 knows and this plant does not (branches,
sounds, groups) is null, never invented. Fields of our own stand in the namespace of the tags (2).

Source: OPC 10000-9, 5.5 to 5.8 (types), 5.2 (two-state variables); states as plant documentation 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from asyncua import ua

from historian.base import Plain
from supervisor.alarms.state import State
from supervisor.alarms.wording import wording
from supervisor.hmi.conditions.kind import CERTIFICATE_EXPIRES, LIMITED, NAMESPACE, Kind
from supervisor.hmi.conditions.moment import Moment
from supervisor.hmi.events import value as v
from supervisor.hmi.events.hierarchy import CONDITION_ID, Field
from supervisor.hmi.events.value import Type, Value

_TAGS: Final = 2
_NS_PER_MS: Final = 1_000_000
_NULL_ID: Final = v.node_id(0, 0)
_APPLICATION: Final = v.node_id(0, ua.ObjectIds.RsaSha256ApplicationCertificateType)
_MS_PER_DAY: Final = 86_400_000.0

_Texts: TypeAlias = dict[str, str]
_Maker: TypeAlias = Callable[[Moment, str], Value | None]

LEVELS: Final[dict[int, _Texts]] = {
    -2: {"fr": "très bas", "en": "low low"},
    -1: {"fr": "bas", "en": "low"},
    1: {"fr": "haut", "en": "high"},
    2: {"fr": "très haut", "en": "high high"},
}
_LIMITS: Final = {"HighHigh": (2, "high_high"), "High": (1, "high"), "Low": (-1, "low"), "LowLow": (-2, "low_low")}
"""Limits of the standard: the level beyond each, and how a rule spells it."""
_LIMIT_STATES: Final = {
    -2: (ua.ObjectIds.ExclusiveLimitStateMachineType_LowLow, "LowLow"),
    -1: (ua.ObjectIds.ExclusiveLimitStateMachineType_Low, "Low"),
    1: (ua.ObjectIds.ExclusiveLimitStateMachineType_High, "High"),
    2: (ua.ObjectIds.ExclusiveLimitStateMachineType_HighHigh, "HighHigh"),
}
_UNSHELVED: Final = (ua.ObjectIds.ShelvedStateMachineType_Unshelved, {"fr": "Non mise de côté", "en": "Unshelved"})
_TIMED: Final = (
    ua.ObjectIds.ShelvedStateMachineType_TimedShelved,
    {"fr": "Mise de côté pour un temps", "en": "Timed Shelved"},
)
_ONE_SHOT: Final = (
    ua.ObjectIds.ShelvedStateMachineType_OneShotShelved,
    {"fr": "Mise de côté une fois", "en": "One Shot Shelved"},
)


def _say(texts: _Texts, locale: str) -> Value:
    return v.text(texts[locale], locale)


def _duration(ns: int | None) -> Value | None:
    """A Duration [ms]."""
    return None if ns is None else Value(Type.DOUBLE, ns / _NS_PER_MS)


def _tag(e: Moment, tag: str | None) -> Value:
    """NodeId of a tag of the same equipment; null: none."""
    return _NULL_ID if tag is None else v.node_id(_TAGS, f"{e.equipment}/{tag}")


# --- what it says ---------------------------------------------------------------------------------------------------


def message(e: Moment, locale: str) -> str:
    """The rule's text, and how far it is where it has limits."""
    words = wording(e.kind.block.model, e.name, e.value)["fr" if locale == "fr" else "en"]
    level = LEVELS.get(e.state.level) if e.kind.block.model.on in LIMITED else None
    return f"{words} ({level[locale]})" if level else words


def _severity(e: Moment, level: int) -> Value:
    return Value(Type.UINT16, e.kind.block.rule.severity_at(level))


def _effective(e: Moment, locale: str) -> Value:
    """The whole state in one line: 'active, non acquittée, mise de côté'."""
    s = e.state
    words = [_ENABLED[0][locale]] if s.enabled else [_ENABLED[1][locale]]
    if s.enabled:
        words = [_ACTIVE[not s.active][locale], _ACKED[not s.acked][locale]]
        words += [texts[locale] for holds, texts in _MARKS if holds(s)]
    return v.text(", ".join(words), locale)


_ENABLED: Final = ({"fr": "En service", "en": "Enabled"}, {"fr": "Désactivée", "en": "Disabled"})
_ACTIVE: Final = ({"fr": "Active", "en": "Active"}, {"fr": "Inactive", "en": "Inactive"})
_ACKED: Final = ({"fr": "Acquittée", "en": "Acknowledged"}, {"fr": "Non acquittée", "en": "Unacknowledged"})
_CONFIRMED: Final = ({"fr": "Confirmée", "en": "Confirmed"}, {"fr": "Non confirmée", "en": "Unconfirmed"})
_LATCHED: Final = ({"fr": "Mémorisée", "en": "Latched"}, {"fr": "Non mémorisée", "en": "Unlatched"})
_SUPPRESSED: Final = ({"fr": "Inhibée", "en": "Suppressed"}, {"fr": "Non inhibée", "en": "Unsuppressed"})
_OUT: Final = ({"fr": "Hors service", "en": "Out of Service"}, {"fr": "En service", "en": "In Service"})
_SILENCED: Final = ({"fr": "Silencieuse", "en": "Silenced"}, {"fr": "Sonore", "en": "Not Silenced"})
_UNKNOWN: Final = {"fr": "INCONNUE", "en": "UNKNOWN"}
_MARKS: Final[tuple[tuple[Callable[[State], bool], _Texts], ...]] = (
    (lambda s: s.latched, _LATCHED[0]),
    (lambda s: s.shelved, {"fr": "Mise de côté", "en": "Shelved"}),
    (lambda s: s.suppressed, _SUPPRESSED[0]),
    (lambda s: s.out_of_service, _OUT[0]),
    (lambda s: not s.evaluable, _UNKNOWN),
)


def _expiration_limit(e: Moment) -> Value | None:
    """How long before its end a certificate raises the alarm [ms]; its rule counts days."""
    days = e.kind.block.model.low if e.kind.type == CERTIFICATE_EXPIRES else None
    return Value(Type.DOUBLE, days * _MS_PER_DAY) if isinstance(days, int | float) else None


# --- states ---------------------------------------------------------------------------------------------------------


def _two_state(
    name: str, holds: Callable[[State], bool], texts: tuple[_Texts, _Texts], since: Callable[[State], int]
) -> dict[str, _Maker]:
    """A TwoStateVariableType. `since`: when it came to stand as it does [UTC ns], 0 not known."""
    return {
        name: lambda e, locale: _say(texts[not holds(e.state)], locale),
        f"{name}/Id": lambda e, _: v.boolean(holds(e.state)),
        f"{name}/TransitionTime": lambda e, _: v.time(since(e.state)),
        f"{name}/TrueState": lambda _, locale: _say(texts[0], locale),
        f"{name}/FalseState": lambda _, locale: _say(texts[1], locale),
    }


def _shelving(e: Moment) -> tuple[int, _Texts]:
    if not e.state.shelved:
        return _UNSHELVED
    return _ONE_SHOT if e.state.one_shot else _TIMED


def _unshelve_time(e: Moment) -> Value | None:
    until_ns = e.state.shelved_until_ns
    return None if until_ns is None else _duration(max(0, until_ns - (e.seen_ns or e.receive_ns)))


def _limit_state(e: Moment) -> tuple[int, str] | None:
    """Only while it is beyond a limit. Source: OPC 10000-9, 5.8.19."""
    if e.kind.block.model.on not in LIMITED or not e.state.process:
        return None
    return _LIMIT_STATES.get(e.state.level)


def _limit_text(e: Moment, locale: str) -> Value | None:
    return None if (known := _limit_state(e)) is None else v.text(known[1], "en")


def _limit_id(e: Moment) -> Value | None:
    return None if (known := _limit_state(e)) is None else v.node_id(0, known[0])


def _limits(name: str, level: int, key: str) -> dict[str, _Maker]:
    """A limit with its severity and deadband, null where the rule has no such limit. `key`: as the rule spells it."""

    def given(e: Moment) -> Any:
        model = e.kind.block.model
        return getattr(model, key) if model.on in LIMITED else None

    def limit(e: Moment, _locale: str) -> Value | None:
        written = given(e)
        if isinstance(written, str):  # an expression: each instance may have its own
            written = e.limit_of(e.number, level)
        return None if written is None else Value(Type.DOUBLE, float(written))

    def deadband(e: Moment, _locale: str) -> Value | None:
        return None if given(e) is None else Value(Type.DOUBLE, float(e.kind.block.model.deadband))

    return {
        f"{name}Limit": limit,
        f"Severity{name}": lambda e, _: None if given(e) is None else _severity(e, level),
        f"{name}Deadband": deadband,
    }


def _limit_now(e: Moment) -> Value | None:
    """The limit it is beyond."""
    limit = e.limit_of(e.number, e.state.level) if e.kind.block.model.on in LIMITED else None
    return None if limit is None else Value(Type.DOUBLE, limit)


def _acked_ns(s: State) -> int:
    return s.acked_ns if s.acked else s.occurrence_ns


def _active_ns(s: State) -> int:
    return s.raised_ns if s.active else s.returned_ns


def _plain(value: Plain) -> Value | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return v.boolean(value)
    if isinstance(value, str):
        return v.string(value)
    return Value(Type.DOUBLE, value) if isinstance(value, float) else Value(Type.INT64, value)


def _two(texts: Any) -> Callable[[str], str | None]:
    return lambda locale: None if texts is None else texts.fr if locale == "fr" else texts.en


def _rationale(name: str) -> _Maker:
    """A text of the rule's rationalisation."""

    def make(e: Moment, locale: str) -> Value | None:
        words = _two(getattr(e.kind.block.model, name))(locale)
        return None if words is None else v.text(words, locale)

    return make


def _seconds(duration_s: float | None) -> Value | None:
    return None if duration_s is None else Value(Type.DOUBLE, duration_s * 1000.0)


_EVENT: Final[dict[str, _Maker]] = {
    "EventId": lambda e, _: Value(Type.BYTE_STRING, e.id),
    "EventType": lambda e, _: Value(Type.NODE_ID, e.kind.type),
    "SourceNode": lambda e, _: v.node_id(_TAGS, e.equipment),
    "SourceName": lambda e, _: v.string(e.equipment),
    "Time": lambda e, _: v.time(e.time_ns),
    "ReceiveTime": lambda e, _: v.time(e.receive_ns),
    "Message": lambda e, locale: v.text(message(e, locale), locale),
    "Severity": lambda e, _: _severity(e, e.state.level),
}
_CONDITION: Final[dict[str, _Maker]] = {
    CONDITION_ID: lambda e, _: v.node_id(NAMESPACE, e.name),
    "ConditionClassId": lambda e, _: Value(Type.NODE_ID, e.kind.class_id),
    "ConditionClassName": lambda e, locale: _say(e.kind.class_name, locale),
    "ConditionName": lambda e, _: v.string(e.kind.block.rule.name),
    "BranchId": lambda _e, _: _NULL_ID,
    "Retain": lambda e, _: v.boolean(e.state.retain),
    "SupportsFilteredRetain": lambda _e, _: v.FALSE,
    "Quality": lambda e, _: Value(Type.STATUS_CODE, e.quality),
    "Quality/SourceTimestamp": lambda e, _: v.time(e.state.evaluable_ns or e.receive_ns),
    "LastSeverity": lambda e, _: _severity(e, e.state.last_level or e.state.level),
    "LastSeverity/SourceTimestamp": lambda e, _: v.time(e.receive_ns),
    "Comment": lambda e, locale: v.text(e.remark.comment, locale),
    "Comment/SourceTimestamp": lambda e, _: v.time(e.remark.ns),
    "ClientUserId": lambda e, _: v.string(e.remark.user),
    "EnabledState/EffectiveDisplayName": _effective,
    **_two_state("EnabledState", lambda s: s.enabled, _ENABLED, lambda _: 0),
    **_two_state("AckedState", lambda s: s.acked, _ACKED, _acked_ns),
    **_two_state("ConfirmedState", lambda s: s.confirmed, _CONFIRMED, lambda s: 0 if s.confirmed else s.occurrence_ns),
}
_ALARM: Final[dict[str, _Maker]] = {
    "ActiveState/EffectiveDisplayName": _effective,
    "ActiveState/EffectiveTransitionTime": lambda e, _: v.time(e.receive_ns),
    "InputNode": lambda e, _: _tag(e, e.kind.input),
    **_two_state("ActiveState", lambda s: s.active, _ACTIVE, _active_ns),
    **_two_state("LatchedState", lambda s: s.latched, _LATCHED, lambda s: s.raised_ns if s.latched else 0),
    **_two_state("SuppressedState", lambda s: s.suppressed, _SUPPRESSED, lambda _: 0),
    **_two_state("OutOfServiceState", lambda s: s.out_of_service, _OUT, lambda _: 0),
    **_two_state("SilenceState", lambda s: s.silenced, _SILENCED, lambda _: 0),
    "ShelvingState/CurrentState": lambda e, locale: _say(_shelving(e)[1], locale),
    "ShelvingState/CurrentState/Id": lambda e, _: v.node_id(0, _shelving(e)[0]),
    "ShelvingState/UnshelveTime": lambda e, _: _unshelve_time(e),
    "SuppressedOrShelved": lambda e, _: v.boolean(e.state.shelved or e.state.suppressed or e.state.out_of_service),
    "MaxTimeShelved": lambda e, _: _duration(e.kind.block.rule.shelving_max_ns),
    "AudibleEnabled": lambda e, _: v.boolean(e.state.sounding),
    "OnDelay": lambda e, _: _seconds(e.kind.block.model.on_delay),
    "OffDelay": lambda e, _: _seconds(e.kind.block.model.off_delay),
    "FirstInGroupFlag": lambda e, _: v.boolean(e.first),
    "ReAlarmTime": lambda e, _: _duration(e.kind.block.rule.re_alarm_ns),
    "ReAlarmRepeatCount": lambda e, _: Value(Type.INT16, min(e.state.re_alarms, 2**15 - 1)),
}
_KINDS: Final[dict[str, _Maker]] = {
    "LimitState/CurrentState": _limit_text,
    "LimitState/CurrentState/Id": lambda e, _: _limit_id(e),
    **{field: make for name, (level, key) in _LIMITS.items() for field, make in _limits(name, level, key).items()},
    "NormalState": lambda _e, _: _NULL_ID,
    "SetpointNode": lambda e, _: _tag(e, e.kind.block.model.from_),
    "TargetValueNode": lambda e, _: _tag(e, e.kind.block.model.command),
    "ExpectedTime": lambda e, _: _seconds(e.kind.block.model.on_delay),
    "ExpirationDate": lambda e, _: None if e.expiring is None else v.time(e.expiring.until_ns),
    "Certificate": lambda e, _: None if e.expiring is None else Value(Type.BYTE_STRING, e.expiring.der),
    "CertificateType": lambda e, _: _APPLICATION if e.kind.type == CERTIFICATE_EXPIRES else _NULL_ID,
    "ExpirationLimit": lambda e, _: _expiration_limit(e),
    "Tolerance": lambda e, _: Value(Type.DOUBLE, float(e.kind.block.model.deadband)),
}
_OURS: Final[dict[str, _Maker]] = {
    "ProcessActive": lambda e, _: v.boolean(e.state.process),
    "Evaluable": lambda e, _: v.boolean(e.state.evaluable),
    "Chattering": lambda e, _: v.boolean(e.state.chatters),
    "Recorded": lambda e, _: v.boolean(e.recorded),
    "IsaState": lambda e, _: v.string(e.state.flat.value),
    "Happening": lambda e, _: v.string(e.what),
    "Priority": lambda e, _: v.string(e.kind.block.rule.priority_at(e.state.level).value),
    "Value": lambda e, _: _plain(e.value),
    "Limit": lambda e, _: _limit_now(e),
    "Cause": _rationale("cause"),
    "Consequence": _rationale("consequence"),
    "OperatorAction": _rationale("operator_action"),
    "ResponseTime": lambda e, _: _seconds(e.kind.block.model.response_time),
    "OwnerDesk": lambda e, _: v.string(e.kind.block.model.owner_desk or ""),
}
FIELDS: Final[Mapping[str, _Maker]] = {
    **_EVENT,
    **_CONDITION,
    **_ALARM,
    **_KINDS,
    **{f"{_TAGS}:{name}": make for name, make in _OURS.items()},
}
"""How each field is made, by its path; conditions have none of any other name."""

_OWN: Final = frozenset(
    f"""EventId SourceNode SourceName Time InputNode ShelvingState/UnshelveTime SetpointNode TargetValueNode
    {_TAGS}:Value""".split()
) | {CONDITION_ID}


def own(kind: Kind) -> frozenset[str]:
    """Fields in which events that are `alike` differ all the same; the others are packed once for all of them."""
    model = kind.block.model
    computed = {f"{name}Limit" for name, (_, key) in _LIMITS.items() if isinstance(getattr(model, key), str)}
    if computed:
        computed.add(f"{_TAGS}:Limit")
    if model.on == "identity":  # it names who answers in whose place
        computed.add("Message")
    return _OWN | computed


ADDED: Final = {f"{_TAGS}:{name}": Field(True, False, False) for name in _OURS}
"""Fields beyond the types of the standard, as event filters know them."""
