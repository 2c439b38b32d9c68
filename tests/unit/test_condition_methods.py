# SPDX-License-Identifier: Apache-2.0
"""Methods of conditions and their arguments: OPC 10000-9, 5.5 to 5.8; OPC 10000-4, 5.12.2 for what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from supervisor.alarms.events import Acknowledge, Confirm, Shelve, Unshelve
from supervisor.hmi.conditions.methods import METHODS, Arguments, BadCall, read_arguments

VT, CODES, IDS = ua.VariantType, ua.StatusCodes, ua.ObjectIds
EVENT = ua.Variant(b"\x01", VT.ByteString)
SAID = ua.Variant(ua.LocalizedText("vu", "fr"), VT.LocalizedText)
HOUR = ua.Variant(3_600_000.0, VT.Double)

NUMBERS = [
    (IDS.AcknowledgeableConditionType_Acknowledge, 9111, "Acknowledge"),
    (IDS.AcknowledgeableConditionType_Confirm, 9113, "Confirm"),
    (IDS.ConditionType_AddComment, 9029, "AddComment"),
    (IDS.ConditionType_Enable, 9027, "Enable"),
    (IDS.ConditionType_Disable, 9028, "Disable"),
    (IDS.ShelvedStateMachineType_TimedShelve, 2949, "TimedShelve"),
    (IDS.AlarmConditionType_ShelvingState_TimedShelve, 9213, "TimedShelve"),
    (IDS.AlarmConditionType_ShelvingState_Unshelve2, 24740, "Unshelve2"),
    (IDS.AlarmConditionType_Reset, 18199, "Reset"),
]


@pytest.mark.parametrize(("number", "standard", "name"), NUMBERS)
def test_methods_by_their_node_id(number: int, standard: int, name: str) -> None:
    assert number == standard
    assert METHODS[number].name == name


def test_what_needs_a_work_order_or_is_another_thing_is_not_offered() -> None:
    names = {method.name for method in METHODS.values()}
    assert names.isdisjoint({"Suppress", "RemoveFromService", "Respond", "ConditionRefresh"})


def method(name: str) -> Any:
    return next(m for m in METHODS.values() if m.name == name)


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("Acknowledge", [EVENT, SAID], Acknowledge(7)),
        ("Confirm", [EVENT, SAID], Confirm(7)),
        ("TimedShelve", [HOUR], Shelve(3_600_000_000_000, "no reason given")),
        ("TimedShelve2", [HOUR, SAID], Shelve(3_600_000_000_000, "vu")),
        ("OneShotShelve2", [SAID], Shelve(None, "vu")),
        ("Unshelve", [], Unshelve()),
    ],
)
def test_what_they_ask_of_the_desk(name: str, given: list[ua.Variant], wanted: object) -> None:
    assert method(name).act(read_arguments(method(name), given), 7) == wanted


def test_a_comment_may_be_null_and_is_kept_otherwise() -> None:
    assert read_arguments(method("Acknowledge"), [EVENT, SAID]) == Arguments(b"\x01", "vu")
    for nothing in (ua.Variant(), ua.Variant(ua.LocalizedText(None), VT.LocalizedText)):
        assert read_arguments(method("Acknowledge"), [EVENT, nothing]) == Arguments(b"\x01")


LONG = ua.Variant(ua.LocalizedText("x" * 501), VT.LocalizedText)
WRONG = [
    ("Acknowledge", [], CODES.BadArgumentsMissing, ()),
    ("Acknowledge", None, CODES.BadArgumentsMissing, ()),
    ("Acknowledge", [EVENT, SAID, SAID], CODES.BadTooManyArguments, ()),
    ("Acknowledge", [SAID, EVENT], CODES.BadInvalidArgument, (CODES.BadTypeMismatch, CODES.BadTypeMismatch)),
    ("Acknowledge", [ua.Variant(), SAID], CODES.BadInvalidArgument, (CODES.BadTypeMismatch, CODES.Good)),
    ("Acknowledge", [ua.Variant([b"1"], VT.ByteString), SAID], CODES.BadInvalidArgument, (CODES.BadTypeMismatch, 0)),
    ("Acknowledge", [ua.Variant(ua.Range(), VT.ExtensionObject), SAID], CODES.BadInvalidArgument,
     (CODES.BadTypeMismatch, 0)),
    ("Acknowledge", [EVENT, LONG], CODES.BadInvalidArgument, (0, CODES.BadOutOfRange)),
    ("TimedShelve", [ua.Variant(60, VT.Int32)], CODES.BadInvalidArgument, (CODES.BadTypeMismatch,)),
    ("TimedShelve", [ua.Variant(0.0, VT.Double)], CODES.BadShelvingTimeOutOfRange, ()),
    ("TimedShelve", [ua.Variant(float("nan"), VT.Double)], CODES.BadShelvingTimeOutOfRange, ()),
    ("TimedShelve", [ua.Variant(float("inf"), VT.Double)], CODES.BadShelvingTimeOutOfRange, ()),
    ("Unshelve", [SAID], CODES.BadTooManyArguments, ()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "code", "arguments"), WRONG)
def test_arguments_that_are_refused(name: str, given: Any, code: int, arguments: tuple[int, ...]) -> None:
    with pytest.raises(BadCall) as refused:
        read_arguments(method(name), given)
    assert (refused.value.code, refused.value.arguments) == (code, arguments)
