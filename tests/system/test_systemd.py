# SPDX-License-Identifier: Apache-2.0
"""The unit file: as hardened as it says, and saying nothing systemd does not know."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from supervisor.cli.main import COMMANDS

UNIT = Path(__file__).parents[2] / "systemd" / "vigie@.service"
EXPOSURE_MAX = 3.0

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@needs_systemd
def test_the_exposure_is_small() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=30", str(UNIT)],
        capture_output=True,
        text=True,
    )
    if "Unknown" in done.stderr or "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges no unit files (--offline)")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert done.returncode == 0
    assert float(found[1]) <= EXPOSURE_MAX


@needs_systemd
def test_systemd_knows_every_word_of_it() -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(UNIT)], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if UNIT.name.replace("@", "@i") in line or UNIT.name in line]
    # Where Vigie is not installed system-wide its program is missing; anything else is a mistake in the file.
    assert [line for line in said if "is not executable" not in line] == []


def test_it_starts_a_command_there_is_and_feeds_on_proof_of_life() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    words = service["ExecStart"].split()
    assert words[0].endswith("/vigie")
    assert words[1] in COMMANDS
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 2
    assert (service["Restart"], unit["Unit"]["StartLimitIntervalSec"]) == ("always", "0"), "never given up"
    assert service["PrivateUsers"] == "no", "SO_PEERCRED must tell real logins"
