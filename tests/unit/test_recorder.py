# SPDX-License-Identifier: Apache-2.0
"""The recorder between a scan that must not wait and a disk that may refuse: what waits, what is lost, what is said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.words import NS_PER_S, StatusCode
from historian.store.disk import StoreFull
from historian.store.samples import Samples
from historian.store.store import Store, open_store
from supervisor.offload import Offload
from supervisor.recording import recorder as module
from supervisor.recording.recorder import QUEUE_FULL, Recorder
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Changes
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.sim.loop import VirtualClock, clock, run

N = 10
PLANT = make_plant(
    {
        "CAB": TypeSpec(
            {
                "P": replace(tag("Double"), history_class="A2"),
                "Door": replace(tag("Boolean"), history_class="E"),
                "FW": replace(tag("String"), history_class="E"),
                "Raw": replace(tag("Double"), history_class="N"),
            }
        )
    },
    {"CAB": [f"21000/CAB-{i:04d}" for i in range(N)]},
)
P, DOOR, FW, RAW = (PLANT.types["CAB"].blocks[name] for name in ("P", "Door", "FW", "Raw"))


class Disk:
    """A real store, and a disk under it that may refuse."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.full = False
        self.appends: list[int] = []

    def append(self, samples: Samples, now_ns: int, epoch: int, digest: bytes, *, keeps: bool) -> int:
        if self.full:
            raise StoreFull("history: /h: No space left on device; make room on this disk")
        self.appends.append(len(samples))
        return self.store.append(samples, now_ns, epoch, digest, keeps=keeps)

    def count_lost(self, rows: int, cause: str) -> None:
        self.store.count_lost(rows, cause)

    def record_gap(self, start_ns: int, end_ns: int, cause: str) -> None:
        if self.full:
            raise StoreFull("history: /h: No space left on device; make room on this disk")
        self.store.record_gap(start_ns, end_ns, cause)


class Post:
    """A table, its scan by hand, a recorder and its disk."""

    def __init__(self, folder: Path, run_: Any, **more: Any) -> None:
        self.clock: VirtualClock = clock()
        self.table = TagTable(PLANT, StringPool(), self.clock.wall_ns())
        self.disk = Disk(open_store(folder, "hand", self.clock.wall_ns()))
        self.recorder = Recorder(self.table, self.disk, self.clock, run_, epoch=3, **more)

    def put(self, rows: slice, value: Any, status: int = StatusCode.Good) -> None:
        n = rows.stop - rows.start
        cells = np.full(n, value, np.float64).view(np.int64) if isinstance(value, float) else np.full(n, value)
        self.table.put(rows, cells, np.full(n, status, np.uint32), self.clock.wall_ns())

    def scan(self) -> None:
        self.recorder.take(Changes(self.table.changed_rows(), self.clock.wall_ns()))

    def balanced(self) -> bool:
        r = self.recorder
        return r.offered == r.accepted + r.waiting + sum(r.lost.values())

    def series(self, row: int) -> list[Any]:
        return self.disk.store.reader.raw(int(PLANT.series[row]), 0, 2**62).samples.python()


def with_post(folder: Path, story: Callable[[Post], Awaitable[None]], delay_s: float = 0.0, **more: Any) -> None:
    """In virtual time, with a disk that takes `delay_s` for each write."""

    async def main() -> None:
        offload = Offload(1)

        async def off_loop(job: Callable[[], Any]) -> Any:
            await asyncio.sleep(delay_s)
            return await offload.run(job)

        post = Post(folder, off_loop, **more)
        post.recorder.start()
        try:
            await story(post)
        finally:
            await post.recorder.close()
            assert post.balanced() and post.recorder.waiting == 0
            assert post.disk.store.ledger().balanced
            post.disk.store.close()
            offload.close()

    run(main())


