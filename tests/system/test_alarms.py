# SPDX-License-Identifier: Apache-2.0
"""Alarms as an operator meets them: a cabinet is cut, one alarm comes, it is acknowledged, the server is killed.

The cabinets are of the site's own type: the shipped one, whose supply alarm waits 2 s and 3 s instead of 10 and 30.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from config.load import find_site
from supervisor.control.client import ControlClient
from supervisor.demo.door import turn_knob
from tests.system.server_kit import Process, Server, running, site_of_its_own, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

LOSS = "21605/CAB-0003/Supply_Loss"
SHELVED = "21605/CAB-0002/V1_limits"


def listed(server: Server, which: str = "active") -> list[dict[str, Any]]:
    """What `vigie alarms --json` prints, without a process for each look."""
    with ControlClient(server.state) as control:
        found: list[dict[str, Any]] = control.call("alarms", pattern="", list=which, limit=200)["alarms"]
        return found


def impatient_site(folder: Path) -> str:
    site = site_of_its_own(folder)
    types = site / "types"
    types.mkdir()
    shipped = (find_site("sennecey").parents[1] / "types" / "CAB.yaml").read_text(encoding="utf-8")
    rule = "    tag: Supply_Loss\n    equals: true\n    on_delay: {} s\n    off_delay: {} s\n"
    assert shipped.count(rule.format(10, 30)) == 1
    (types / "CAB.yaml").write_text(shipped.replace(rule.format(10, 30), rule.format(2, 3)), encoding="utf-8")
    return str(site)


def all_answer(server: Server) -> bool:
    return all(d["link"] == "up" for d in server.status()["devices"])


def test_one_cut_cabinet_is_one_alarm_and_a_killed_server_remembers_who_acknowledged_it(tmp_path: Path) -> None:
    site, state, field = impatient_site(tmp_path), tmp_path / "state", tmp_path / "field"
    with running(Process("simulate", site, "--state", str(field))):
        with running(Server(state, "run", site)) as server:
            assert isinstance(server, Server)
            until("every device answers", lambda: all_answer(server))
            assert listed(server) == [], "a plant in order announces nothing"
            turn_knob(field, "CAB-0003", "supply off")
            until("the alarm", lambda: listed(server) or None)
            code, said = server.vigie("alarms", "--json")
            assert code == 0, said
            (loss,) = json.loads(said)["alarms"]
            assert (loss["name"], loss["priority"], loss["state"]) == (LOSS, "P2", "B")
            assert loss["recorded"] and loss["event"]
            counts = server.status()["alarms"]
            assert counts["unacked"] == 1 and counts["active"] >= 1
            code, said = server.vigie("ack", loss["event"], "--note", "équipe en route")
            assert (code, said) == (0, f"acknowledged  {LOSS}\n")
            code, said = server.vigie("shelve", SHELVED, "--for", "1 h", "--reason", "essai")
            assert code == 0, said
            (shelved,) = listed(server, "shelved")
            server.end(signal.SIGKILL)
        with running(Server(state, "run", site)) as second:
            assert isinstance(second, Server)
            (after,) = listed(second)
            for key in ("name", "event", "raised", "value"):
                assert after[key] == loss[key], key
            assert after["state"] == "C" and after["acked_at"]
            assert (after["acked_by"], after["comment"]) == ("local", "équipe en route")
            (still,) = listed(second, "shelved")
            assert still["shelved_until"] == shelved["shelved_until"]
            until("every device answers", lambda: all_answer(second))
            turn_knob(field, "CAB-0003", "supply on")
            until("it is over", lambda: listed(second) == [])
            code, said = second.vigie("alarms", "--history", "Supply_Loss", "--json")
            whats = [r["what"] for r in json.loads(said)["records"]]
            # A machine that needs long to hear the field again calls it unknown meanwhile.
            told = [what for what in whats if what not in ("not evaluable", "evaluable")]
            assert told == ["alarm", "acknowledged", "returned"]
