# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_crash.py
"""How the store touches the disk: errors by whose fault they are, files that are whole or not there, named steps.

Law of this file: blocking I/O, no clock. A name appears in a folder only when the whole content behind it is durable.
"""

from __future__ import annotations

import errno
import fcntl
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from config.durable import sync_folder

Steps = Callable[[str], None]
"""Called with the name of each step that changes the disk, after it; the crash tests stop the process there."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class StoreError(Exception):
    """The history was not written or cannot be read; the sentence says why and what to do."""


class StoreUnwritable(StoreError):
    """The disk or its file system refuses: read-only, failing, no rights."""


class StoreFull(StoreError):
    """No space is left, on the disk or within the store's own bounds."""


class ForeignStore(StoreError):
    """The folder holds another site's history, or another process writes it."""


def no_step(_name: str) -> None:
    """Outside the tests a step is nothing."""


def refused(error: OSError, path: Path) -> StoreError:
    """The sentence for an error of the operating system."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return StoreFull(f"history: {path}: {reason}; make room on this disk or give the history a larger one")
    return StoreUnwritable(f"history: {path}: {reason}; check the disk, its mount and its owner")


def crc_of(path: Path) -> int:
    """CRC-32 of a whole file."""
    crc = 0
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            crc = zlib.crc32(piece, crc)
    return crc


def sync_file(path: Path) -> None:
    """Make the content of a written file durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(temporary: Path, path: Path, steps: Steps, what: str) -> None:
    """Give a written file its name: sync, rename, sync the folder. Durable when it returns."""
    sync_file(temporary)
    steps(f"{what}: synced")
    os.replace(temporary, path)
    steps(f"{what}: renamed")
    sync_folder(path.parent)
    steps(f"{what}: folder synced")


def make_folder(folder: Path) -> None:
    """A folder (0700) whose own name is durable."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)


def lock_folder(folder: Path) -> int:
    """Exclusive right to write a store; held until the descriptor is closed.

    Raises:
        ForeignStore: another process holds it.
    """
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise ForeignStore(f"history: {folder}: another process writes it; stop that one first") from None
    return fd
