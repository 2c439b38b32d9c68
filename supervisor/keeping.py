# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_keeping.py
"""Keeping the live state: a checkpoint at start, every half minute and at the end; and whether it can be kept.

Law of this file: a disk that refuses stops nothing but says so, in `/status` and in the tag of `storage.ok`.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from config.words import Clock
from supervisor.core import Core
from supervisor.failure import Failure
from supervisor.offload import Offload
from supervisor.tags import checkpoint

log = logging.getLogger(__name__)

# A restart loses at most this much of hours run and last values; 100,000 tags are 4 MB each time.
PERIOD_S: Final = 30.0
FILE: Final = "checkpoint"


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

    async def save(self) -> None:
        """Write one checkpoint. A disk that refuses raises nothing; `error` says it, and the log on its edges."""
        taken = checkpoint.capture(self._core.table, self._core.program, self._clock.wall_ns(), self._epoch)
        try:
            await self._offload.run(lambda: checkpoint.write(taken, self._path))
        except OSError as e:
            if not self.error:
                log.error("the live state is not being kept: %s", e)
            self.error = f"{self._path}: cannot be written: {e.strerror}; free space or repair the disk"
        else:
            if self.error:
                log.info("the live state is being kept again")
            self.error = ""

    async def run(self) -> None:
        """Save every PERIOD_S until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            await self.save()
