# SPDX-License-Identifier: Apache-2.0
"""A small file is replaced whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from config.durable import write_whole


def test_it_is_replaced_with_its_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("before")
    write_whole(path, b"after", 0o600)
    assert path.read_text() == "after" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["f"]


def test_a_full_disk_leaves_the_one_before_and_gives_back_its_room(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(path, b"x" * 1000, 0o600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["f"]


def test_no_link_is_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "f.new").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "f", b"x", 0o600)
    assert victim.read_text() == "untouched" and os.listdir(tmp_path) == ["victim"], "the next time it will do"
    (tmp_path / "f").symlink_to(victim)
    write_whole(tmp_path / "f", b"x", 0o600)
    assert victim.read_text() == "untouched" and not (tmp_path / "f").is_symlink()
