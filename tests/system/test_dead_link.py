# SPDX-License-Identifier: Apache-2.0
"""A write in the kernel's buffer behind a dead path: the server is killed or stopped, the path returns, nothing comes.

Law of DESIGN 7: TCP_USER_TIMEOUT drops what a stopped process has handed over; SO_LINGER (1, 0), what a killed one has.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]


def test_nothing_arrives_later_than_the_user_timeout() -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urnpf", "true"], check=False).returncode:
        pytest.skip("no network namespace can be made here")
    words = ["unshare", "-Urnpf", "--kill-child", sys.executable, "-m", "tests.system.dead_link"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    arrived = json.loads(done.stdout.splitlines()[-1])
    assert arrived["before"] == {"killed": [], "stopped": []}
    assert arrived["after"] == {"killed": ["plain"], "stopped": ["plain"]}, (
        "only what has none of our options comes back"
    )
