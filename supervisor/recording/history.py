# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_recording_upkeep.py, tests/sim/test_recording.py, tests/system/test_history.py
"""The history of a running server: store, recorder and upkeep together.

Law of this file: puts together. The store has two ways off the loop: one thread that writes, and others for upkeep and
queries, so that neither a long seal nor a long query keeps samples from the disk. pyarrow and numpy work outside the
interpreter's lock for most of a seal.

Upkeep (`UPKEEP`, every minute): seal what is an hour old or large, merge, close days with their roll-ups, forget what
its class does not keep longer. What it removed for good, and why, is written into the journal. A clock that is set on
by mistake must not delete years in a minute: the time by which is deleted follows it by CATCH_UP_NS a minute at most.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from config.durable import write_whole
from config.words import NS_PER_S, Clock
from historian.base import JournalError, Plain
from historian.store.disk import StoreError
from historian.store.gaps import ANY_CLASS
from historian.store.index import Removal
from historian.store.limits import Limits
from historian.store.reader import Reader
from historian.store.samples import CLASSES
from historian.store.segments import date_of
from historian.store.store import Store, open_store
from historian.store.upkeep import FULL, RETENTION_S, UNREADABLE
from supervisor.commands.values import iso
from supervisor.failure import Failure
from supervisor.jobs import JobFailed, Jobs
from supervisor.offload import Offload
from supervisor.recording.joined import forget_told
from supervisor.recording.recorder import Recorder
from supervisor.tags.table import TagTable

T = TypeVar("T")
Prove = Callable[[str, Mapping[str, Plain]], Awaitable[None]]
FOLDER: Final = "history"
ABOUT: Final = "about.json"
UPKEEP: Final = {"second": 20}
"""Cron fields of the upkeep job: every minute, when quarters and hours have been stored."""
CATCH_UP_NS: Final = 3600 * NS_PER_S
"""How far the believed time moves in one upkeep at most [ns]: a minute of a clock that is a year ahead costs an hour of
the oldest samples, and a server that was off for a month has forgotten what it must after half a day."""
ASKING_MAX: Final = 16
"""Queries and upkeep that may wait for their threads; the next one is refused."""


@dataclass(slots=True)
class _Measured:
    """What takes a disk to know, as of the last upkeep. `lost_before`: in the ledger at start."""

    bytes: int
    days: int
    lost_before: int
    accepted_before: int


class History:
    """One server's history.

    Attributes:
        zone: IANA name of the site's time zone.
        recorder: consumer of the scan, and its writer.
    """

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        clock: Clock,
        zone: str,
        ways: tuple[Offload, Offload],
        measured: _Measured,
    ) -> None:
        self.zone = zone
        self._store = store
        self._clock = clock
        self._writing, self._reading = ways
        self.recorder = recorder
        self._measured = measured
        self._sealed_ns: int | None = None
        self._retained_ns: int | None = None
        self._failed = ""
        self._believed_ns = store.written_ns or clock.wall_ns()

    @classmethod
    async def open(
        cls, folder: Path, table: TagTable, clock: Clock, epoch: int, zone: str, limits: Limits | None = None
    ) -> History:
        """Open and mend the store of a state folder. Nothing is recorded before `start`.

        Args:
            zone: of the site; told to whoever reads the files without a server.
        Raises:
            Failure: the disk refuses, or it is another site's.
            ValueError: a type's history rule does not fit its tag.
        """
        ways = Offload(1), Offload(2, ASKING_MAX)
        writing = ways[0]
        site = table.plant.site
        store: Store | None = None
        try:
            store = await writing.run(lambda: open_store(folder / FOLDER, site, clock.wall_ns(), limits))
            opened = store
            await writing.run(lambda: _tell_about(folder / FOLDER, site, zone))
            await writing.run(lambda: forget_told(opened.reader, table))
            measured = await writing.run(lambda: _measure(opened))
            recorder = Recorder(table, store, clock, writing.run, epoch, measured.accepted_before)
            return cls(store, recorder, clock, zone, ways, measured)
        except BaseException as error:
            if store is not None:
                store.close()
            for way in ways:
                way.close()
            if isinstance(error, StoreError | OSError):
                raise Failure(str(error)) from error
            raise

    @property
    def found(self) -> str:
        """What was mended when the store was opened, for the log and the journal; empty if nothing."""
        return "; ".join(self._store.repair)

    @property
    def reader(self) -> Reader:
        return self._store.reader

    def gaps(self) -> list[tuple[int, int, str]]:
        """Blocks. (start, end, cause) of times in which nothing was recorded [UTC ns]."""
        return self._store.gaps()

    async def ask(self, job: Callable[[], T]) -> T:
        """Run a query off the loop.

        Raises:
            OffloadFull: ASKING_MAX others wait.
            StoreError: the files cannot be read.
        """
        return await self._reading.run(job)

    def start(self, jobs: Jobs, prove: Prove) -> None:
        """Begin to record, and to keep the store in order.

        Args:
            prove: writes into the journal what was removed for good; raises JournalError.
        """
        from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

        self._prove = prove
        self.recorder.start()
        jobs.add("history upkeep", CronTrigger(**UPKEEP, timezone=ZoneInfo(self.zone)), self._keep)

    async def _keep(self) -> str:
        now_ns = self._clock.wall_ns()
        try:
            self._believed_ns = believed(self._believed_ns, now_ns)
            sealed, forgotten = await self._reading.run(lambda: self._store.maintain(now_ns, self._believed_ns))
            await self._tell_removals()
            self._measured = await self._reading.run(lambda: _measure(self._store, self._measured))
        except StoreError as error:
            self._failed = str(error)
            raise JobFailed(str(error)) from error
        except JournalError as error:
            raise JobFailed(f"what was removed from the history is not journalled yet: {error}") from error
        self._failed = ""
        self._retained_ns = now_ns
        if sealed:
            self._sealed_ns = now_ns
        return f"{sealed} samples sealed, {forgotten} forgotten"

    async def _tell_removals(self) -> None:
        """Proof of retention: what is gone stands in the journal, class by class, over a crash too."""
        gone = await self._reading.run(self._store.removals)
        if gone:
            for (class_id, cause), some in itertools.groupby(sorted(gone, key=_kind_of), _kind_of):
                await self._prove(*_removed(class_id, cause, list(some)))
            await self._reading.run(lambda: self._store.told(gone[-1].number))

    async def close(self) -> None:
        """Write what waits, then close the store. Idempotent."""
        await self.recorder.close()
        try:
            await self._writing.run(self._store.close)
        except StoreError as error:
            self._failed = str(error)
        finally:
            self._writing.close()
            self._reading.close()

    # ----------------------------------------------------------------------------------------------------------- status

    @property
    def waiting(self) -> int:
        """Samples that wait for the disk."""
        return self.recorder.waiting

    @property
    def refused(self) -> bool:
        """True while the disk refuses samples or their upkeep."""
        return self.recorder.error is not None or bool(self._failed)

    def errors(self) -> list[str]:
        """Sentences on what is wrong, for the status document; empty while samples reach the disk."""
        recorder = self.recorder
        said = [recorder.error] if recorder.error else []
        if self._failed and self._failed != recorder.error:
            said.append(self._failed)
        lost = sum(recorder.lost.values())
        if lost:
            causes = ", ".join(f"{rows} {cause}" for cause, rows in recorder.lost.items())
            said.append(f"history: {lost} samples were lost since start ({causes}); the curves have a gap there")
        return said

    def document(self) -> dict[str, Any]:
        """The part `history` of the status document."""
        recorder, measured = self.recorder, self._measured
        lost = sum(recorder.lost.values())
        errors = self.errors()
        return {
            "state": "recording" if recorder.error is None else "waiting for the disk",
            "refused": self.refused,
            "samples": measured.accepted_before + recorder.accepted,
            "offered": recorder.offered,
            "accepted": recorder.accepted,
            "waiting": recorder.waiting,
            "lost": lost,
            "lost_before": measured.lost_before,
            "bytes": measured.bytes,
            "days": measured.days,
            "last_seal": None if self._sealed_ns is None else iso(self._sealed_ns),
            "last_retention": None if self._retained_ns is None else iso(self._retained_ns),
            "repair": self.found or None,
            "error": errors[0] if errors else None,
        }


def believed(before_ns: int, now_ns: int) -> int:
    """The time by which samples are forgotten, one upkeep after `before_ns`: never ahead of the clock."""
    return min(now_ns, before_ns + CATCH_UP_NS)


def _kind_of(removal: Removal) -> tuple[int, str]:
    return removal.class_id, removal.cause


def _removed(class_id: int, cause: str, gone: list[Removal]) -> tuple[str, dict[str, Plain]]:
    """Sentence and data of a record."""
    rows, days = sum(r.rows for r in gone), [date_of(r.day) for r in gone]
    name = "unknown" if class_id == ANY_CLASS else CLASSES[class_id]
    kept_s = RETENTION_S.get(name, max(RETENTION_S.values()))
    why = cause if cause == FULL else f"kept {kept_s // 86_400:,} days"
    what = "unreadable samples" if cause == UNREADABLE else "samples"
    text = f"history: {rows:,} {what} of class {name}, {min(days)} to {max(days)}, removed: {why}"
    return text, {"class": name, "cause": cause, "samples": rows, "first_day": min(days), "last_day": max(days)}


def _measure(store: Store, before: _Measured | None = None) -> _Measured:
    if before is not None:
        return _Measured(store.size, store.days, before.lost_before, before.accepted_before)
    ledger = store.ledger()
    return _Measured(store.size, store.days, sum(ledger.lost.values()), ledger.accepted)


def _tell_about(folder: Path, site: str, zone: str) -> None:
    """Leave word of whose files these are. Lost or damaged, it is written anew at the next start."""
    write_whole(folder / ABOUT, json.dumps({"site": site, "time_zone": zone}).encode() + b"\n", 0o644)
