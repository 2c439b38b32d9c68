# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_keeping.py, tests/sim/test_keeping_learned.py
"""Keeping the live state: a checkpoint at start, every half minute and at the end; and whether it can be kept.

Law of this file: a disk that refuses stops nothing but says so, in `/status` and in the tag of `storage.ok`.

Beside the checkpoint lies `learned.json`: what drivers learned of their devices, written when it has changed. It saves
a search and holds nothing that cannot be found again, so a damaged one is ignored, with one line in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Final

from config.durable import write_whole
from config.words import Clock
from supervisor.core import Core
from supervisor.failure import Failure
from supervisor.offload import Offload, OffloadFull
from supervisor.tags import checkpoint

log = logging.getLogger(__name__)

# A restart loses at most this much of hours run and last values; 100,000 tags are 4 MB each time.
PERIOD_S: Final = 30.0
RETRY_S: Final = 5.0
FILE: Final = "checkpoint"
LEARNED_FILE: Final = "learned.json"
LEARNED_BYTES_MAX: Final = 16 * 2**20  # 10,000 devices with a few refused addresses each are 2 MB


class Keeper:
    """The checkpoint of one core.

    Attributes:
        error: why the state is not being kept; empty while it is.
        found: what was found at start, one sentence for the log and the journal.
    """

    def __init__(self, core: Core, state_dir: Path, epoch: int, clock: Clock, offload: Offload) -> None:
        self._core = core
        self._path = state_dir / FILE
        self._epoch = epoch
        self._clock = clock
        self._offload = offload
        self._learned_path = state_dir / LEARNED_FILE
        self._learned: dict[str, Any] = {}  # as it is in the file
        self.error = ""
        self.found = ""

    async def restore(self) -> None:
        """Begin with what was last known, if anything. A damaged file is moved aside and said.

        Raises:
            Failure: the file is another site's or of a later version, or cannot be read: the folder is the wrong one.
        """
        try:
            kept = await self._offload.run(lambda: checkpoint.read(self._path))
            report = checkpoint.restore(kept, self._core.table, self._core.program, self._clock.wall_ns())
        except FileNotFoundError:
            self.found = "no checkpoint: a first start"
        except checkpoint.CheckpointDamaged as damage:
            aside = self._path.with_name(f"{FILE}.damaged")
            await self._offload.run(lambda: self._path.replace(aside))
            self.found = f"started without last values: {damage} (it is now {aside.name})"
            log.error("%s", self.found)
        except checkpoint.ForeignState as foreign:
            raise Failure(f"{foreign}; give --state another folder") from foreign
        except OSError as e:
            raise Failure(f"{self._path}: {e.strerror}; repair it or give --state another folder") from e
        else:
            age_s = report.age_ns / 1e9
            self.found = f"restored {report.rows} tags, {age_s:.0f} s old, as last usable values"
            if report.skipped:
                self.found += f"; {report.skipped} are no more or mean something else now"
            log.info("%s", self.found)

        await self._recall()

    async def _recall(self) -> None:
        try:
            kept = await self._offload.run(lambda: _read_learned(self._learned_path))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as e:
            log.warning("%s is ignored, devices are found out anew: %s", self._learned_path, e)
            return
        taken, dropped = self._core.host.recall(kept)
        self._learned = kept
        log.info("%d requests know what their devices refuse; %d entries no longer fit", taken, dropped)

    async def save(self) -> None:
        """Write one checkpoint. A disk that refuses raises nothing; `error` says it, and the log on its edges."""
        taken = checkpoint.capture(self._core.table, self._core.program, self._clock.wall_ns(), self._epoch)
        try:
            await self._offload.run(lambda: checkpoint.write(taken, self._path))
            await self._save_learned()
        except (OSError, OffloadFull) as e:
            if not self.error:
                log.error("the live state is not being kept: %s", e)
            why = e.strerror if isinstance(e, OSError) else e
            self.error = f"{self._path}: cannot be written: {why}; free space or repair the disk"
        else:
            if self.error:
                log.info("the live state is being kept again")
            self.error = ""

    async def _save_learned(self) -> None:
        learned = self._core.host.learned()
        if learned != self._learned:
            content = json.dumps(learned, indent=1, sort_keys=True).encode() + b"\n"
            await self._offload.run(lambda: write_whole(self._learned_path, content, 0o600))
            self._learned = learned

    async def run(self) -> None:
        """Save every PERIOD_S until cancelled; sooner while the disk refuses, so that its return is soon known."""
        while True:
            await asyncio.sleep(RETRY_S if self.error else PERIOD_S)
            await self.save()


def _read_learned(path: Path) -> dict[str, Any]:
    """Blocking.

    Raises:
        OSError: it cannot be read; ValueError: it is damaged.
    """
    with path.open("rb") as file:
        content = file.read(LEARNED_BYTES_MAX + 1)
    if len(content) > LEARNED_BYTES_MAX:
        raise ValueError(f"expected at most {LEARNED_BYTES_MAX} bytes")
    try:
        kept = json.loads(content)
    except RecursionError:
        raise ValueError("expected what was learned of devices, got something nested without end") from None
    if not isinstance(kept, dict):
        raise ValueError(f"expected devices and what was learned of them, got {str(kept)[:40]!r}")
    return kept
