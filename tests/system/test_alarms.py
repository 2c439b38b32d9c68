# SPDX-License-Identifier: Apache-2.0
"""Alarms as an operator meets them: a cabinet is cut, one alarm comes, it is acknowledged, the server is killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.system.server_kit import Process, Server, running, site_of_its_own, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

LOSS = "21605/CAB-0003/Supply_Loss"
SHELVED = "21605/CAB-0002/V1_limits"


def alarms(server: Server, *arguments: str) -> list[dict[str, Any]]:
    code, said = server.vigie("alarms", "--json", *arguments)
    assert code == 0, said
    found: list[dict[str, Any]] = json.loads(said)["alarms"]
    return found


def test_one_cut_cabinet_is_one_alarm_and_a_killed_server_remembers_who_acknowledged_it(tmp_path: Path) -> None:
    site, state, field_state = str(site_of_its_own(tmp_path)), tmp_path / "state", str(tmp_path / "field")
    with running(Process("simulate", site, "--state", field_state)):
        with running(Server(state, "run", site)) as server:
            assert isinstance(server, Server)
            until("every device answers", lambda: all(d["link"] == "up" for d in server.status()["devices"]))
            assert alarms(server) == [], "a plant in order announces nothing"
            _turn(server, site, field_state, "supply off")
            (loss,) = until("the alarm", lambda: alarms(server) or None)
            assert (loss["name"], loss["priority"], loss["state"]) == (LOSS, "P2", "B")
            assert loss["recorded"] and loss["event"]
            counts = server.status()["alarms"]
            assert counts["unacked"] == 1 and counts["active"] >= 1
            code, said = server.vigie("ack", loss["event"], "--note", "équipe en route")
            assert (code, said) == (0, f"acknowledged  {LOSS}\n")
            code, said = server.vigie("shelve", SHELVED, "--for", "1 h", "--reason", "essai")
            assert code == 0, said
            (shelved,) = alarms(server, "--shelved")
            server.end(signal.SIGKILL)
        with running(Server(state, "run", site)) as second:
            assert isinstance(second, Server)
            (after,) = alarms(second)
            for key in ("name", "event", "raised", "value"):
                assert after[key] == loss[key], key
            assert after["state"] == "C" and after["acked_at"]
            assert (after["acked_by"], after["comment"]) == ("local", "équipe en route")
            (still,) = alarms(second, "--shelved")
            assert still["shelved_until"] == shelved["shelved_until"]
            until("every device answers", lambda: all(d["link"] == "up" for d in second.status()["devices"]))
            _turn(second, site, field_state, "supply on")
            until("it is over", lambda: alarms(second) == [])
            code, said = second.vigie("alarms", "--history", "Supply_Loss", "--json")
            assert [r["what"] for r in json.loads(said)["records"]] == ["alarm", "acknowledged", "returned"]


def _turn(server: Server, site: str, field_state: str, what: str) -> None:
    done = Process("simulate", site, "--state", field_state, "--turn", "CAB-0003", what)
    words = done.words()
    assert done.process.returncode == 0, words
