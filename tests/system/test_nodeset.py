# SPDX-License-Identifier: Apache-2.0
"""The NodeSet2 file opens in tools that are not ours: node-opcua's address space and asyncua's importer."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from asyncua import Server, ua

from supervisor.hmi.model.nodeset import write_nodeset
from tests.sites import compiled, sennecey
from tests.system.debian import Unavailable, unpack
from tests.system.node_kit import node_modules

PACKAGE = Path(__file__).parent / "nodeset"
CABINET = "21605/CAB-0001"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped site as a NodeSet2 file."""
    path = tmp_path_factory.mktemp("nodeset") / "sennecey.xml"
    with path.open("w", encoding="utf-8") as out:
        write_nodeset(compiled(sennecey()), 1_700_000_000_000_000_000, out.write)
    return path


@pytest.mark.system
@pytest.mark.timeout(180)
def test_node_opcua_builds_an_address_space_from_it(file: Path) -> None:
    names = [
        "Plant", "21605", "type/CAB", "type/CAB/V1", CABINET, f"{CABINET}/V1", f"{CABINET}/V1/EURange",
        f"{CABINET}/V1/EngineeringUnits", f"{CABINET}/Door/TrueState", "21605/RWS-0001/Surf/EnumValues",
    ]  # fmt: skip
    environment = {
        "NODE_PATH": str(node_modules(PACKAGE)),
        "PATH": "/usr/bin:/bin:" + str(Path(shutil.which("node") or "").parent),
    }
    command = ["node", str(PACKAGE / "open.js"), str(file), "urn:vigie:sennecey", *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["Plant"]["parents"] == ["Objects", "Server"]
    assert told["21605"]["parents"] == ["Plant", "Plant"], "organised and notified by it"
    assert told["type/CAB"]["parents"] == ["BaseObjectType"]
    assert told["type/CAB"]["children"] == told[CABINET]["children"]
    assert told["type/CAB/V1"]["rule"] == "Mandatory"
    assert (told[CABINET]["type"], told[f"{CABINET}/V1"]["type"]) == ("CAB", "AnalogItemType")
    assert told[f"{CABINET}/V1/EURange"]["value"] == {"low": 0, "high": 300}
    assert told[f"{CABINET}/V1/EngineeringUnits"]["value"]["unitId"] == 5655636
    assert told[f"{CABINET}/Door/TrueState"]["value"] == {"locale": "fr", "text": "Ouverte"}
    surfaces = told["21605/RWS-0001/Surf/EnumValues"]["value"]
    assert [(s["value"][1], s["displayName"]["text"]) for s in surfaces][:2] == [(0, "dry"), (1, "moist")]


@pytest.mark.system
@pytest.mark.timeout(300)
def test_it_is_valid_by_the_schema_of_the_opc_foundation(file: Path) -> None:
    """Source: OPC 10000-6, annex F: UANodeSet.xsd, as node-opcua ships it; judged by libxml2."""
    schema = node_modules(PACKAGE) / "node-opcua-nodesets" / "nodesets" / "UANodeSet.xsd"
    try:
        root = unpack("libxml2-utils", "libxml2")
    except Unavailable as e:
        pytest.skip(f"xmllint cannot be had: {e}")
    libraries = {"LD_LIBRARY_PATH": ":".join(str(path) for path in (root / "usr" / "lib").glob("*-linux-gnu"))}
    command = [str(root / "usr" / "bin" / "xmllint"), "--noout", "--nonet", "--schema", str(schema), str(file)]
    done = subprocess.run(command, env=libraries, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.system
def test_asyncua_imports_it(tmp_path: Path) -> None:
    """Types only: its importer takes minutes for a whole site."""
    path = tmp_path / "types.xml"
    with path.open("w", encoding="utf-8") as out:
        write_nodeset(compiled(sennecey()), 1_700_000_000_000_000_000, out.write, types_only=True)

    async def main() -> None:
        server = Server()
        await server.init()
        await server.import_xml(path)
        index = await server.get_namespace_index("urn:vigie:sennecey")
        cabinet = server.get_node(ua.NodeId("type/CAB", index, ua.NodeIdType.String))
        assert len(await cabinet.get_children()) == 56
        voltage = server.get_node(ua.NodeId("type/CAB/V1", index, ua.NodeIdType.String))
        assert await voltage.read_type_definition() == ua.NodeId(ua.ObjectIds.AnalogItemType)
        limits = await (await voltage.get_child("0:EURange")).read_value()
        assert (limits.Low, limits.High) == (0.0, 300.0)
        door = server.get_node(ua.NodeId("type/CAB/Door", index, ua.NodeIdType.String))
        assert (await (await door.get_child("0:TrueState")).read_value()).Text == "Ouverte"

    asyncio.run(main())
