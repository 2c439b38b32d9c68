# SPDX-License-Identifier: Apache-2.0
"""What history costs the scan when every one of 500,000 rows changes at once, and what it costs the loop while the
store works: the recorder's part of a scan, and the longest a 1 ms tick is late while two million rows are sealed.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from config.model import HistoryClass, HistoryRule
from config.words import NS_PER_S, Kind
from historian.store.rules import RuledBlock, rules_of
from historian.store.sieve import Sieve
from historian.store.store import open_store
from supervisor.offload import Offload
from tests.bench.bench_history import BEGIN, commits, day_of

N, BLOCK, SCANS = 500_000, 10_000, 12
DAYS_SEALED = 28


@dataclass(slots=True)
class ObjectTag:
    """The same rule as most programs apply it: one object per tag."""

    stored: float = 0.0
    stored_ns: int = 0

    def offer(self, value: float, now_ns: int, out: list[tuple[int, float, int]]) -> None:
        if abs(value - self.stored) > 1.0 and now_ns - self.stored_ns >= 10 * NS_PER_S:
            self.stored, self.stored_ns = value, now_ns
            out.append((now_ns, value, 0))


def sieve_ms(class_: str, deadband: float | None) -> float:
    """Median CPU of one scan in which every row changes [ms]."""
    rule = HistoryRule(class_=HistoryClass(class_), deadband=deadband)
    blocks = [RuledBlock(at, BLOCK, Kind.Double, rule, 0.0, 300.0) for at in range(0, N, BLOCK)]
    sieve = Sieve(rules_of(np.arange(1, N + 1, dtype=np.uint32), blocks), BEGIN)
    rng = np.random.default_rng(1)
    rows, status = np.arange(N), np.zeros(N, np.uint32)
    took = []
    for k in range(SCANS):
        cells = rng.uniform(0, 300, N).view(np.int64)
        now_ns = BEGIN + k * 20 * NS_PER_S
        source_ns = now_ns - rng.integers(0, 10**8, N)
        begun = time.process_time()
        sieve.step(rows, cells, status, source_ns, now_ns)
        took.append(time.process_time() - begun)
    return float(np.median(took)) * 1e3


def objects_ms() -> float:
    """The same of one object per tag [ms], scaled from 100,000."""
    tags = [ObjectTag() for _ in range(100_000)]
    values = np.random.default_rng(1).uniform(0, 300, len(tags)).tolist()
    out: list[tuple[int, float, int]] = []
    begun = time.process_time()
    for tag, value in zip(tags, values, strict=True):
        tag.offer(value, BEGIN, out)
    return (time.process_time() - begun) * N / len(tags) * 1e3


def late_ms(folder: Path) -> float:
    """The longest a tick of the loop was late while the store sealed, merged and closed days [ms]."""

    async def main() -> float:
        store = open_store(folder, "bench", BEGIN)
        now_ns = BEGIN + DAYS_SEALED * 86_400 * NS_PER_S
        for day in range(DAYS_SEALED):
            for part in commits(day_of(day)):
                store.append(part, now_ns)
        way = Offload(1)
        job = asyncio.ensure_future(way.run(lambda: (store.seal(), store.maintain(now_ns + 86_400 * NS_PER_S))))
        worst = 0.0
        while not job.done():
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - begun - 0.001)
        await job
        store.close()
        way.close()
        return worst * 1e3

    return asyncio.run(main())


def rows() -> list[dict[str, Any]]:
    """What the scan and the loop pay for history."""
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as name:
        late = late_ms(Path(name) / "store")
    table = [
        (f"500,000 rows change in one scan, class {class_}: the sieve", sieve_ms(class_, deadband), peer, "<= 50")
        for class_, deadband, peer in (("E", None, None), ("A1", 1.0, objects_ms()))
    ]
    table.append(
        ("a 1 ms tick of the loop, longest late while 2 M rows are sealed and rolled up", late, None, "<= 100")
    )
    note = "peer: one Python object per tag, scaled from 100,000"
    return [
        {
            "what": f"history: {what}",
            "ours": ours,
            "peer": peer,
            "unit": "ms",
            "reach": reach,
            "note": note if peer else "",
        }
        for what, ours, peer, reach in table
    ]
