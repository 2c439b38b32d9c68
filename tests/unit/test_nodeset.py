# SPDX-License-Identifier: Apache-2.0
"""The NodeSet2 file says what the server says, node by node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from config.model import Role
from supervisor.cli.main import main
from supervisor.hmi.model.nodes import Asker, Nodes, node_class
from supervisor.hmi.model.nodeset import write_nodeset
from supervisor.hmi.model.place import Place
from supervisor.hmi.model.references import References
from supervisor.hmi.model.space import Space
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests import sites
from tests.plants import TypeSpec, make_plant, tag

UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
TAGS = {
    "V1": replace(tag("Double", span=(0.0, 500.0), unit="V"), title_fr="Tension <L1> & co"),
    "Mode": tag("Enumeration", values=("Arrêt", "Marche & Cie")),
    "Door": replace(tag("Boolean"), states=(("Fermée", "Closed"), ("Ouverte", "Open"))),
    "Sum": tag("Float", calc="V1 < 3", unit="furlong"),
    "Lux": replace(tag("Int16"), history_class="N"),
}
PLANT = make_plant(
    {"CAB": TypeSpec(TAGS, fitted={"Lux": [True, False]})}, {"CAB": ["21605/CAB-0001", "21000/CAB-0002"]}
)


def written(plant: Plant = PLANT, **options: bool) -> ElementTree.Element:
    parts: list[str] = []
    write_nodeset(plant, 1_700_000_000_000_000_000, parts.append, **options)
    return ElementTree.fromstring("".join(parts))


def everything(space: Space) -> Iterator[Place]:
    """All places of a plant, types first."""
    root = space.find("Plant")
    assert root is not None
    todo = [*space.types(), root]
    while todo:
        place = todo.pop()
        yield place
        todo += space.children(place)


def test_every_node_of_the_plant_is_there_as_the_server_tells_it() -> None:
    space = Space(PLANT)
    nodes = Nodes(space, TagTable(PLANT, StringPool(), 0), 1)
    references = References(space, nodes)
    found = {e.get("NodeId", ""): e for e in written() if e.get("NodeId")}
    asker = Asker(User("boss", Role.SUPERVISOR), "fr")
    count = 0
    for place in everything(space):
        count += 1
        element = found[f"ns=1;s={place.name}"]
        name = nodes.browse_name(place)
        assert element.get("BrowseName") == (f"1:{name.Name}" if name.NamespaceIndex else name.Name)
        assert element.tag == f"{UA}UA{node_class(place).name}"
        assert element[0].text == nodes.texts.title(place, "fr") and element[1].text == nodes.texts.title(place, "en")
        said = {
            (r.get("ReferenceType"), r.get("IsForward") != "false", r.text) for r in element.find(f"{UA}References")
        }
        assert said == told(references, place)
        if place.what.is_variable:
            level = nodes.read(place, 17, asker, 0).Value.Value
            assert int(element.get("AccessLevel", "1")) == level
    assert count == len(found)


def told(references: References, place: Place) -> set[tuple[str, bool, str]]:
    names = {35: "Organizes", 48: "HasNotifier", 47: "HasComponent", 46: "HasProperty", 45: "HasSubtype",
             40: "HasTypeDefinition", 37: "HasModellingRule"}  # fmt: skip
    return {
        (names[arm.link.Identifier], arm.forward, target.node_id.to_string())
        for arm in references.upward(place, "fr")
        for target in arm.targets
    }


def test_what_changes_with_time_has_no_value_and_what_is_declared_has_one() -> None:
    valued = {e.get("NodeId", "").rpartition("/")[2] for e in written() if e.find(f"{UA}Value") is not None}
    assert valued == {
        "EURange", "EngineeringUnits", "EnumStrings", "EnumValues", "FalseState", "TrueState", "Definition",
    }  # fmt: skip


def test_types_alone_are_a_file_too() -> None:
    ids = [e.get("NodeId", "") for e in written(types_only=True) if e.get("NodeId")]
    assert ids and all(i.startswith("ns=1;s=type/") for i in ids)


def test_elements_stand_in_the_order_of_the_schema() -> None:
    """Source: OPC 10000-6, F.4 (UANode): names, references, then the value; ids are used once."""
    order = [f"{UA}DisplayName", f"{UA}Description", f"{UA}References", f"{UA}Value"]
    root = written()
    nodes = [e for e in root if e.get("NodeId")]
    for element in nodes:
        places = [order.index(child.tag) for child in element]
        assert places == sorted(places)
    assert len({e.get("NodeId") for e in nodes}) == len(nodes)
    aliases = {a.get("Alias") for a in root.find(f"{UA}Aliases")}
    used = {r.get("ReferenceType") for e in nodes for r in e.find(f"{UA}References")} | {
        e.get("DataType") for e in nodes if e.get("DataType")
    }
    assert used <= aliases


def test_the_command_writes_a_shipped_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "site.xml"
    assert main(["export", "nodeset", "sennecey", "--output", str(out)]) == 0
    assert re.search(rf"{len(sites.EQUIPMENT)} types, {sites.TAGS:,} tags", capsys.readouterr().err)
    assert ElementTree.parse(out).getroot().tag == f"{UA}UANodeSet"
    assert main(["export", "nodeset", "sennecey", "--output", str(tmp_path)]) == 1
    assert "--output" in capsys.readouterr().err
