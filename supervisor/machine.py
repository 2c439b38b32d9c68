# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_machine.py
"""What the machine says of itself: processor, memory, disk, clock. Small reads of /proc and of the kernel.

Law of this file: a measurement that cannot be had is None, never a made-up number.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

UNKNOWN: Final[Mapping[str, float | None]] = dict.fromkeys(("host.cpu", "host.mem", "host.disk", "clock.offset"))
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000
# struct timex on 64-bit Linux: modes u32 (padded), offset, freq, maxerror, esterror i64, status i32. See adjtimex(2).
_TIMEX: Final = struct.Struct("=I4xqqqqi")
_TIMEX_SIZE: Final = 256


class Machine:
    """Readings of this computer. Each call costs some ten microseconds.

    Args:
        state_dir: where the disk is looked at.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._cpu_before = _cpu_times()

    def sample(self) -> dict[str, float | None]:
        """Source name -> value; units as in `config.model.SYSTEM_SOURCES`."""
        return {
            "host.cpu": self._cpu(),
            "host.mem": _memory_used(),
            "host.disk": self._disk(),
            "clock.offset": clock_offset_ms(),
        }

    def _cpu(self) -> float | None:
        before, self._cpu_before = self._cpu_before, _cpu_times()
        if before is None or self._cpu_before is None:
            return None
        busy, total = (now - then for now, then in zip(self._cpu_before, before, strict=True))
        return 100.0 * busy / total if total > 0 else 0.0

    def _disk(self) -> float | None:
        try:
            disk = os.statvfs(self._state_dir)
        except OSError:
            return None
        return 100.0 * (1 - disk.f_bavail / disk.f_blocks) if disk.f_blocks else None


def _cpu_times() -> tuple[int, int] | None:
    try:
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)


def _memory_used() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        return 100.0 * (1 - kib["MemAvailable"] / kib["MemTotal"])
    except (OSError, ValueError, KeyError):
        return None


def clock_offset_ms() -> float | None:
    """Offset of the system clock from its reference as the kernel knows it [ms]; None while nobody disciplines it.

    Source: adjtimex(2).
    """
    buffer = ctypes.create_string_buffer(_TIMEX_SIZE)
    if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
        return None
    _, offset, _, _, _, status = _TIMEX.unpack_from(buffer.raw)
    if status & _STA_UNSYNC:
        return None
    return float(offset) / (1e6 if status & _STA_NANO else 1e3)
