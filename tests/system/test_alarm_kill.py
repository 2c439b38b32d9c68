# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the whole server in a storm: alarms, acknowledgements, shelves, the chain and the ledger of samples.

VIGIE_KILL_ROUNDS=200 kills it twenty times instead of once (and the desk alone 200 times, test_alarm_kill in unit).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from historian.store.store import open_store
from supervisor.control.client import ControlClient
from supervisor.demo.door import turn_knob
from tests.system.server_kit import Process, Server, running, site_of_its_own, until
from tests.unit.test_alarm_kill import records

ROUNDS = max(1, int(os.environ.get("VIGIE_KILL_ROUNDS", "8")) // 10)
pytestmark = [pytest.mark.system, pytest.mark.timeout(120 + 120 * ROUNDS)]
TRIPS = [f"21605/CAB-{i:04d}/K1_Trip" for i in range(1, 5)]


def test_a_server_killed_in_a_storm_forgets_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    rng = random.Random(5)
    site, state, field = str(site_of_its_own(tmp_path)), tmp_path / "state", str(tmp_path / "field")
    answered: set[tuple[str, str]] = set()
    until_of: dict[str, str] = {}
    with running(Process("simulate", site, "--state", field)):
        for k in range(ROUNDS):
            with running(Server(state, "run", site)) as server:
                assert isinstance(server, Server)
                until("every device answers", lambda s=server: all(d["link"] == "up" for d in s.status()["devices"]))
                shown = {a["name"]: a for a in alarms(server, "shelved")}
                assert {n: a["shelved_until"] for n, a in shown.items()} == until_of
                trip = TRIPS[k % len(TRIPS)].split("/")[1]
                for what in (("FDR-0001", "supply off"), (trip, "trip K1"), ("FDR-0001", "supply on")):
                    turn(field, *what)
                    time.sleep(rng.uniform(0, 1))
                listed = until("an alarm", lambda s=server: alarms(s) or None)
                for alarm in [a for a in listed if not a["acked"] and a["event"]]:
                    if call(server, "ack", what=alarm["event"], note="", action="ack")["done"]:
                        answered.add((alarm["name"], alarm["event"]))
                name = f"21605/CAB-{k % 17 + 1:04d}/V{k // 17 + 1}_limits"
                if call(server, "shelve", condition=name, seconds=8 * 3600, note="essai"):
                    until_of |= {a["name"]: a["shelved_until"] for a in alarms(server, "shelved")}
                turn(field, "FDR-0001", "supply off")
                time.sleep(rng.uniform(0, 2))
                server.end(signal.SIGKILL)
                turn(field, "FDR-0001", "supply on")
            found = verified(state)
            assert found["whole"], found
            store = open_store(state / "history", "sennecey", time.time_ns())
            assert store.ledger().balanced and not store.verify(), store.ledger()
            store.close()
    told = [e.record for e in records(state / "journal")]
    acks = Counter((r.subject, r.data["occurrence"]) for r in told if r.data["what"] == "acknowledged")
    assert acks and set(acks.values()) == {1}, "no occurrence is acknowledged twice"
    assert len(acks) >= len(answered), "every acknowledgement that was answered is there"
    standing: set[str] = set()
    for record in told:
        if record.data["what"] in ("alarm", "held", "suppressed") and record.data["before"] == "A":
            assert record.subject not in standing, f"{record.subject} rose twice without a return"
            standing.add(record.subject)
        elif record.data["what"] == "returned":
            standing.discard(record.subject)


def call(server: Server, operation: str, **arguments: Any) -> Any:
    """As the commands do, without a process for each: a round costs the start of a server."""
    with ControlClient(server.state) as control:
        return control.call(operation, **arguments)


def alarms(server: Server, which: str = "active") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(server, "alarms", pattern="", list=which, limit=1000)["alarms"]
    return found


def verified(state: Path) -> dict[str, Any]:
    done = Process("verify", "journal", "--json", "--state", str(state))
    found: dict[str, Any] = json.loads(done.words())
    return found


def turn(field: str, device: str, what: str) -> None:
    turn_knob(Path(field), device, what)
