# SPDX-License-Identifier: Apache-2.0
"""Where log lines go: to stderr for `run` (systemd keeps them), to a bounded file for the demo's one screen."""

from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path
from typing import Final

_FILE_SIZE_MAX: Final = 2 * 2**20
_FORMAT: Final = "%(levelname)s %(name)s: %(message)s"


def to_stderr() -> None:
    """One line per event. systemd adds the time to its own; elsewhere the line carries it."""
    journal = "JOURNAL_STREAM" in os.environ
    logging.basicConfig(level=logging.INFO, format=_FORMAT if journal else f"%(asctime)s {_FORMAT}")
    _quiet()


def to_file(path: Path) -> None:
    """At most two files of 2 MiB."""
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_FILE_SIZE_MAX, backupCount=1, encoding="utf-8")
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {_FORMAT}", handlers=[handler])
    _quiet()


def _quiet() -> None:
    # asyncua tells every request at INFO.
    logging.getLogger("asyncua").setLevel(logging.WARNING)
