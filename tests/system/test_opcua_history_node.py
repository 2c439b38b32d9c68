# SPDX-License-Identifier: Apache-2.0
"""node-opcua's client, unmodified, reads the past: raw in pages, aggregates, values at times."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from historian.store.store import open_store
from supervisor.offload import Offload
from tests.system.history_kit import CAB, LIMITS, NOON_NS, Kept, fill, history_plant
from tests.system.node_kit import HERE, node_modules
from tests.system.opcua_kit import PASSWORDS, client_certificate, in_background


@pytest.mark.system
@pytest.mark.timeout(180)
def test_node_opcua_reads_raw_processed_and_at_times(tmp_path: Path) -> None:
    modules = node_modules()
    store, offload = open_store(tmp_path / "store", "test", NOON_NS), Offload()
    fill(store, history_plant())
    certificate, key = client_certificate(tmp_path / "client")
    start_ms = str(NOON_NS // 1_000_000)
    with in_background(tmp_path / "opcua", plant=history_plant(), past=Kept(store, offload), limits=LIMITS) as site:
        command = ["node", str(HERE / "history.js"), site.server.endpoint, str(certificate), str(key)]
        done = subprocess.run(
            [*command, "op", PASSWORDS["op"], str(tmp_path / "pki"), CAB + "V1", start_ms],
            env={"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:" + str(Path(shutil.which("node") or "").parent)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    offload.close()
    store.close()
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["easy"][0] == "Good"
    assert [v[:2] for v in seen["easy"][1]][:5] == [[10 * k, 200 + k] for k in range(5)]
    assert seen["raw"]["pages"] == 4
    raw = [[10 * k, None if k == 100 else 200 + k] for k in range(200)]
    assert [v[:2] for v in seen["raw"]["values"]] == raw
    assert seen["mean"] == ["Good", [[0, 204.5, 0x401], [100, 214.5, 0x401], [200, 224.5, 0x401]]]
    assert seen["at"] == [[15, 201, 0x402], [10, 201, 0]]
