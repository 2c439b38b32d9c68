# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_model.py, tests/config
"""What a maintenance engineer may write: frozen models, the only schema there is.

Law of this file: shapes and ranges of single values only. Whether a named thing exists, whether an address clashes or
a calculation is cyclic is `config.check`'s matter; where it stands in which file is `config.source`'s.

`check`, `run` and the editor's JSON Schema all come from these classes (a validator beside the parser drifts).
Field names are YAML keys; a duration is written with its unit ('10 s') and held in seconds.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from config.words import Access, Kind

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: object) -> object:
    """'10 s' -> 10.0. Units ms, s, min, h, d; no bare numbers, so that nobody has to guess.

    Raises:
        ValueError: anything else.
    """
    if isinstance(text, str) and (m := _DURATION.fullmatch(text)):
        return float(m[1]) * _SECONDS[m[2]]
    raise ValueError(f"expected a duration such as '10 s', '5 min' or '2 h', got {text!r}")


def _kind(name: object) -> object:
    if isinstance(name, str) and name in Kind.__members__:
        return Kind[name]
    raise ValueError(f"expected one of {', '.join(Kind.__members__)}, got {name!r}")


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str)]
KindName = Annotated[Kind, BeforeValidator(_kind, json_schema_input_type=Literal[tuple(Kind.__members__)])]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")]
EquipmentName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,7}-[0-9]{4,6}$")]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}$")]


class Model(BaseModel):
    """Base: unknown keys are errors, values are not coerced, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Text(Model):
    """A text that operators read, in both languages."""

    fr: str = Field(min_length=1)
    en: str = Field(min_length=1)


class PollClassModel(Model):
    """How often a group of points is asked. Keys as `drivers.base.PollClass`."""

    period: Duration = Field(ge=0.1, le=86400)
    timeout: Duration = Field(default=1.0, ge=0.01, le=60)
    retries: int = Field(default=1, ge=0, le=5)
    bad_after: Duration = Field(ge=0.1, le=7 * 86400)

    @model_validator(mode="after")
    def _order(self) -> PollClassModel:
        if self.timeout * (self.retries + 1) > self.period:
            took = f"{self.timeout:g} s x {self.retries + 1} in {self.period:g} s"
            raise ValueError(f"expected timeout x (retries + 1) to fit into period, got {took}")
        if self.bad_after < self.period:
            got = f"{self.bad_after:g} s for a period of {self.period:g} s"
            raise ValueError(f"expected bad_after to be at least one period, got {got}")
        return self


class HistoryClass(StrEnum):
    """What is stored and how long. Source: plant documentation 7.3: E event, A1 fast, A2 slow analog, C counter,
    D daily, P personal (60 days), N none.
    """

    E = "E"
    A1 = "A1"
    A2 = "A2"
    C = "C"
    D = "D"
    P = "P"
    N = "N"


class HistoryRule(Model):
    """History of one tag: class, deadband in units ('0.2') or per cent of range ('2 %'), alignment of counters;
    `evidence`: an event that proves what the city was promised, kept 13 years instead of 5.
    """

    class_: HistoryClass = Field(alias="class", strict=False)
    deadband: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?( %)?$")] | float | int | None = None
    every: Duration | None = None
    evidence: bool = False

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Personal(Model):
    """Why personal data may be held at all, and how long. Source: GDPR art. 5 and 6."""

    purpose: str = Field(min_length=1)
    legal_basis: str = Field(min_length=1)
    retention: Duration


