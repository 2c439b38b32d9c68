# SPDX-License-Identifier: Apache-2.0
"""Crash at each step that changes the disk; and kill -9 of a writer: what was acknowledged is there, once."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from config.words import NS_PER_S
from historian.store import segments
from historian.store.disk import ForeignStore, StoreError, StoreUnwritable
from historian.store.limits import Limits
from historian.store.samples import Samples
from historian.store.segments import DAY_NS
from historian.store.store import Store, open_store

BEGIN = 20_500 * DAY_NS
HOUR_NS = 3600 * NS_PER_S
HOUSE = Path(__file__).parents[2]
LIMITS = Limits(turn_rows=200, unsealed_rows_max=2000)


class Killed(BaseException):
    """The process ends here."""


def samples(n: int, time_ns: int, at: int, class_id: int = 2) -> Samples:
    return Samples(
        series=np.arange(1, n + 1, dtype=np.uint32),
        time_ns=np.full(n, time_ns, np.int64),
        value=np.full(n, float(at)),
        whole=np.zeros(n, np.int64),
        status=np.zeros(n, np.uint32),
        lag_ds=np.zeros(n, np.int32),
        class_id=np.full(n, class_id, np.uint8),
        flags=np.zeros(n, np.uint8),
    )


def life(root: Path, steps: object = None, accepted: list[int] | None = None) -> None:
    """Two days of a store: samples of two classes, seals, merges, a closed day with late samples, retention."""
    seen = accepted if accepted is not None else []
    store = open_store(root, "s", BEGIN, LIMITS, steps or (lambda _name: None))  # type: ignore[arg-type]
    for k in range(30):
        now_ns = BEGIN + k * 2 * HOUR_NS
        late_ns = now_ns - 26 * HOUR_NS + k if k % 5 == 4 else now_ns
        store.append(samples(5, late_ns, k, class_id=k % 2), now_ns)
        seen.append(k)
        if k % 2:
            store.seal()
        if k % 7 == 6:
            store.maintain(now_ns)
    store.maintain(BEGIN + 400 * DAY_NS + 36 * HOUR_NS)
    store.close()


def held(store: Store) -> dict[int, list[float]]:
    return {s: sorted(store.reader.raw(s, 0, 2**62).samples.value.tolist()) for s in range(1, 6)}


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of syncs, and no machine is switched off here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def test_a_crash_after_any_step_loses_and_doubles_nothing(quick: Path) -> None:
    names: list[str] = []
    life(quick / "whole", names.append)
    assert {
        "segment: written",
        "segment: synced",
        "segment: renamed",
        "segment: folder synced",
        "roll-up: written",
        "roll-up: renamed",
        "index committed",
        "file removed",
        "log file removed",
    } <= set(names)
    chosen = sorted({*range(0, len(names), 31), *(names.index(n) for n in set(names)), len(names) - 1})
    for stop in chosen:
        left = iter(range(stop + 1))

        def step(name: str, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise Killed(name)

        root = quick / f"at-{stop}"
        accepted: list[int] = []
        with contextlib.suppress(Killed):
            life(root, step, accepted)
        forget_locks(root)
        store = open_store(root, "s", BEGIN + 60 * HOUR_NS, LIMITS)
        ledger = store.ledger()
        assert ledger.balanced, (names[stop], ledger)
        assert ledger.damaged == 0, names[stop]
        dropped = sum(ledger.dropped.values())
        assert ledger.accepted in (5 * len(accepted), 5 * len(accepted) + 5), names[stop]
        if not dropped:
            expected = [float(k) for k in range(ledger.accepted // 5)]
            assert held(store) == dict.fromkeys(range(1, 6), expected), names[stop]
        files = {p.relative_to(root).as_posix() for p in (root / "segments").rglob("*") if p.is_file()}
        assert files == {s.path for day in store.reader._view().segments.values() for s in day}, names[stop]
        store.close()


def test_a_name_is_given_to_what_is_on_the_disk_and_the_log_goes_last(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut would show and a killed process does not: each file before its name, its name before the index,
    the index before the log is removed.
    """
    done: list[str] = []

    def told(patch: pytest.MonkeyPatch, name: str, call: Callable[..., None], path_of: Callable[..., object]) -> None:
        def noted(*arguments: object) -> None:
            call(*arguments)
            path = Path(str(path_of(*arguments)))
            done.append(f"{name} {path.suffix or path.name}")

        patch.setattr(os, name, noted)

    store = open_store(quick / "h", "s", BEGIN, LIMITS, lambda step: done.append(step) if "index" in step else None)
    store.append(samples(5, BEGIN, 0), BEGIN)
    with monkeypatch.context() as patch:
        told(patch, "fsync", os.fsync, lambda fd: os.readlink(f"/proc/self/fd/{fd}"))
        told(patch, "replace", os.replace, lambda _source, target: target)
        told(patch, "unlink", os.unlink, lambda path: path)
        store.seal()
    date = segments.date_of(BEGIN // DAY_NS)
    assert done == [
        f"fsync {segments.FOLDER}", "fsync A2", "fsync .tmp", "replace .parquet", f"fsync {date}",
        "index committed", "unlink .wal",
    ]  # fmt: skip
    store.close()


def forget_locks(root: Path) -> None:
    """What the end of the process would have done: close every descriptor into the store."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == str(root / "lock"):
                os.close(int(name))
        except OSError:
            continue


WRITERS = """
import os, sys, threading
from pathlib import Path
from historian.store.limits import Limits
from historian.store.store import open_store
from tests.unit.test_store_crash import BEGIN, HOUR_NS, samples

def live() -> None:
    store = open_store(Path(sys.argv[1]), "s", BEGIN, Limits(turn_rows=2000, unsealed_rows_max=20_000))
    k = store.ledger().accepted // 50
    print(os.getpid(), k, flush=True)

    def keep() -> None:
        while True:
            store.maintain(BEGIN + 30 * HOUR_NS)

    threading.Thread(target=keep, daemon=True).start()
    while True:
        store.append(samples(50, BEGIN + k * 1_000_000_000, k), BEGIN + k * 1_000_000_000)
        os.write(1, b"%d\\n" % k)  # whole or not at all, whenever it is killed
        k += 1

for _ in sys.stdin:
    writer = os.fork()  # imports are paid once
    if writer == 0:
        live()
    os.waitpid(writer, 0)
    print("killed", flush=True)
"""


def test_kill_minus_nine_at_random_moments(quick: Path) -> None:
    """A writer with upkeep beside it is killed again and again; each life goes on where the last one ended."""
    rng, last = random.Random(5), -1
    with subprocess.Popen(
        [sys.executable, "-c", WRITERS, str(quick / "h")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOUSE,
    ) as writers:  # fmt: skip
        assert writers.stdin is not None and writers.stdout is not None
        for _ in range(8):
            print(file=writers.stdin, flush=True)
            pid, begun = map(int, writers.stdout.readline().split())
            assert begun in (last + 1, last + 2), "acknowledged and lost, or doubled"
            for _ in range(rng.randint(1, 120)):
                last = int(writers.stdout.readline())
            os.kill(pid, signal.SIGKILL)
            for line in iter(writers.stdout.readline, "killed\n"):
                last = int(line)
    store = open_store(quick / "h", "s", BEGIN + 30 * HOUR_NS)
    ledger = store.ledger()
    assert (ledger.balanced, ledger.damaged) == (True, 0)
    values = store.reader.raw(7, 0, 2**62).samples.value
    assert len(values) in (last + 1, last + 2)
    assert values.tolist() == [float(k) for k in range(len(values))]
    store.close()


def test_a_seal_that_hangs_keeps_no_sample_from_the_disk(tmp_path: Path) -> None:
    """Compaction in its worker stands still in the middle; samples are accepted and read as before."""
    hangs, goes = threading.Event(), threading.Event()
    everything = [float(k) for k in range(20)]

    def step(name: str) -> None:
        if name == "segment: written":
            hangs.set()
            assert goes.wait(30)

    store = open_store(tmp_path, "s", BEGIN, LIMITS, step)
    store.append(samples(5, BEGIN, 0), BEGIN)
    worker = threading.Thread(target=store.seal)
    worker.start()
    assert hangs.wait(30)
    for k in range(1, 20):
        assert store.append(samples(5, BEGIN + k, k), BEGIN) == 5 * (k + 1)
    assert held(store) == dict.fromkeys(range(1, 6), everything)
    goes.set()
    worker.join()
    assert held(store) == dict.fromkeys(range(1, 6), everything)
    assert store.ledger().balanced
    store.close()


def test_a_merge_holds_no_more_than_its_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "RANGE_ROWS", 10)
    held_at_once: list[int] = []
    order = segments.in_order
    monkeypatch.setattr(segments, "in_order", lambda s: held_at_once.append(len(s)) or order(s))
    store = open_store(tmp_path, "s", BEGIN)
    for k in range(4):
        store.append(samples(40, BEGIN + k, k), BEGIN)
        store.seal()
    store.maintain(BEGIN + 27 * HOUR_NS)
    assert sum(held_at_once) == 160 and max(held_at_once) <= 12, "four rows of a series are never parted"
    store.close()


def test_two_processes_never_write_one_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "h", "s", BEGIN)
    with pytest.raises(ForeignStore, match="another process writes it"):
        open_store(tmp_path / "h", "s", BEGIN)
    store.close()
    with pytest.raises(ForeignStore, match="expected site 't', got 's'"):
        open_store(tmp_path / "h", "t", BEGIN)
    open_store(tmp_path / "h", "s", BEGIN).close()


def test_a_lost_index_is_made_anew_from_the_segments(tmp_path: Path) -> None:
    root = tmp_path / "h"
    store = open_store(root, "s", BEGIN, LIMITS)
    for k in range(20):
        store.append(samples(5, BEGIN + k * HOUR_NS, k), BEGIN + k * HOUR_NS)
        store.seal()
    store.maintain(BEGIN + 20 * HOUR_NS)
    store.append(samples(5, BEGIN + 21 * HOUR_NS, 20), BEGIN + 21 * HOUR_NS)
    expected = held(store)
    store.close()
    for path in root.glob("index.db*"):
        path.unlink()
    store = open_store(root, "s", BEGIN + 21 * HOUR_NS, LIMITS)
    assert "made anew" in store.repair[0]
    assert held(store) == expected
    assert store.ledger().balanced
    assert store.append(samples(5, BEGIN + 22 * HOUR_NS, 21), BEGIN + 22 * HOUR_NS) == 110
    store.close()


def test_an_index_that_is_no_database_is_said_to_be(tmp_path: Path) -> None:
    open_store(tmp_path / "h", "s", BEGIN).close()
    (tmp_path / "h" / "index.db").write_bytes(b"x" * 5000)
    with pytest.raises(StoreUnwritable, match="made anew from the segments"):
        open_store(tmp_path / "h", "s", BEGIN)


def closed_day(root: Path) -> tuple[Store, Path]:
    """A store with one closed day of 40,000 rows in several row groups."""
    store = open_store(root, "s", BEGIN)
    for k in range(8):
        store.append(samples(5000, BEGIN + k * HOUR_NS, k), BEGIN + k * HOUR_NS)
    store.seal()
    store.maintain(BEGIN + 27 * HOUR_NS)
    (path,) = (root / "segments").rglob("*.parquet")
    return store, path


def test_bit_rot_in_a_segment_costs_its_row_group_and_is_counted(tmp_path: Path) -> None:
    store, path = closed_day(tmp_path / "h")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    store.reader.close()
    broken, fine = store.reader.raw(1, 0, 2**62), store.reader.raw(4990, 0, 2**62)
    assert (len(broken.samples), bool(broken.lost)) == (0, True)
    assert fine.samples.value.tolist() == [float(k) for k in range(8)]
    late = BEGIN + 30 * HOUR_NS
    store.append(samples(1, BEGIN + HOUR_NS + 1, 99), late)
    store.seal()
    store.maintain(late + DAY_NS)  # closed again, so that what is left is whole
    ledger = store.ledger()
    assert ledger.balanced
    assert ledger.damaged > 0
    again = store.reader.raw(4990, 0, 2**62)
    assert (again.samples.value.tolist(), bool(again.lost)) == ([float(k) for k in range(8)], False)
    assert [p.stat().st_size for p in (tmp_path / "h" / "quarantine").iterdir()] == [len(content)]
    store.close()


def test_a_segment_without_its_footer_or_missing_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    store, path = closed_day(tmp_path / "h")
    store.append(samples(3, BEGIN + 26 * HOUR_NS, 50), BEGIN + 27 * HOUR_NS)
    path.write_bytes(path.read_bytes()[:-100])
    store.reader.close()
    found = store.reader.raw(1, 0, 2**62)
    assert (found.samples.value.tolist(), bool(found.lost)) == ([50.0], True)
    store.close()
    path.unlink()
    store = open_store(tmp_path / "h", "s", BEGIN + 27 * HOUR_NS)
    assert "1 segments with 40000 rows and 0 roll-up files were missing" in store.repair
    ledger = store.ledger()
    assert (ledger.balanced, ledger.damaged, ledger.stored) == (True, 40_000, 3)
    store.close()


def test_readers_see_each_sample_once_while_all_is_rewritten(tmp_path: Path) -> None:
    store = open_store(tmp_path / "h", "s", BEGIN, LIMITS)
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                values = store.reader.raw(3, 0, 2**62).samples.value.tolist()
            except StoreError as error:
                wrong.append(repr(error))
                return
            if values != [float(k) for k in range(len(values))]:
                wrong.append(repr(values))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for k in range(60):
        store.append(samples(5, BEGIN + k * HOUR_NS // 2, k), BEGIN + k * HOUR_NS // 2)
        if k % 2:
            store.seal()
        if k % 6 == 5:
            store.maintain(BEGIN + k * HOUR_NS // 2)
    store.maintain(BEGIN + 3 * DAY_NS)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(store.reader.raw(3, 0, 2**62).samples) == 60
    store.close()