def test_the_class_rules_choose_and_class_n_is_never_stored(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        post.put(P.rows, 1.5)
        post.put(RAW.rows, 1.5)
        post.scan()
        await asyncio.sleep(2)
        assert (post.recorder.offered, post.recorder.accepted) == (N, N)
        assert post.series(P.start) == [1.5]
        assert post.series(RAW.start) == []

    with_post(tmp_path, story)


def test_samples_are_written_about_once_a_second_and_events_at_once(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        await asyncio.sleep(0.05)
        for k in range(30):
            post.put(P.rows, float(k))
            post.scan()
            await asyncio.sleep(0.1)
        assert len(post.disk.appends) == 3
        post.put(DOOR.rows, 1)
        post.scan()
        await asyncio.sleep(0.01)
        assert post.recorder.waiting == 0
        assert post.series(DOOR.start) == [1.0]

    with_post(tmp_path, story)


def test_what_is_known_before_the_first_scan_is_stored_although_it_did_not_change(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        post.put(P.rows, 7.0, StatusCode.UncertainLastUsableValue)
        post.table.changed_rows()
        await asyncio.sleep(5)
        post.scan()
        await asyncio.sleep(2)
        assert post.series(P.start) == [7.0]

    with_post(tmp_path, story)


def test_the_beginning_is_spread_over_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_MAX", 4)

    async def story(post: Post) -> None:
        post.put(P.rows, 7.0)
        post.table.changed_rows()
        offered = []
        for _ in range(5):
            post.scan()
            offered.append(post.recorder.offered)
            await asyncio.sleep(0.1)
        assert offered == [4, 8, 10, 10, 10]

    with_post(tmp_path, story)


def test_a_text_that_is_no_unicode_is_stored_as_far_as_it_is(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        index = post.table.pool.intern("v1\ud800")
        post.put(FW.rows, index)
        post.scan()
        await asyncio.sleep(1)
        assert post.series(FW.start) == ["v1?"]

    with_post(tmp_path, story)


def test_a_slow_disk_delays_no_scan_and_loses_nothing(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        loop = asyncio.get_running_loop()
        for k in range(600):
            began = loop.time()
            post.put(P.rows, float(k))
            post.scan()
            assert loop.time() == began
            await asyncio.sleep(0.1)
        assert post.recorder.waiting > 290 * N
        await asyncio.sleep(62)
        assert (post.recorder.waiting, post.recorder.accepted) == (0, 600 * N)
        assert post.series(P.start) == [float(k) for k in range(600)]

    with_post(tmp_path, story, delay_s=30.0)


def test_a_disk_that_refuses_is_an_error_and_samples_wait(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        post.disk.full = True
        for k in range(20):
            post.put(P.rows, float(k))
            post.put(DOOR.rows, k % 2)
            post.scan()
            await asyncio.sleep(1)
        assert post.recorder.error is not None and "make room on this disk" in post.recorder.error
        assert post.recorder.waiting == post.recorder.offered == 20 * 2 * N
        post.disk.full = False
        await asyncio.sleep(3)
        assert post.recorder.error is None
        assert post.series(P.start) == [float(k) for k in range(20)]
        assert post.disk.store.ledger().lost == {}

    with_post(tmp_path, story)


def test_a_queue_that_overflows_is_a_counted_loss_a_gap_and_a_new_beginning(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        post.put(DOOR.rows, 1)
        post.scan()
        await asyncio.sleep(2)
        post.disk.full = True
        for k in range(10):
            post.put(P.rows, float(k))
            post.scan()
            await asyncio.sleep(1)
            if k == 4:
                first_lost_ns = post.clock.wall_ns()
        assert (post.recorder.waiting, post.recorder.lost) == (5 * N, {QUEUE_FULL: 5 * N})
        post.disk.full = False
        await asyncio.sleep(5)
        ((start_ns, end_ns, cause),) = post.disk.store.gaps()
        assert start_ns == first_lost_ns < end_ns
        assert cause == "50 samples found no room before the disk"
        assert post.disk.store.ledger().lost == {QUEUE_FULL: 5 * N}
        for _ in range(12):
            post.scan()
            await asyncio.sleep(1)
        assert post.series(P.start) == [0.0, 1.0, 2.0, 3.0, 4.0, 9.0]
        assert post.series(DOOR.start) == [1.0, 1.0], "what did not change is said again too"
        at, _ = post.disk.store.reader.at(int(PLANT.series[DOOR.start]), np.array([start_ns + NS_PER_S]))
        assert np.isnan(at.value[0]), "no value holds into the gap"

    with_post(tmp_path, story, waiting_max=5 * N)


def test_what_the_disk_refuses_at_stop_is_counted(tmp_path: Path) -> None:
    async def story(post: Post) -> None:
        post.disk.full = True
        post.put(P.rows, 1.0)
        post.scan()
        await post.recorder.close()
        assert post.recorder.lost == {"not written at stop": N}
        assert post.disk.store.ledger().lost == {"not written at stop": N}
        post.disk.full = False

    with_post(tmp_path, story)


def test_more_samples_than_one_write_takes_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_MAX", 7)

    async def story(post: Post) -> None:
        post.disk.full = True
        for k in range(250):
            post.put(P.rows, float(k))
            post.scan()
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        post.disk.full = False
        await asyncio.sleep(3)
        assert max(post.disk.appends) <= 7
        assert post.recorder.accepted == 250 * N
        assert post.series(P.start + 3) == [float(k) for k in range(250)]

    with_post(tmp_path, story)


def test_a_commit_that_hangs_in_its_thread_does_not_hold_the_loop(tmp_path: Path) -> None:
    """In real time, with a real thread: the one thing virtual time cannot show."""

    async def main() -> None:
        offload, release = Offload(1), threading.Event()
        store = open_store(tmp_path, "hand", 1)

        class Hanging(Disk):
            def append(self, *args: Any, **more: Any) -> int:
                assert release.wait(60)
                return super().append(*args, **more)

        from supervisor.clock import SystemClock

        table = TagTable(PLANT, StringPool(), SystemClock().wall_ns())
        recorder = Recorder(table, Hanging(store), SystemClock(), offload.run, epoch=1)
        recorder.start()
        for k in range(100):
            now_ns = SystemClock().wall_ns()
            table.put(DOOR.rows, np.full(N, k % 2), np.zeros(N, np.uint32), now_ns)
            recorder.take(Changes(table.changed_rows(), now_ns))
            await asyncio.sleep(0)
        assert (recorder.offered, recorder.accepted) == (100 * N, 0)
        release.set()
        await recorder.close()
        assert (recorder.accepted, recorder.waiting, recorder.lost) == (100 * N, 0, {})
        store.close()
        offload.close()

    asyncio.run(main())


def test_a_last_value_of_the_run_before_does_not_overwrite_what_that_run_stored(tmp_path: Path) -> None:
    async def first(post: Post) -> None:
        await asyncio.sleep(1)
        post.put(P.rows, 7.0)
        post.scan()
        await asyncio.sleep(2)

    async def second(post: Post) -> None:
        """As a checkpoint restores it: the old value with its old time, now uncertain."""
        old_ns = post.clock.wall_ns() + NS_PER_S
        await asyncio.sleep(60)
        status = np.full(N, StatusCode.UncertainLastUsableValue, np.uint32)
        cells = np.full(N, 7.0).view(np.int64)
        table = TagTable(PLANT, StringPool(), post.clock.wall_ns())
        table.put(P.rows, cells, status, old_ns)
        offload = Offload(1)
        recorder = Recorder(table, post.disk, post.clock, offload.run, 2, accepted=post.disk.store.ledger().accepted)
        recorder.start()
        recorder.take(Changes(table.changed_rows(), post.clock.wall_ns()))
        await recorder.close()
        offload.close()
        raw = post.disk.store.reader.raw(int(PLANT.series[P.start]), 0, 2**62).samples
        assert raw.status.tolist() == [StatusCode.Good, StatusCode.UncertainLastUsableValue]
        assert raw.time_ns.tolist()[0] == old_ns

    with_post(tmp_path, first)
    with_post(tmp_path, second)
