# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_memory.py
"""How the server's memory is kept: when Python looks for cycles, and what goes back to the system after the start.

Law of this file: settings of the interpreter, once, when everything is open. It frees no object itself.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from typing import Final

NEW_MAX: Final = 50_000
"""New objects after which the collector looks at them. A storm of 34,000 alarms makes 200,000 that live on: at Python's
700 looking at them again and again takes a quarter of the storm's time; cycles are rare here and small."""


def settle() -> None:
    """What was made at start stays: no later collection looks at it. What only the start needed goes back.

    Nothing is collected before: the start of tier M leaves 1,600 objects in cycles, and to find them half a second of
    CPU is spent on all the others.
    """
    gc.freeze()
    gc.set_threshold(NEW_MAX)
    _trim()


def _trim() -> None:
    """Hand free pages back: the models of a large site are read, compiled and gone. Only GNU's C library has such a
    call; others keep the pages for what comes.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
