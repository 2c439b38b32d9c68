# SPDX-License-Identifier: Apache-2.0
"""The historian's store beside SQLite and DuckDB: durable commits, bytes a sample, a tag's day, a tag's month and year.

50 tags, 30 days, one sample a minute with the jitter of a network (50 ms): 40 % slow walks in steps of 0.1, 20 % 32-bit
noise, 10 % 12-bit converters, 20 % digital, 10 % counters. All commit 10,000 rows at a time, each commit on the disk
before the next.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from historian.store.samples import Samples, concat, to_arrow
from historian.store.segments import DAY_NS
from historian.store.store import Store, open_store

TAGS, DAYS, COMMIT = 50, 30, 10_000
BEGIN = 20_500 * DAY_NS
MINUTE_NS = 60 * 1_000_000_000
QUERIES = 40
SQLITE_COMMITS = 40


def day_of(day: int, per_day: int = 1440) -> Samples:
    """One day of all tags in order of arrival."""
    rng = np.random.default_rng(day)
    shape = (per_day, TAGS)
    value = np.empty(shape)
    walk = np.round(220 + np.cumsum(rng.normal(0, 0.1, shape), axis=0), 1)
    value[:] = walk
    value[:, 20:30] = rng.normal(50, 5, (per_day, 10)).astype(np.float32)
    value[:, 30:35] = rng.integers(0, 4096, (per_day, 5)) * 0.05
    value[:, 35:45] = np.cumsum(rng.random((per_day, 10)) < 0.01, axis=0) % 2
    value[:, 45:] = 1e6 + day * per_day + np.cumsum(rng.integers(0, 3, (per_day, 5)), axis=0)
    n = per_day * TAGS
    step_ns = DAY_NS // per_day
    jitter = rng.integers(0, 50, n) * 1_000_000
    return Samples(
        series=np.tile(np.arange(1, TAGS + 1, dtype=np.uint32), per_day),
        time_ns=BEGIN + day * DAY_NS + np.repeat(np.arange(per_day), TAGS) * step_ns + jitter,
        value=value.reshape(n),
        whole=np.zeros(n, np.int64),
        status=np.zeros(n, np.uint32),
        lag_ds=rng.integers(0, 2, n).astype(np.int32),
        class_id=np.full(n, 2, np.uint8),
        flags=np.zeros(n, np.uint8),
    )


def commits(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples) - COMMIT + 1, COMMIT):
        yield samples.take(slice(start, start + COMMIT))


def rate(samples: Samples, commit: Callable[[Samples], object], most: int = 10**6) -> tuple[float, float]:
    """Rows a second by the median commit, each durable before the next begins; and CPU a row [us]."""
    took, worked = [], []
    for part in list(commits(samples))[:most]:
        begun, at_work = time.perf_counter(), time.process_time()
        commit(part)
        took.append(time.perf_counter() - begun)
        worked.append(time.process_time() - at_work)
    return COMMIT / float(np.median(took)), float(np.median(worked)) / COMMIT * 1e6


def median_ms(ask: Callable[[int], object]) -> float:
    """Median CPU of QUERIES queries, each of another tag or day, after one round to warm up. One thread and a warm
    cache: that is what a query takes on a machine that is not shared.
    """
    for k in range(QUERIES):
        ask(k)
    took = []
    for k in range(QUERIES):
        begun = time.process_time()
        ask(k)
        took.append(time.process_time() - begun)
    return float(np.median(took)) * 1e3


def day_start(k: int) -> int:
    return BEGIN + k * 7 % DAYS * DAY_NS


def tag(k: int) -> int:
    return k % TAGS + 1


class Ours:
    """The store, closed day by day as it would be in life."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        self.store: Store = open_store(folder / "store", "bench", BEGIN)
        now_ns = BEGIN + DAYS * DAY_NS
        self.rate, self.work = rate(samples, lambda part: self.store.append(part, now_ns))
        begun = time.perf_counter()
        self.store.seal()
        self.seal_rate = len(samples) / (time.perf_counter() - begun)
        self.store.maintain(now_ns + DAY_NS)
        view = [s for p in (folder / "store" / "segments").rglob("*.parquet") for s in [p.stat().st_size]]
        rolled = [p.stat().st_size for p in (folder / "store" / "rollups").rglob("*.roll")]
        stored = self.store.ledger().stored
        self.bytes, self.rolled = sum(view) / stored, sum(rolled) / stored
        self.end_ns = now_ns

    def day(self, k: int) -> object:
        return self.store.reader.raw(tag(k), day_start(k), day_start(k) + DAY_NS)

    def month(self, k: int) -> object:
        return self.store.reader.trend(tag(k), BEGIN, self.end_ns, 500, self.end_ns)


