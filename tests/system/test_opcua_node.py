# SPDX-License-Identifier: Apache-2.0
"""A client that is not asyncua's: node-opcua browses, translates, reads, subscribes and writes, encrypted."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.node_kit import HERE, node_modules
from tests.system.opcua_kit import PASSWORDS, Site, client_certificate, in_background, small_plant


@pytest.fixture(scope="module")
def modules() -> Path:
    """node-opcua-client from its lock file."""
    return node_modules()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, modules: Path) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), plant=small_plant()) as site:
        yield site


@pytest.mark.system
@pytest.mark.timeout(180)
def test_node_opcua_browses_reads_subscribes_and_writes(site: Site, modules: Path, tmp_path: Path) -> None:
    cabinet = "21605/CAB-0001/"
    given = {
        "V1": 230.5, "Mode": 2, "String": "Dépôt n°3", "Int64": -(2**63), "UInt64": 2**64 - 1, "Float": 0.5,
        "Boolean": True, "DateTime": 1_700_000_000_123_000_000, "Int32": 5,
    }  # fmt: skip
    for name, value in given.items():
        site.set(cabinet + name, value)
    certificate, key = client_certificate(tmp_path / "client")
    command = ["node", str(HERE / "walk.js"), site.server.endpoint, str(certificate), str(key), "op", PASSWORDS["op"]]
    with subprocess.Popen(
        [*command, str(tmp_path / "pki")],
        env={"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:" + str(Path(shutil.which("node") or "").parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None and client.stderr is not None
        seen = None
        for line in client.stdout:
            if line.startswith("FIRST"):
                site.set(cabinet + "V1", 231.0)
            elif line.startswith("SEEN "):
                seen = json.loads(line[5:])
        errors = client.stderr.read()
    assert seen is not None, errors
    assert seen["children"] == list(site.plant.types["CAB"].blocks)
    assert seen["translated"] == f"ns=2;s={cabinet}V1"
    values = {name: v["value"] for name, v in seen["values"].items()}
    assert (values["V1"], values["Mode"], values["String"]) == (230.5, 2, "Dépôt n°3")
    assert values["Int64"] == [0x80000000, 0]  # node-opcua shows 64 bits as [high, low]
    assert values["UInt64"] == [0xFFFFFFFF, 0xFFFFFFFF]
    assert (values["Float"], values["Boolean"]) == (0.5, True)
    assert values["DateTime"] == "2023-11-14T22:13:20.123Z"
    assert seen["values"]["Mode"]["type"] == "Int32"
    assert seen["values"]["Never"] == {"value": None, "type": "Null", "status": "BadNotSupported"}
    assert seen["changes"][-1] == [cabinet + "V1", 231.0]
    assert [cabinet + "String", "Dépôt n°3"] in seen["changes"]
    assert seen["written"] == "Good"
    assert site.commands.asked == [("op", site.row(cabinet + "Int32"), 77, site.commands.asked[0][3])]
