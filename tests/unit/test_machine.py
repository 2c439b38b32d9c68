# SPDX-License-Identifier: Apache-2.0
"""What the machine says of itself is a number in its range, or None; never a made-up one."""

from __future__ import annotations

from pathlib import Path

from supervisor.machine import Machine


def test_percentages_are_percentages(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    sum(i * i for i in range(100_000))
    sample = machine.sample()
    for source in ("host.cpu", "host.mem", "host.disk"):
        value = sample[source]
        assert value is not None and 0 <= value <= 100, source


def test_a_folder_that_is_gone_has_no_disk(tmp_path: Path) -> None:
    assert Machine(tmp_path / "gone").sample()["host.disk"] is None
