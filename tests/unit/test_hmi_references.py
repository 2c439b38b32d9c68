# SPDX-License-Identifier: Apache-2.0
"""How the nodes of the plant hang together: types, modelling rules, notifiers, and nothing one may not see."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asyncua import ua

from config.model import Role
from supervisor.hmi.model.nodes import Nodes
from supervisor.hmi.model.references import Arm, Members, References
from supervisor.hmi.model.space import Space
from supervisor.people import User
from supervisor.plant.plant import Area
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

TAGS = {
    "V1": tag("Double", span=(0.0, 500.0), unit="V"),
    "Mode": tag("Enumeration", values=("Off", "On")),
    "Text": replace(tag("String"), personal=True),
    "Lux": tag("Float"),
}
MADE = make_plant({"CAB": TypeSpec(TAGS, fitted={"Lux": [True, False]})}, {"CAB": ["21605/CAB-0001", "21605/CAB-0002"]})
PLANT = replace(MADE, areas={"21605": Area("21605", "Parc", MADE.areas["21605"].equipment, "Park")})
SPACE = Space(PLANT)
NODES = Nodes(SPACE, TagTable(PLANT, StringPool(), 0), 2)
REFERENCES = References(SPACE, NODES)
IDS = ua.ObjectIds
NAMES = {getattr(IDS, n): n for n in ("Organizes", "HasNotifier", "HasComponent", "HasProperty", "HasSubtype",
                                     "HasTypeDefinition", "HasModellingRule")}  # fmt: skip


def said(arms: list[Arm]) -> set[tuple[str, str, str]]:
    """(direction, reference type, browse name of the target) of every reference."""
    found = set()
    for each in arms:
        assert not isinstance(each.targets, Members)
        for target in each.targets:
            name = target.name if hasattr(target, "title") else NODES.browse_name(target)
            found.add((">" if each.forward else "<", NAMES[each.link.Identifier], name.Name))
    return found


def upward(name: str) -> set[tuple[str, str, str]]:
    place = SPACE.find(name)
    assert place is not None, name
    return said(REFERENCES.upward(place, "fr"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "Plant",
            {
                (">", "HasTypeDefinition", "FolderType"),
                ("<", "Organizes", "Objects"),
                ("<", "HasNotifier", "Server"),
            },
        ),
        (
            "21605",
            {(">", "HasTypeDefinition", "FolderType"), ("<", "Organizes", "Plant"), ("<", "HasNotifier", "Plant")},
        ),
        (
            "21605/CAB-0001",
            {(">", "HasTypeDefinition", "CAB"), ("<", "Organizes", "21605"), ("<", "HasNotifier", "21605")},
        ),
        ("21605/CAB-0001/V1", {(">", "HasTypeDefinition", "AnalogItemType"), ("<", "HasComponent", "CAB-0001")}),
        ("21605/CAB-0001/V1/EURange", {(">", "HasTypeDefinition", "PropertyType"), ("<", "HasProperty", "V1")}),
        ("type/CAB", {("<", "HasSubtype", "BaseObjectType")}),
        (
            "type/CAB/V1",
            {
                (">", "HasTypeDefinition", "AnalogItemType"),
                (">", "HasModellingRule", "Mandatory"),
                ("<", "HasComponent", "CAB"),
            },
        ),
        (
            "type/CAB/Lux",
            {
                (">", "HasTypeDefinition", "DataItemType"),
                (">", "HasModellingRule", "Optional"),
                ("<", "HasComponent", "CAB"),
            },
        ),
        (
            "type/CAB/V1/EURange",
            {
                (">", "HasTypeDefinition", "PropertyType"),
                (">", "HasModellingRule", "Mandatory"),
                ("<", "HasProperty", "V1"),
            },
        ),
    ],
)
def test_a_node_refers_to_its_type_its_rule_and_its_parents(name: str, expected: set[tuple[str, str, str]]) -> None:
    assert upward(name) == expected


def test_what_hangs_below_is_told_once_for_each_way_it_hangs() -> None:
    operator, boss = User("op", Role.OPERATOR), User("boss", Role.SUPERVISOR)
    root, area, equipment = (SPACE.find(n) for n in ("Plant", "21605", "21605/CAB-0001"))
    assert root is not None and area is not None and equipment is not None
    assert said(REFERENCES.downward(root, operator)) == {(">", "Organizes", "21605"), (">", "HasNotifier", "21605")}
    assert [(NAMES[a.link.Identifier], len(a)) for a in REFERENCES.downward(area, operator)] == [
        ("Organizes", 2),
        ("HasNotifier", 2),
    ]
    seen = {name for _, _, name in said(REFERENCES.downward(equipment, operator))}
    assert seen == {"V1", "Mode", "Lux"}, "personal data is not among them"
    assert {name for _, _, name in said(REFERENCES.downward(equipment, boss))} == {*seen, "Text"}


def test_a_type_declares_what_its_instances_have() -> None:
    boss = User("boss", Role.SUPERVISOR)
    type_, equipment = SPACE.find("type/CAB"), SPACE.find("21605/CAB-0001")
    assert type_ is not None and equipment is not None
    assert said(REFERENCES.downward(type_, boss)) == said(REFERENCES.downward(equipment, boss))


def test_the_plant_is_hung_into_namespace_0() -> None:
    for number, expected in (
        (IDS.ObjectsFolder, {(">", "Organizes", "Plant")}),
        (IDS.Server, {(">", "HasNotifier", "Plant")}),
        (IDS.BaseObjectType, {(">", "HasSubtype", "CAB")}),
        (IDS.BaseEventType, set()),
    ):
        assert said(REFERENCES.under_standard(ua.NodeId(number), "fr")) == expected


def test_areas_have_two_names_where_they_have_them() -> None:
    area = SPACE.find("21605")
    assert area is not None
    assert REFERENCES.described(area, "fr").title == ua.LocalizedText("Parc", "fr")
    assert REFERENCES.described(area, "en").title == ua.LocalizedText("Park", "en")
