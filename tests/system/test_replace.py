# SPDX-License-Identifier: Apache-2.0
"""A controller burns out and is replaced under a whole running server: from the wire to `vigie replace`, a restart."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.system.server_kit import Process, Server, running, site_of_its_own, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ONE, TWO = "21605/CAB-0001", "21605/CAB-0002"
ENERGY, OTHER = f"{ONE}/E_act", f"{TWO}/E_act"


def two_cabinets(folder: Path) -> Path:
    """Sennecey with two cabinets and nothing else in the field."""
    site = site_of_its_own(folder)
    for path in (site / "inventory").glob("*.csv"):
        kept = {"CAB.csv": 3, "FDR.csv": 3, "SYS.csv": 5, "ALM.csv": 2}.get(path.name, 1)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
    return site


def with_a_new_controller(site: Path) -> Path:
    """The same field, but at the address of the first cabinet a controller that has another name."""
    field = site.parent / "field"
    shutil.copytree(site, field)
    cabinets = field / "inventory" / "CAB.csv"
    cabinets.write_text(cabinets.read_text().replace(",CAB-0001,", ",CAB-9001,"))
    return field


def reading(server: Server, name: str) -> dict[str, Any]:
    return server.read(name)[name]


def is_good(server: Server, *names: str) -> bool:
    return all(r["status"] == "Good" for r in server.read(*names).values())


def impostors(server: Server) -> list[str]:
    """Texts of the alarms on identity that are active."""
    code, said = server.vigie("alarms", "--json", "--lang", "en")
    assert code == 0, said
    alarms = json.loads(said)["alarms"]
    return [a["text"]["en"] for a in alarms if a["name"].endswith("_identity") and a["active"]]


def test_a_new_controller_is_a_stranger_until_it_is_accepted(tmp_path: Path) -> None:
    site, state = two_cabinets(tmp_path), tmp_path / "state"
    replaced = with_a_new_controller(site)
    simulate = ("--state", str(tmp_path / "simulator"), "--seed")
    with running(Server(state, "run", str(site))) as server:
        assert isinstance(server, Server)
        with running(Process("simulate", str(site), *simulate, "1")):
            until("both meters were read", lambda: is_good(server, ENERGY, OTHER))
            before = reading(server, ENERGY)["value"]
        with running(Process("simulate", str(replaced), *simulate, "2")) as field:
            until("a stranger", lambda: reading(server, ENERGY)["status"] == "BadConfigurationError")
            assert reading(server, ENERGY)["value"] is None
            until("its neighbour is believed", lambda: is_good(server, OTHER))
            assert impostors(server) == [
                "Another cabinet answers at this address: CAB-0001 answers as application CAB-9001"
            ]
            code, said = server.vigie("put", f"{ONE}/K1_Cmd", "true")
            assert code == 1 and "answers as application CAB-9001" in said and "no byte left" in said, said

            code, said = server.vigie("replace", ONE, "--reason", "controller burnt", "--json")
            assert code == 0, said
            joined = json.loads(said)["counters"]["E_act"]
            assert joined["shown"] == pytest.approx(before, abs=1.0) and abs(joined["offset"]) > 10.0, joined
            until("believed", lambda: is_good(server, ENERGY))
            assert reading(server, ENERGY)["value"] == pytest.approx(joined["shown"], abs=1.0), "no step"
            until("the alarm is over", lambda: not impostors(server))
            code, said = server.vigie("journal", "--tag", ONE, "--kind", "config", "--json")
            [entry] = json.loads(said)["entries"]
            assert "application CAB-0001 -> application CAB-9001; E_act goes on at" in json.dumps(entry)

            assert server.end(signal.SIGTERM)[0] == 0
            with running(Server(state, "run", str(site))) as again:
                assert isinstance(again, Server)
                until("believed after a restart", lambda: is_good(again, ENERGY))
                assert reading(again, ENERGY)["value"] == pytest.approx(joined["shown"], abs=1.0)
            assert field.process.poll() is None
