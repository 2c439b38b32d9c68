# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_durable.py
"""Small files that are replaced whole, and names that outlive a power cut.

Law of this file: the one way in which this program writes a file of its own that somebody else reads. Blocking.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_AFRESH: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step: readers see the old or the new one, also after a power cut.

    Raises:
        OSError: nothing was replaced, and nothing is left beside it. No link is followed.
    """
    new = path.with_name(path.name + ".new")
    try:
        _fill(os.open(new, _AFRESH, mode), content, mode)
        os.replace(new, path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
    sync_folder(path.parent)


def _fill(fd: int, content: bytes, mode: int) -> None:
    try:
        os.fchmod(fd, mode)
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
