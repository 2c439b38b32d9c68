# SPDX-License-Identifier: Apache-2.0
"""Names and nodes: what each name means, what each node says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asyncua import ua

from config.model import Role
from config.words import Access, StatusCode
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.space import Space, What
from supervisor.people import User
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

TAGS = {
    "V1": replace(tag("Double", span=(0.0, 500.0), unit="V"), title_fr="Tension", title_en="Voltage"),
    "Mode": tag("Enumeration", values=("Off", "On"), access=Access.RW),
    "Odd": tag("Int32", unit="furlong", access=Access.RW),
    "Text": replace(tag("String"), personal=True),
    "Live": replace(tag("Float"), history_class="N"),
}
PLANT = replace(
    make_plant({"CAB": TypeSpec(TAGS)}, {"CAB": ["21605/CAB-0001", "21000/CAB-0002"]}),
    old_names={"21999/CAB-0001": "21605/CAB-0001"},
)
SPACE = Space(PLANT)
TABLE = TagTable(PLANT, StringPool(), 0)
NODES = Nodes(SPACE, TABLE, 2)
OPERATOR = Asker(User("op", Role.OPERATOR, frozenset({"21605"})))
SUPERVISOR = Asker(User("boss", Role.SUPERVISOR))
ID = ua.AttributeIds


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Plant", What.ROOT),
        ("21605", What.AREA),
        ("21605/CAB-0001", What.EQUIPMENT),
        ("21605/CAB-0001/V1", What.TAG),
        ("21605/CAB-0001/V1/EURange", What.PROPERTY),
        ("21605/CAB-0001/V1/EngineeringUnits", What.PROPERTY),
        ("21605/CAB-0001/Mode/EnumStrings", What.PROPERTY),
        ("type/CAB", What.TYPE),
        ("type/CAB/V1", What.DECLARATION),
        ("type/CAB/V1/EURange", What.DECLARED_PROPERTY),
    ],
)
def test_a_name_is_found_and_tells_itself(name: str, what: What) -> None:
    place = SPACE.find(name)
    assert place is not None and (place.what, place.name) == (what, name)
    parent = SPACE.parent(place)
    assert parent is None or name in [child.name for child in SPACE.children(parent)]


@pytest.mark.parametrize(
    "name",
    ["", "/", "Plant/21605", "21606", "21605/", "21605/CAB-0002", "21605/CAB-0001/", "21605/CAB-0001/V2", "//", "V1",
     "type", "type/CAB-0001", "type/BLD", "type/CAB/V2",
     "21605/CAB-0001/V1/EnumStrings", "21605/CAB-0001/Text/EURange", "21605/CAB-0001/V1/EURange/x", "é/é/é"],
)  # fmt: skip
def test_anything_else_is_nothing(name: str) -> None:
    assert SPACE.find(name) is None
    assert SPACE.rows_of_names([name.encode()]) is None


def test_old_names_lead_to_the_present_one() -> None:
    place = SPACE.find("21999/CAB-0001/V1")
    assert place is not None and place.name == "21605/CAB-0001/V1"
    assert place.row == PLANT.row("21605/CAB-0001/V1")


def test_every_row_is_found_by_name_by_alias_and_by_number() -> None:
    for row, name in enumerate(PLANT.names()):
        found = SPACE.rows_of_names([name.encode()])
        assert found is not None and found.tolist() == [row]
        alias = NODES.find(ua.NodeId(int(PLANT.series[row]), 2))
        assert alias is not None and alias.name == name == SPACE.of_row(row).name


def read(name: str, attribute: int, asker: Asker = OPERATOR) -> ua.DataValue:
    place = SPACE.find(name)
    assert place is not None
    return NODES.read(place, attribute, asker, 0)


def test_titles_follow_the_askers_language() -> None:
    french, english = OPERATOR, Asker(OPERATOR.user, "en")
    assert read("21605/CAB-0001/V1", ID.DisplayName, french).Value.Value == ua.LocalizedText("Tension", "fr")
    assert read("21605/CAB-0001/V1", ID.DisplayName, english).Value.Value == ua.LocalizedText("Voltage", "en")


def test_a_unit_without_a_code_is_still_told() -> None:
    unit = read("21605/CAB-0001/Odd/EngineeringUnits", ID.Value).Value.Value
    assert (unit.DisplayName.Text, unit.UnitId) == ("furlong", -1)


def test_each_node_class_has_its_attributes_and_no_others() -> None:
    assert read("21605", ID.NodeClass).Value.Value == ua.NodeClass.Object
    for name in ("Plant", "21605", "21605/CAB-0001"):
        assert read(name, ID.EventNotifier).Value.Value == 1, "events are seen there: OPC 10000-3, 8.59"
    assert read("type/CAB", ID.NodeClass).Value.Value == ua.NodeClass.ObjectType
    assert read("type/CAB", ID.IsAbstract).Value.Value is False
    assert read("21605/CAB-0001/V1", ID.NodeClass).Value.Value == ua.NodeClass.Variable
    for name, attribute in (
        ("21605", ID.Value),
        ("21605", ID.DataType),
        ("21605/CAB-0001/V1", ID.EventNotifier),
        ("21605/CAB-0001/V1", ID.Executable),
        ("type/CAB", ID.EventNotifier),
        ("type/CAB", ID.Value),
    ):
        assert read(name, attribute).StatusCode.value == ua.StatusCodes.BadAttributeIdInvalid


def test_data_types_are_those_on_the_wire() -> None:
    expected = {"V1": ua.ObjectIds.Double, "Mode": ua.ObjectIds.Int32, "Text": ua.ObjectIds.String}
    for name, number in expected.items():
        assert read(f"21605/CAB-0001/{name}", ID.DataType, SUPERVISOR).Value.Value == ua.NodeId(number)
    assert read("21605/CAB-0001/Mode/EnumStrings", ID.ValueRank).Value.Value == 1


def test_user_access_differs_by_area_and_by_class_of_data() -> None:
    assert read("21605/CAB-0001/Odd", ID.UserAccessLevel).Value.Value == 7
    assert read("21000/CAB-0002/Odd", ID.UserAccessLevel).Value.Value == 5
    for attribute in (ID.Value, ID.UserAccessLevel, ID.AccessLevel, ID.DisplayName):
        assert read("21605/CAB-0001/Text", attribute).StatusCode.value == StatusCode.BadNodeIdUnknown


def test_a_tag_of_a_history_class_has_a_past_and_a_property_has_none() -> None:
    """Source: OPC 10000-3, 8.57 (HistoryRead is bit 2) and 5.6.2 (Historizing)."""
    for name, bits in (("V1", 5), ("Live", 1), ("V1/EURange", 1)):
        assert read(f"21605/CAB-0001/{name}", ID.AccessLevel).Value.Value == bits
        assert read(f"21605/CAB-0001/{name}", ID.Historizing).Value.Value == (bits == 5)


def test_a_declaration_has_the_attributes_of_its_tags_and_no_value() -> None:
    """Source: OPC 10000-3, 6.2 (instance declarations)."""
    for attribute in (ID.DataType, ID.ValueRank, ID.BrowseName, ID.AccessLevel, ID.DisplayName):
        assert read("type/CAB/V1", attribute).Value == read("21605/CAB-0001/V1", attribute).Value
    declared = read("type/CAB/V1", ID.Value)
    assert (declared.Value, declared.StatusCode.value) == (None, StatusCode.BadWaitingForInitialData)
    assert read("type/CAB/V1/EURange", ID.Value).Value.Value == ua.Range(0.0, 500.0)
    place = SPACE.find("type/CAB/V1")
    assert place is not None and place.row == -1
