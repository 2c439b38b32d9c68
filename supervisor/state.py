# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_state.py
"""The state folder: one site, one running server.

Law of this file: opened once at start, before anything else is; whoever finds it in use or foreign starts nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class StateRefused(Exception):
    """The folder cannot be used; the sentence says why and what to do."""


class StateFolder:
    """An exclusive hold on a state folder.

    Args:
        path: made with mode 0700 if it is missing.
        site: name of the site; a folder of another site is refused.
    Raises:
        StateRefused: in use by another server, of another site, or not writable.
    """

    def __init__(self, path: Path, site: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StateRefused(f"cannot use the state folder {path}: {e.strerror}; give another with --state") from e
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._claim(site)
        except BlockingIOError:
            os.close(self._lock)
            raise StateRefused(f"another Vigie server uses {path}; stop it or give --state another folder") from None
        except BaseException:
            os.close(self._lock)
            raise

    def _claim(self, site: str) -> None:
        marker = self.path / "site"
        try:
            owner = marker.read_text().strip() if marker.exists() else ""
            if owner and owner != site:
                raise StateRefused(
                    f"{self.path} holds the state of site '{owner}', not of '{site}'; give --state another folder"
                )
            if not owner:
                marker.write_text(site + "\n")
        except OSError as e:
            raise StateRefused(f"cannot use the state folder {self.path}: {e.strerror}") from e

    def close(self) -> None:
        """Let go. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