class Sqlite:
    """One table, clustered by tag and time."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        path = folder / "peer.sqlite"
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        columns = "series INTEGER, time_ns INTEGER, value REAL, status INTEGER"
        self.db.execute(f"CREATE TABLE s ({columns}, PRIMARY KEY (series, time_ns)) WITHOUT ROWID")
        self.rate, self.work = rate(samples, self.commit, SQLITE_COMMITS)
        self.db.execute("PRAGMA synchronous = OFF")  # the rest is loaded for the queries only
        rest = samples.take(slice(SQLITE_COMMITS * COMMIT, None))
        self.commit(rest.take(np.lexsort((rest.time_ns, rest.series))))
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.bytes = path.stat().st_size / len(samples)

    def commit(self, part: Samples) -> None:
        rows = zip(part.series.tolist(), part.time_ns.tolist(), part.value.tolist(), part.status.tolist(), strict=True)
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO s VALUES (?, ?, ?, ?)", rows)
        self.db.execute("COMMIT")

    def day(self, k: int) -> object:
        ask = "SELECT time_ns, value, status FROM s WHERE series = ? AND time_ns >= ? AND time_ns < ?"
        return self.db.execute(ask, (tag(k), day_start(k), day_start(k) + DAY_NS)).fetchall()

    def month(self, k: int) -> object:
        ask = """SELECT (time_ns - ?) / ? AS b, min(value), max(value), avg(value), count(*)
                 FROM s WHERE series = ? GROUP BY b"""
        return self.db.execute(ask, (BEGIN, DAYS * DAY_NS // 500, tag(k))).fetchall()


class Duck:
    """One table in order of arrival, one thread."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        import duckdb

        path = folder / "peer.duckdb"
        self.db = duckdb.connect(str(path), config={"threads": 1})
        self.db.execute("CREATE TABLE s (series UINTEGER, time_ns BIGINT, value DOUBLE, status UINTEGER)")
        self.rate, self.work = rate(samples, self.commit)
        self.db.execute("CHECKPOINT")
        self.bytes = path.stat().st_size / len(samples)

    def commit(self, part: Samples) -> None:
        self.db.register("batch", to_arrow(part))
        self.db.execute("INSERT INTO s SELECT series, time_ns, value, status FROM batch")
        self.db.unregister("batch")

    def day(self, k: int) -> object:
        ask = "SELECT time_ns, value, status FROM s WHERE series = ? AND time_ns >= ? AND time_ns < ? ORDER BY time_ns"
        return self.db.execute(ask, [tag(k), day_start(k), day_start(k) + DAY_NS]).fetchnumpy()

    def month(self, k: int) -> object:
        ask = """SELECT (time_ns - ?) // ? AS b, min(value), max(value), avg(value), count(*)
                 FROM s WHERE series = ? GROUP BY b ORDER BY b"""
        return self.db.execute(ask, [BEGIN, DAYS * DAY_NS // 500, tag(k)]).fetchnumpy()


def year(folder: Path) -> float:
    """A year of one sample each quarter: [ms] for 2,000 buckets."""
    now_ns = BEGIN + 366 * DAY_NS
    store = open_store(folder / "year", "bench", BEGIN)
    store.append(concat([day_of(d, 96) for d in range(365)]), now_ns)
    store.seal()
    store.maintain(now_ns)
    took = median_ms(lambda k: store.reader.trend(tag(k), BEGIN, now_ns, 2000, now_ns))
    store.close()
    return took


def rows() -> list[dict[str, Any]]:
    """Rates of durable commits, sizes, and medians of warm queries."""
    samples = concat([day_of(d) for d in range(DAYS)])
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as name:
        folder = Path(name)
        ours = Ours(folder, samples)
        peers: list[tuple[str, Any]] = [("SQLite", Sqlite(folder, samples))]
        if importlib.util.find_spec("duckdb"):
            peers.append(("DuckDB", Duck(folder, samples)))
        table = [
            _row(
                "durable rows/s in commits of 10k, median commit",
                "M/s",
                ours.rate / 1e6,
                [(n, p.rate / 1e6) for n, p in peers],
                ">= 5",
            ),
            _row("CPU of a row in such a commit", "µs", ours.work, [(n, p.work) for n, p in peers], ""),
            _row("a tag's day raw, CPU", "ms", median_ms(ours.day), [(n, median_ms(p.day)) for n, p in peers], "<= 2"),
            _row(
                "30 days in 500 buckets, CPU",
                "ms",
                median_ms(ours.month),
                [(n, median_ms(p.month)) for n, p in peers],
                "<= 5",
            ),
            _row("bytes a sample, sealed", "B", ours.bytes, [(n, p.bytes) for n, p in peers], "<= 3"),
            _row("bytes a sample, roll-ups beside it", "B", ours.rolled, [], ""),
            _row("rows sealed a second", "M/s", ours.seal_rate / 1e6, [], ""),
        ]
        ours.store.close()
        table.append(_row("a year in 2,000 buckets, CPU", "ms", year(folder), [], "<= 50"))
    table[0]["note"] = "ours: 9 columns and a checksum; SQLite and DuckDB: 4 columns"
    return table


def _row(what: str, unit: str, ours: float, peers: list[tuple[str, float]], reach: str) -> dict[str, Any]:
    shown = ", ".join(f"{name} {value:,.3g}" for name, value in peers)
    return {"what": f"history: {what}", "ours": ours, "peer": shown, "unit": unit, "reach": reach, "note": ""}