class Priority(StrEnum):
    """Alarm priority: time to respond x consequence (P1 danger < 5 min, P2 < 30 min, P3 same day, P4 planned)."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class AlarmClass(StrEnum):
    """Source: OPC 10000-9, 5.9 (condition classes)."""

    PROCESS = "process"
    SAFETY = "safety"
    MAINTENANCE = "maintenance"
    SYSTEM = "system"


SHELVING_MAX_H: Final = 12
"""Longest shelving of an alarm, and where its rule says nothing [h]. Source: plant documentation 3.3."""
SHELVING_MAX_P1_H: Final = 8
"""The same for P1 and safety class [h]."""


class AlarmRule(Model):
    """One alarm rule of a type, with its rationalisation. Follows the record of ISA-TR18.2.2.

    `on` is the rule's kind and its settings sit beside it: limit needs one or more of low_low, low, high, high_high
    (numbers or parameter expressions); discrete needs `equals` (value name, true, false); discrepancy needs `command`
    and `feedback`; rate needs `per` with low/high; stale needs `after`; deviation needs `from` with high; calculated
    needs `condition`; fed needs `share` and `at_least`: so much of what this equipment feeds (`fed_by` in the
    inventory) is in the condition of a rule that says `supply: true`. A rule that says `feeds: true` holds back the
    parent alarms of what this equipment feeds, as one on fed does. identity: another device than the declared one
    answers (`tag` names the device by its tag of `system: comm`). `first_out` names a group within the equipment: the
    first of it to rise is marked.
    """

    on: Literal["limit", "discrete", "discrepancy", "rate", "stale", "deviation", "calculated", "fed", "identity"]
    tag: Name | None = None
    low_low: float | int | str | None = None
    low: float | int | str | None = None
    high: float | int | str | None = None
    high_high: float | int | str | None = None
    equals: bool | int | str | list[str] | None = None
    command: Name | None = None
    feedback: Name | None = None
    from_: Name | None = Field(default=None, alias="from")
    per: Duration | None = None
    after: Duration | None = None
    condition: str | None = None
    share: float | int | None = Field(default=None, gt=0, le=100)
    at_least: int | None = Field(default=None, ge=2)
    only_while: str | None = None
    priority: Priority = Field(strict=False)
    priority_extreme: Priority | None = Field(default=None, strict=False)
    class_: AlarmClass = Field(default=AlarmClass.PROCESS, alias="class", strict=False)
    deadband: float | int = Field(default=0.0, ge=0)
    on_delay: Duration = 0.0
    off_delay: Duration = 0.0
    latching: bool = False
    ack_required: bool = True
    confirm_required: bool = False
    re_alarm: Duration | None = None
    shelving_max: Duration | None = None
    suppress_when: str | None = None
    parent: bool = False
    supply: bool = False
    feeds: bool = False
    first_out: Name | None = None
    text: Text
    cause: Text | None = None
    consequence: Text | None = None
    operator_action: Text | None = None
    owner_desk: Name | None = None
    response_time: Duration | None = None

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    @property
    def is_feeder(self) -> bool:
        """True for one that explains what is wrong with the equipment that this one feeds."""
        return self.feeds or self.on == "fed"


ALARM_COUNTS: Final = ("alarms.active", "alarms.unacked", "alarms.shelved", "alarms.suppressed", "alarms.unevaluable")
"""Sources that count alarms in the area of the equipment that shows them; its parameter `desk`: those of one desk."""

SYSTEM_SOURCES: Final[dict[str, Kind]] = {
    "comm": Kind.Boolean,
    "post.up": Kind.Boolean,
    "post.role": Kind.Enumeration,
    "host.cpu": Kind.Float,
    "host.mem": Kind.Float,
    "host.disk": Kind.Float,
    "clock.offset": Kind.Float,
    "pki.days": Kind.Int32,
    "storage.ok": Kind.Boolean,
    "alarms.rate": Kind.Float,
    "history.waiting": Kind.Int32,
    **dict.fromkeys(ALARM_COUNTS, Kind.Int32),
}
"""What the server itself can say (`system:`) and the kind it says it in.

`comm`: the device answers. The others are of this post: it runs, its role, processor, memory and disk used [%], offset
of its clock [ms], days until its certificate expires, whether what it has to remember reaches the disk, alarms
annunciated in the last ten minutes, samples that wait for the history's disk, and alarms of an area by their state.
"""


class Confirm(Model):
    """Where the effect of a command is seen, and how soon."""

    feedback: Name
    within: Duration


class TagModel(Model):
    """One tag of a type. Exactly one source: `point` (a device's address), `calc` (an expression over tags of the same
    equipment and its parameters), `system` (made by the server), `parameter` (configuration), or `unsupported`
    (a reason: the tag keeps its row and reads BadNotSupported with null).

    `range` is where the value usually lies, `instrument_range` what the instrument can say at all; `false_state` and
    `true_state` are what a Boolean means. Source: OPC 10000-8, 5.3.2 and 5.3.3.
    """

    title: Text
    kind: KindName
    unit: str | None = None
    range: tuple[float | int, float | int] | None = Field(default=None, strict=False)
    instrument_range: tuple[float | int, float | int] | None = Field(default=None, strict=False)
    values: list[str] | None = None
    false_state: Text | None = None
    true_state: Text | None = None
    access: Literal["r", "rw", "w"] = "r"
    history: HistoryRule
    point: dict[str, Any] | None = None
    device: Name | None = None
    poll: Name | None = None
    scale: float | int = 1.0
    offset: float | int = 0.0
    calc: str | None = None
    system: str | None = None
    parameter: Name | None = None
    unsupported: str | None = None
    fitted: Name | None = None
    command: Literal["order", "act"] | None = None
    confirm: Confirm | None = None
    two_step: bool = False
    personal: Personal | None = None

    @property
    def access_mode(self) -> Access:
        return Access(self.access)


class ParameterModel(Model):
    """What differs from one instance of a type to the next and is known beforehand."""

    title: Text
    kind: KindName
    unit: str | None = None
    range: tuple[float | int, float | int] | None = Field(default=None, strict=False)
    default: bool | int | float | str | None = None


class DeviceRole(Model):
    """A partner that each instance of the type has: its protocol and settings common to all instances."""

    protocol: str
    settings: dict[str, Any] = Field(default_factory=dict)


class TypeModel(Model):
    """An equipment type: written once, instantiated by an inventory row."""

    type: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,7}$")]
    title: Text
    revision: int = Field(ge=1)
    devices: dict[Name, DeviceRole] = Field(default_factory=dict)
    poll_classes: dict[Name, PollClassModel] = Field(default_factory=dict)
    parameters: dict[Name, ParameterModel] = Field(default_factory=dict)
    tags: dict[Name, TagModel] = Field(min_length=1)
    alarms: dict[Name, AlarmRule] = Field(default_factory=dict)


class Life(StrEnum):
    """Life of equipment. Only `in service` counts in the reports; `planned` and `retired` are not polled."""

    PLANNED = "planned"
    COMMISSIONING = "commissioning"
    IN_SERVICE = "in service"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


_LIVES: Final[dict[object, Life]] = {m.value: m for m in Life}


def _life(text: object) -> object:
    if isinstance(text, str) and (life := _LIVES.get(text)) is not None:
        return life
    raise ValueError(f"expected one of {', '.join(m.value for m in Life)}, got {text!r}")


class EquipmentModel(Model):
    """One instance: a row of a CSV inventory or an entry of a YAML one.

    In CSV the columns are `name, area, life, was, title, maintained_by, fed_by`, `<role>.<setting>` of each device
    role, and parameters. `maintained_by` is an organisation of site.yaml. `fed_by` is the equipment that supplies it,
    'FDR-0001' or with another area '21452/FDR-0001'. `was` are former names, 'CAB-0007' or with the former
    area '21452/CAB-0007'; loading makes whole paths of them.
    """

    name: EquipmentName
    area: AreaCode
    life: Annotated[Life, BeforeValidator(_life, json_schema_input_type=str)] = Life.IN_SERVICE
    was: list[str] = Field(default_factory=list)
    title: str | None = None
    maintained_by: str | None = None
    fed_by: str | None = None
    devices: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    parameters: dict[Name, Any] = Field(default_factory=dict)

    @property
    def feeder(self) -> str | None:
        """Path of the equipment that supplies it: '21605/FDR-0001'."""
        return self.fed_by if self.fed_by is None or "/" in self.fed_by else f"{self.area}/{self.fed_by}"


class Role(StrEnum):
    """Roles of people. Rights: see docs/security.md."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ENGINEER = "engineer"
    SECURITY = "security"


