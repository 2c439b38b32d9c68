# SPDX-License-Identifier: Apache-2.0
"""The history of a real server: recorded, asked, killed and whole; the files speak without a server too."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from historian.store.store import open_store
from tests.system.server_kit import VIGIE, Server, running, until
from tests.system.test_server import CABINET, everything_answers

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def test_kill_9_loses_no_accepted_sample(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(Server(state, "demo")) as demo:
        assert isinstance(demo, Server)
        until("every device answers", lambda: everything_answers(demo))
        until("samples are accepted", lambda: demo.status()["history"]["accepted"] > 800)
        code, said = demo.vigie("history", f"{CABINET}/V1", "--json")
        assert code == 0, said
        asked = json.loads(said)
        assert asked["zone"] == "Europe/Paris" and asked["status"][-1] == "Good" and asked["value"][-1] > 200
        assert demo.vigie("verify", "history")[0] == 0
        told = demo.status()["history"]
        assert (told["state"], told["lost"], told["error"]) == ("recording", 0, None)
        assert told["offered"] == told["accepted"] + told["waiting"]
        demo.end(signal.SIGKILL)
    done = subprocess.run(
        [*VIGIE, "history", f"{CABINET}/V1", "--json", "--state", str(state)],
        capture_output=True,
        text=True,
        check=True,
    )
    alone = json.loads(done.stdout)
    assert alone["time_ns"][: len(asked["time_ns"])] == asked["time_ns"]
    assert alone["value"][: len(asked["value"])] == asked["value"]
    store = open_store(state / "history", "sennecey", alone["time_ns"][-1])
    ledger = store.ledger()
    store.close()
    assert ledger.balanced and ledger.stored >= told["accepted"]
