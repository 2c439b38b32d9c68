# SPDX-License-Identifier: Apache-2.0
"""The types of events as namespace 0 has them."""

from __future__ import annotations

import pytest
from asyncua import ua

from supervisor.hmi.events.hierarchy import BASE_EVENT, CONDITION, Field, step
from tests.nodeset import standard_types

IDS = ua.ObjectIds


@pytest.mark.parametrize(
    ("type_", "ancestor", "wanted"),
    [
        (IDS.ExclusiveLevelAlarmType, IDS.AlarmConditionType, True),
        (IDS.ExclusiveLevelAlarmType, IDS.AcknowledgeableConditionType, True),
        (IDS.TripAlarmType, IDS.OffNormalAlarmType, True),
        (IDS.CertificateExpirationAlarmType, IDS.SystemOffNormalAlarmType, True),
        (IDS.ExclusiveLevelAlarmType, IDS.ExclusiveLevelAlarmType, True),
        (IDS.AlarmConditionType, IDS.ExclusiveLevelAlarmType, False),
        (IDS.RefreshStartEventType, IDS.SystemEventType, True),
        (IDS.RefreshStartEventType, IDS.ConditionType, False),
        (IDS.FolderType, IDS.BaseEventType, False),
    ],
)
def test_subtypes(type_: int, ancestor: int, wanted: bool) -> None:
    assert standard_types().is_a((0, type_), (0, ancestor)) is wanted


@pytest.mark.parametrize(
    "path",
    ["Severity", "EnabledState/Id", "ShelvingState/CurrentState/Id", "LimitState/CurrentState", "HighHighLimit",
     "Quality/SourceTimestamp", "AckedState/EffectiveDisplayName"],
)  # fmt: skip
def test_fields_are_inherited_and_come_with_their_parts(path: str) -> None:
    assert standard_types().fields[(0, IDS.ExclusiveLevelAlarmType)][path].is_variable


def test_objects_are_no_values_and_methods_no_fields() -> None:
    fields = standard_types().fields[(0, IDS.AlarmConditionType)]
    assert fields["ShelvingState"].is_variable is False
    assert "Acknowledge" not in fields
    assert "HighLimit" not in fields


def test_text_and_arrays_can_be_cut() -> None:
    fields = standard_types().fields[CONDITION]
    assert fields["ClientUserId"] == Field(True, False, True)
    assert fields["ConditionSubClassId"].may_be_array
    assert not fields["Severity"].may_be_array


def test_the_server_adds_fields_of_its_own() -> None:
    assert "2:Added" in standard_types().every
    assert "2:Added" not in standard_types().fields[BASE_EVENT]
    assert step(2, "Added") == "2:Added"
    assert step(0, "Severity") == "Severity"
