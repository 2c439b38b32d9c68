# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_memory.py
"""How the server's memory is kept: when Python looks for cycles.

Law of this file: settings of the interpreter, once, when everything is open. It frees nothing itself.
"""

from __future__ import annotations

import gc
from typing import Final

NEW_MAX: Final = 50_000
"""New objects after which the collector looks at them. A storm of 34,000 alarms makes 200,000 that live on: at Python's
700 looking at them again and again takes a quarter of the storm's time; cycles are rare here and small."""


def settle() -> None:
    """What was made at start stays: no later collection looks at it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_MAX)