class UserModel(Model):
    """A person who may log in. The password itself never stands in a file; `vigie passwd` makes the hash.

    `areas`: where they act; `sees`: where they see, as `areas` if it is not said. `certificates`: SHA-256 of the X.509
    certificates they may log in with, as `vigie certs` shows it.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{1,31}$")]
    role: Literal["viewer", "operator", "supervisor", "engineer", "security"]
    areas: list[AreaCode] | Literal["all"] = "all"
    sees: list[AreaCode] | Literal["all"] | None = None
    organisation: str | None = None
    unix_user: str | None = None
    password_hash: str | None = None
    certificates: list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(default_factory=list)


class Location(Model):
    """Where the sun is computed for [degrees, WGS 84]."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class AreaModel(Model):
    """A commune or another part of the city; the key is its INSEE code.

    `title_en` is for the few whose name is translated ('Parc de l'hôtel de ville'); communes have one name.
    """

    title: str = Field(min_length=1)
    title_en: str | None = Field(default=None, min_length=1)


class OrganisationModel(Model):
    """Whose people work here. `limited`: they see and act on the equipment only that it maintains (`maintained_by`).

    `personal`: whether a role that reads personal data does so for its people; not for limited ones unless it is said.
    """

    title: str | None = None
    limited: bool = False
    personal: bool | None = None

    @property
    def reads_personal(self) -> bool:
        return not self.limited if self.personal is None else self.personal


class OpcUaModel(Model):
    """The HMI's door."""

    host: str = "127.0.0.1"
    port: int = Field(default=4840, ge=0, le=65535)


class HttpModel(Model):
    """Status and metrics, read-only."""

    host: str = "127.0.0.1"
    port: int = Field(default=9840, ge=0, le=65535)


class SiteModel(Model):
    """The entry of a site folder: site.yaml."""

    site: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}$")]
    title: Text
    time_zone: str
    location: Location
    scan: Duration = Field(default=0.1, ge=0.02, le=5.0)
    areas: dict[AreaCode, AreaModel] = Field(min_length=1)
    desks: dict[Name, Text] = Field(default_factory=dict)
    organisations: dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], OrganisationModel] = Field(
        default_factory=dict
    )
    inventory: dict[str, str] = Field(min_length=1)
    poll_classes: dict[str, PollClassModel] = Field(default_factory=dict)
    users: str | None = None
    strings_max: int = Field(default=100_000, ge=100, le=10_000_000)
    opcua: OpcUaModel = OpcUaModel()
    http: HttpModel = HttpModel()


class Site(BaseModel):
    """A whole site, loaded and checked: what `supervisor.plant` compiles. Not written by anyone."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    folder: str
    model: SiteModel
    types: dict[str, TypeModel]
    equipment: dict[str, tuple[EquipmentModel, ...]]
    users: tuple[UserModel, ...]
    points: dict[tuple[str, str], Any]
    devices: dict[tuple[str, str], Any]

    def forget_instances(self) -> None:
        """Let go of equipment and its devices once a plant is made of them: of 35,000 instances they are 120 MB."""
        self.equipment.clear()
        self.devices.clear()
