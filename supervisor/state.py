# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_state.py
"""The state folder: one site, one running server.

Law of this file: opened once at start, before anything else is; whoever finds it in use or foreign starts nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from config.durable import write_whole
from supervisor.failure import Failure

# A file, what is made after it and means nothing without it, and what would come of going on with a new one.
_ROOTS: Final = (
    ("epoch", ("journal/journal.sqlite",), "a start that is counted from 1 again could repeat one that is journalled"),
    ("catalogue.sqlite", ("checkpoint", "history/about.json"), "tags would be given the past of others"),
)


class StateFolder:
    """An exclusive hold on a state folder.

    Args:
        path: made with mode 0700 if it is missing.
        site: name of the site; a folder of another site is refused.
    Raises:
        Failure: in use by another server, of another site, not writable, or without a file that others rest on.
    """

    def __init__(self, path: Path, site: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise Failure(f"cannot use the state folder {path}: {e.strerror}; give another with --state") from e
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._claim(site)
            self._see_to_roots()
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise Failure(
                f"another Vigie server (process {holder}) uses {path}; stop it or give --state another folder"
            ) from None
        except BaseException:
            os.close(self._lock)
            raise

    def _claim(self, site: str) -> None:
        marker = self.path / "site"
        try:
            owner = marker.read_text("utf-8", "replace").strip() if marker.exists() else ""
            if owner and owner != site:
                raise Failure(
                    f"{self.path} holds the state of site '{owner}', not of '{site}'; give --state another folder"
                )
            if not owner:
                write_whole(marker, f"{site}\n".encode(), 0o600)
        except OSError as e:
            raise Failure(f"cannot use the state folder {self.path}: {e.strerror}") from e

    def _see_to_roots(self) -> None:
        """A copy of the folder that lacks a file is no beginning."""
        for name, later, why in _ROOTS:
            root = self.path / name
            if root.is_symlink() or (root.exists() and (root.is_dir() or root.stat().st_size)):
                continue  # there; whether it is sound is its reader's matter
            if found := next((self.path / each for each in later if (self.path / each).exists()), None):
                raise Failure(
                    f"{root} is missing or empty, but {found} is there: {why}; restore it from a backup, or move "
                    f"{found} away as well"
                )

    def close(self) -> None:
        """Let go. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
