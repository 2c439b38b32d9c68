# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_fields.py
"""What an alarm rule is in the words of OPC UA: its event type, its condition class, what all its conditions share.

Law of this file: pure; one object per rule of a type, made once per generation. A condition has no node: its
ConditionId is '<area>/<equipment>/<rule>' in a namespace of its own, where no tag can have the same name.

Source: OPC 10000-9, 5.8 (types) and 5.9 (classes); plant documentation 3.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncua import ua

from config.model import AlarmClass
from supervisor.alarms.records import value_tag
from supervisor.alarms.rules import RuleBlock
from supervisor.hmi.events.value import Id
from supervisor.plant.plant import Plant

NAMESPACE: Final = 3
"""Of ConditionIds: 'urn:vigie:<site>:alarms'."""

_IDS: Final = ua.ObjectIds
_CERTIFICATE_DAYS: Final = "pki.days"
CERTIFICATE_EXPIRES: Final[Id] = (0, _IDS.CertificateExpirationAlarmType)
_TYPES: Final = {
    "limit": _IDS.ExclusiveLevelAlarmType,
    "deviation": _IDS.ExclusiveDeviationAlarmType,
    "rate": _IDS.ExclusiveRateOfChangeAlarmType,
    "discrepancy": _IDS.DiscrepancyAlarmType,
    "stale": _IDS.InstrumentDiagnosticAlarmType,
    "calculated": _IDS.AlarmConditionType,
    "fed": _IDS.AlarmConditionType,
    "identity": _IDS.InstrumentDiagnosticAlarmType,
    "discrete": _IDS.OffNormalAlarmType,
}
_CLASSES: Final = {
    AlarmClass.PROCESS: (_IDS.ProcessConditionClassType, {"fr": "Procédé", "en": "Process"}),
    AlarmClass.SAFETY: (_IDS.SafetyConditionClassType, {"fr": "Sécurité", "en": "Safety"}),
    AlarmClass.MAINTENANCE: (_IDS.MaintenanceConditionClassType, {"fr": "Maintenance", "en": "Maintenance"}),
    AlarmClass.SYSTEM: (_IDS.SystemConditionClassType, {"fr": "Système", "en": "System"}),
}
LIMITED: Final = frozenset({"limit", "deviation", "rate"})


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate and its last moment [UTC ns]. `der`: in DER."""

    until_ns: int
    der: bytes


@dataclass(frozen=True, slots=True)
class Kind:
    """One rule of a type.

    Attributes:
        type, class_id: NodeIds of its event type and condition class.
        input: tag whose value it shows; None: it looks at no single one.
        personal: that tag is personal data.
    """

    block: RuleBlock
    type: Id
    class_id: Id
    class_name: dict[str, str]
    input: str | None
    personal: bool


def kind_of(block: RuleBlock, plant: Plant) -> Kind:
    """The words for one rule."""
    tag = value_tag(block.model)
    tag_block = plant.types[block.type].blocks.get(tag) if tag else None
    system = None if tag_block is None else tag_block.info.system
    class_id, class_name = _CLASSES[block.model.class_]
    personal = tag_block is not None and tag_block.info.personal
    return Kind(block, (0, _type(block, system)), (0, class_id), class_name, tag, personal)


def _type(block: RuleBlock, system: str | None) -> int:
    on = block.model.on
    if system == _CERTIFICATE_DAYS:
        return int(CERTIFICATE_EXPIRES[1])
    if on == "discrete" and system is not None:
        return int(_IDS.SystemDiagnosticAlarmType)
    if on == "discrete" and block.rule.latching:
        return int(_IDS.TripAlarmType)
    return int(_TYPES[on])
