# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store.py, tests/unit/test_store_crash.py, tests/unit/test_store_full.py
"""The historian's store: samples in, durable when `append` returns; queries out; every row accounted for.

Law of this file: order and bounds; everything blocks and is meant for `Offload`; time is an argument. `append` from one
thread, `maintain` from another, queries from any.

Theory of operation. The log is the store's newest part: `append` writes a frame, makes it durable, and keeps the rows
in memory (a chunk per log file), so that "now" is read without decoding. `maintain` does the rest when it is due: turn
the log (by rows, size, age), seal what was turned into segments, merge, close days with their roll-ups, forget.

Bounds: rows of the log held in memory `Limits.unsealed_rows_max` (beyond, `append` seals first, and refuses if it
cannot); size on disk `Limits.size_max`; samples no older than their class is kept and no newer than FUTURE_NS.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from config.words import NS_PER_S
from historian.store import frames, mend, segments, upkeep, wal
from historian.store.chunk import Chunk
from historian.store.disk import Steps, StoreError, StoreFull, lock_folder, make_folder, no_step, refused
from historian.store.files import QUARANTINE, Files, added
from historian.store.index import DAMAGED, RECORDED, SEALED, Change, Index, Removal
from historian.store.ledger import LOST, Ledger, ledger_of
from historian.store.limits import Limits
from historian.store.reader import Reader
from historian.store.samples import ROW_BYTES, Samples
from historian.store.segments import DAY_NS
from historian.store.verify import findings, log_findings
from historian.store.writer import Writer

T = TypeVar("T")
GAP_MIN_NS: Final = 10 * NS_PER_S
"""A pause of the server that is worth recording as a gap [ns]."""
FRAME_ROWS_MAX: Final = 500_000
REMOVALS_MAX: Final = 1000
"""Removals told at once."""
OUT_OF_TIME: Final = "out of time"
DISK_FULL: Final = "disk full"
DISK_ERROR: Final = "disk error"


class Store:
    """One post's history. Use `open_store`.

    Attributes:
        reader: queries.
        repair: what was found and mended on open, one sentence each.
    """

    def __init__(self, root: Path, index: Index, lock_fd: int, limits: Limits, steps: Steps) -> None:
        self._root = root
        self._lock_fd = lock_fd
        self._limits = limits
        self._keeping = threading.Lock()
        self._files = Files(root, index, steps)
        self._steps = steps
        self._writer = Writer(root, self._files, limits, index.ledger().get(SEALED, 0))
        self._lost: Counter[str] = Counter()
        self._again_on = -1
        self.repair: list[str] = []

    @property
    def reader(self) -> Reader:
        return self._files.reader

    # ----------------------------------------------------------------------------------------------------------- write

    def append(
        self,
        samples: Samples,
        now_ns: int,
        epoch: int = 0,
        digest: bytes = frames.NO_DIGEST,
        *,
        keeps: bool = False,
    ) -> int:
        """Accept samples; durable when this returns.

        Args:
            now_ns: server time [UTC ns].
            epoch: of the permit; digest: of the plant, 16 bytes. Both go into the frame.
            keeps: the caller keeps samples that are refused and offers them again: they are not counted as lost.
        Returns: sequence of the last accepted row. Rows out of time are counted as lost and are no error.
        Raises:
            StoreFull, StoreUnwritable: what could not be written is counted as lost; of samples that the caller keeps
                none is written.
            ValueError: more samples than can be kept, `kept_max`.
        """
        if keeps and len(samples) > self.kept_max:
            raise ValueError(f"history: expected at most {self.kept_max} samples to be kept, got {len(samples)}")
        fine = self._limits.in_time(samples, now_ns)
        step = self.kept_max
        for start in range(0, len(fine), step):
            part = fine.take(slice(start, start + step)) if len(fine) > step else fine
            try:
                self._append(part, now_ns, epoch, digest)
            except StoreError as error:
                if not keeps:
                    self.count_lost(len(samples) - len(fine), OUT_OF_TIME)
                    self._lost[DISK_FULL if isinstance(error, StoreFull) else DISK_ERROR] += len(fine) - start
                raise
        self.count_lost(len(samples) - len(fine), OUT_OF_TIME)
        return self._writer.next - 1

    @property
    def kept_max(self) -> int:
        """Most samples that are written as one: all or none."""
        return min(FRAME_ROWS_MAX, self._limits.unsealed_rows_max)

    def count_lost(self, rows: int, cause: str) -> None:
        """Rows that never reached `append`: a full queue before it, for instance."""
        if rows:
            self._lost[cause] += rows

    def _append(self, samples: Samples, now_ns: int, epoch: int, digest: bytes) -> None:
        while True:
            try:
                if not self._files.keep_reserve():
                    raise StoreFull(f"history: {self._root}: No space left on device; make room on this disk")
                if sum(c.rows for c in self._files.chunks) + len(samples) > self._limits.unsealed_rows_max:
                    self.seal()
                self._writer.append(samples, now_ns, epoch, digest)
                return
            except StoreFull:
                if not self._make_room():
                    raise

    # ---------------------------------------------------------------------------------------------------------- upkeep

    def seal(self) -> int:
        """Turn the log and make segments of all of it. Returns rows sealed.

        Raises:
            StoreFull, StoreUnwritable: the log still has them.
        """
        self._writer.turn()
        return self._seal_turned()

    def _seal_turned(self) -> int:
        rows = 0
        with self._keeping:
            for chunk in self._writer.turned():
                self._with_room(lambda chunk=chunk: self._seal(chunk))  # type: ignore[misc]
                rows += chunk.rows
            self._note_losses()
        return rows

    def _with_room(self, job: Callable[[], T]) -> T:
        """Do it, dropping day after day while the disk is full. The caller holds `_keeping`.

        Raises:
            StoreFull: nothing is left that may be dropped.
            StoreUnwritable.
        """
        while True:
            try:
                return job()
            except OSError as error:
                refusal = refused(error, self._root)
                if not isinstance(refusal, StoreFull) or not upkeep.make_room(self._files):
                    raise refusal from error
            except StoreFull:
                if not upkeep.make_room(self._files):
                    raise

    def _seal(self, chunk: Chunk) -> None:
        samples, last = chunk.all(), chunk.next - 1
        made = segments.seal(self._root, samples, chunk.first, last, self._steps)
        change = Change(
            add=tuple(made),
            ledger=((DAMAGED, chunk.damaged_rows),),
            sealed_through=last,
            recorded_ns=self._writer.written_ns,
            masks=added(self._files.view().masks, samples.series, samples.class_id),
        )
        self._files.commit(change, gone=chunk)
        for path in wal.log_files(self._root / "wal"):
            if int(path.stem) <= last:
                path.unlink()
                self._steps("log file removed")

    def _note_losses(self) -> None:
        lost, self._lost = self._lost, Counter()
        try:
            self._files.count([(f"{LOST}{cause}", n) for cause, n in lost.items()])
        except StoreError:
            self._lost += lost
            raise

    def maintain(self, now_ns: int, believed_ns: int | None = None) -> tuple[int, int]:
        """Do what is due. Call it about every minute.

        Args:
            believed_ns: the time by which samples are forgotten, if that is not `now_ns` [UTC ns]: what is deleted is
                not deleted by a clock that nobody believes yet.
        Returns: rows sealed; rows forgotten because their class is not kept longer.
        Raises:
            StoreError: something could not be done; it will be tried again.
        """
        self._writer.turn(now_ns - self._limits.turn_age_s * NS_PER_S)
        sealed = self._seal_turned()
        with self._keeping:
            forgotten = self._with_room(lambda: self._keep(now_ns, now_ns if believed_ns is None else believed_ns))
        return sealed, forgotten

    def _keep(self, now_ns: int, believed_ns: int) -> int:
        forgotten = sum(upkeep.retain(self._files, believed_ns, self._limits.retention_s).values())
        upkeep.merge_parts(self._files)
        today = now_ns // DAY_NS
        upkeep.close_days(self._files, now_ns, again=today != self._again_on)
        self._again_on = today
        while self.size > self._limits.size_max and upkeep.make_room(self._files):
            continue
        self._files.keep_reserve()
        return forgotten

    def removals(self) -> list[Removal]:
        """What was removed for good and nobody was told of yet, the oldest REMOVALS_MAX. Kept until `told`, over a
        crash too, so that the journal misses none.
        """
        return self._files.index.removals(REMOVALS_MAX)

    def told(self, number: int) -> None:
        """Removals up to this number are in the journal."""
        self._files.index.told(number)

    def _make_room(self) -> bool:
        """Drop the oldest day that is no evidence; False if there is none."""
        with self._keeping:
            return upkeep.make_room(self._files)

    def record_gap(self, start_ns: int, end_ns: int, cause: str) -> None:
        """Nothing was recorded from start to end [UTC ns]; no value holds into it. Durable when it returns."""
        self._files.index.add_gap(start_ns, end_ns, cause)
        self._files.refresh()

    # ---------------------------------------------------------------------------------------------------------- status

    @property
    def size(self) -> int:
        """Segments, roll-ups and log [B]."""
        return self._files.bytes() + sum(p.stat().st_size for p in wal.log_files(self._root / "wal"))

    @property
    def written_ns(self) -> int:
        """Server time of the newest append, of an earlier run too; 0 if there was none [UTC ns]."""
        return self._writer.written_ns

    @property
    def days(self) -> int:
        """Days (UTC) of which something is sealed."""
        return len(self._files.view().days)

    @property
    def memory(self) -> int:
        """Columns of the unsealed rows [B]."""
        return ROW_BYTES * sum(c.rows for c in self._files.chunks)

    def ledger(self) -> Ledger:
        """What became of every sample. Waits for an append or seal under way."""
        with self._keeping, self._writer.lock:
            return ledger_of(self._files.index.ledger(), self._writer.next - 1, self._files.chunks, self._lost)

    def verify(self) -> list[str]:
        """Read everything there is; one sentence for each thing that is wrong. Takes its time."""
        with self._keeping:
            with self._writer.lock:
                said = list(log_findings(self._root))
            said += findings(self._root, self._files.view)
        if not self.ledger().balanced:
            said.append(f"{self._root}: the ledger does not balance: {self.ledger()}")
        return said

    def gaps(self) -> list[tuple[int, int, str]]:
        """(start, end, cause) of times in which nothing was recorded [UTC ns]."""
        return self._files.index.gaps()

    def close(self) -> None:
        """Release everything; what is in the log stays there. Idempotent."""
        if self._lock_fd < 0:
            return
        self._writer.turn()
        with self._keeping:
            try:
                self._note_losses()
            finally:
                self._files.reader.close()
                self._files.index.close()
                os.close(self._lock_fd)
                self._lock_fd = -1

    # ------------------------------------------------------------------------------------------------------------ open

    def recover(self, now_ns: int) -> None:
        """Take over what the log holds. Called once by `open_store`."""
        found = self._writer.recover(self._root / QUARANTINE, self._files.index.ledger().get(RECORDED, 0))
        for file in found:
            if file.torn:
                self.repair.append(f"{file.path.name}: a torn tail of {file.torn} bytes was cut")
            if file.damaged_rows:
                self.repair.append(f"{file.path.name}: {file.damaged_rows} rows cannot be read")
        if losses := tuple(loss for file in found for loss in file.losses):
            self._files.commit(Change(losses=losses))
        recorded = self._writer.written_ns
        if recorded and now_ns - recorded > GAP_MIN_NS:
            self.record_gap(recorded, now_ns, "the server did not run")
        self._files.keep_reserve()


def open_store(root: Path, site: str, now_ns: int, limits: Limits | None = None, steps: Steps = no_step) -> Store:
    """Open, creating the folder (0700) if needed, and mend.

    Args:
        now_ns: server time [UTC ns].
        steps: told of each step that changes the disk; for tests.
    Raises:
        ForeignStore, StoreFull, StoreUnwritable.
    """
    try:
        make_folder(root)
        lock_fd = lock_folder(root)
    except OSError as error:
        raise refused(error, root) from error
    index = None
    try:
        for name in ("wal", segments.FOLDER, "rollups", QUARANTINE):
            make_folder(root / name)
        index = Index(root / "index.db", site)
        said = mend.mend(root, index)
        store = Store(root, index, lock_fd, limits or Limits(), steps)
        store.repair += said
        store.recover(now_ns)
    except BaseException as error:
        if index is not None:
            index.close()
        os.close(lock_fd)
        raise (refused(error, root) if isinstance(error, OSError) else error) from error
    return store
