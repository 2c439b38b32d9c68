# SPDX-License-Identifier: Apache-2.0
"""Which properties a tag has, and what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from asyncua import ua

from config.load import load_site
from config.model import Role
from config.units import UNITS
from config.words import Access, Kind, StatusCode, cell_of
from supervisor.hmi.model.details import details, variable_type
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.space import Space
from supervisor.people import User
from supervisor.plant.plant import TagInfo
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.sites import PROTOCOLS

NAN = float("nan")
STATES = (("Éteint", "Off"), ("Allumé", "On"))
LAST = ("LastUsableValue", "LastUsableTime")
IDS = ua.ObjectIds

# Source: OPC 10000-8, 5.3: the variable type, and the properties that are mandatory for it or were declared.
CASES: list[tuple[str, TagInfo, int, tuple[str, ...]]] = [
    ("range", tag("Float", span=(0, 5)), IDS.AnalogItemType, ("EURange",)),
    ("range and unit", tag("Int16", span=(0, 5), unit="V"), IDS.AnalogItemType, ("EURange", "EngineeringUnits")),
    (
        "instrument",
        replace(tag("Float", span=(0, 5), unit="V"), instrument_low=-10.0, instrument_high=10.0),
        IDS.AnalogItemType,
        ("EURange", "InstrumentRange", "EngineeringUnits"),
    ),
    ("unit only", tag("Double", unit="kWh"), IDS.AnalogUnitType, ("EngineeringUnits",)),
    ("plain number", tag("UInt32"), IDS.DataItemType, ()),
    ("text", tag("String"), IDS.DataItemType, ()),
    ("boolean", tag("Boolean"), IDS.DataItemType, ()),
    ("two states", replace(tag("Boolean"), states=STATES), IDS.TwoStateDiscreteType, ("FalseState", "TrueState")),
    (
        "enumeration",
        tag("Enumeration", values=("dry", "wet")),
        IDS.MultiStateValueDiscreteType,
        ("EnumStrings", "EnumValues", "ValueAsText"),
    ),
    ("calculated", tag("Float", calc="2 * P"), IDS.DataItemType, ("Definition",)),
]


@pytest.mark.parametrize(("what", "info", "type_", "named"), CASES, ids=[c[0] for c in CASES])
def test_the_type_and_the_properties_of_a_tag(what: str, info: TagInfo, type_: int, named: tuple[str, ...]) -> None:
    assert variable_type(info) == type_
    assert details(info) == (*named, *LAST)
    assert details(replace(info, access=Access.W)) == named, "what is never read has no last usable value"


PLANT = make_plant({"CAB": TypeSpec({c[0]: c[1] for c in CASES})}, {"CAB": ["21605/CAB-0001"]})
SPACE = Space(PLANT)
ASKER = Asker(User("op", Role.OPERATOR), "en")


def read(table: TagTable, name: str, locale: str = "en") -> ua.DataValue:
    place = SPACE.find(f"21605/CAB-0001/{name}")
    assert place is not None, name
    return Nodes(SPACE, table, 2).read(place, ua.AttributeIds.Value, replace(ASKER, locale=locale), 0)


def put(table: TagTable, name: str, value: float, status: StatusCode, at_ns: int) -> None:
    row = PLANT.row(f"21605/CAB-0001/{name}")
    kind = PLANT.block(row or 0).info.kind
    table.put(np.array([row]), np.array([cell_of(kind, value)]), np.array([status], np.uint32), at_ns)


def test_what_the_type_declares_is_told() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    assert read(table, "instrument/InstrumentRange").Value.Value == ua.Range(-10.0, 10.0)
    assert read(table, "calculated/Definition").Value.Value == "2 * P"
    for locale, text in (("fr", "Allumé"), ("en", "On")):
        assert read(table, "two states/TrueState", locale).Value.Value == ua.LocalizedText(text, locale)
    values = read(table, "enumeration/EnumValues").Value.Value
    assert [(v.Value, v.DisplayName.Text) for v in values] == [(0, "dry"), (1, "wet")]
    unit = read(table, "unit only/EngineeringUnits").Value.Value
    assert (unit.UnitId, unit.DisplayName.Text, unit.Description.Text) == (4937544, "kWh", "kilowatt hour")


def test_the_last_usable_value_stays_beside_the_null_with_its_time() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    value, time = "range/LastUsableValue", "range/LastUsableTime"
    for name in (value, time):
        assert (read(table, name).Value, read(table, name).StatusCode.value) == (None, 0x80320000)
    put(table, "range", 2.5, StatusCode.Good, 10**18)
    assert (read(table, value).Value.Value, read(table, value).StatusCode.value) == (2.5, 0)
    put(table, "range", 0.0, StatusCode.BadNoCommunication, 10**18 + 5 * 10**9)
    assert read(table, "range").Value is None
    kept = read(table, value)
    assert (kept.Value.Value, kept.StatusCode.value) == (2.5, StatusCode.UncertainLastUsableValue)
    assert (
        read(table, time).Value.Value == kept.SourceTimestamp == ua.win_epoch_to_datetime(116444736000000000 + 10**16)
    )


def test_the_value_of_an_enumeration_is_told_as_text() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    name = "enumeration/ValueAsText"
    for number, text in ((0, "dry"), (1, "wet"), (7, "7")):
        put(table, "enumeration", number, StatusCode.Good, 10**18)
        assert read(table, name).Value.Value.Text == text
    put(table, "enumeration", 0, StatusCode.BadNoCommunication, 10**18)
    assert read(table, name).Value is None


def test_every_unit_of_the_shipped_types_is_known_and_has_its_code() -> None:
    """Source: UNECE recommendation 20. Those that only these trades know have none."""
    site = load_site("sennecey", PROTOCOLS)
    used = {t.unit for type_ in site.types.values() for t in type_.tags.values() if t.unit is not None}
    assert used <= UNITS.keys()
    assert {unit for unit in used if not UNITS[unit].code} == {"pts", "1/10 min", "veh/6 min", "kWh/m2.y"}


def test_both_states_of_every_boolean_of_the_shipped_types_have_names() -> None:
    types = load_site("sennecey", PROTOCOLS).types
    for name in ("CAB", "RWS", "SYS"):
        tags = types[name].tags.items()
        assert not [f"{name}/{tag}" for tag, t in tags if t.kind is Kind.Boolean and t.true_state is None]
