# SPDX-License-Identifier: Apache-2.0
"""The command: prints or writes a draft, overwrites nothing, says who cannot be asked."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.bacnet.simulator import SimulatedDevice
from supervisor.cli.main import main
from tests.unit.test_bacnet_discovery import building


@pytest.fixture
def port() -> Iterator[int]:
    """A simulated building in a thread of its own."""
    loop = asyncio.new_event_loop()
    device = SimulatedDevice("s", {(0, b""): building(2101)})
    loop.run_until_complete(device.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield device.port
    asyncio.run_coroutine_threadsafe(device.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_draft_is_printed_or_written_and_nothing_is_overwritten(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["discover", "bacnet", f"127.0.0.1:{port}", "--interface", "127.0.0.1", "--wait", "0.3", "--area", "21605"]
    assert main(ask) == 0
    said = capsys.readouterr().out
    assert "# device 2101 'BLD-2101'" in said and "# --- types/BAC1.yaml" in said and "BAC1-0001,21605,planned" in said
    out = tmp_path / "draft"
    assert main([*ask, "--out", str(out)]) == 0
    mine = (out / "types" / "BAC1.yaml").read_text() + "# mine\n"
    (out / "types" / "BAC1.yaml").write_text(mine)
    (out / "inventory" / "BAC1.csv").unlink()
    capsys.readouterr()
    assert main([*ask, "--out", str(out)]) == 1
    assert "is there already; nothing was written" in capsys.readouterr().err
    assert (out / "types" / "BAC1.yaml").read_text() == mine and not (out / "inventory" / "BAC1.csv").exists()


def test_nobody_and_nonsense(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "bacnet", "127.0.0.1:9", "--interface", "127.0.0.1", "--wait", "0.05"]) == 1
    assert "0 devices answered" in capsys.readouterr().out
    assert main(["discover", "bacnet", "somewhere"]) == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        assert main(["discover", "bacnet", "127.0.0.1", "--interface", "127.0.0.1", "--local-port", port]) == 1
    assert f"cannot ask from 127.0.0.1:{port}" in capsys.readouterr().err
    assert main(["discover", "dali", "127.0.0.1:9"]) == 1
    with pytest.raises(SystemExit) as usage:
        main(["discover", "modbus"])
    assert usage.value.code == 2
