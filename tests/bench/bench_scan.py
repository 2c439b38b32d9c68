# SPDX-License-Identifier: Apache-2.0
"""The pass of the scan over 500,000 rows, beside one Python object per tag."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from historian.catalogue import Catalogue
from supervisor.alarms.limits import LimitBank
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Scan
from supervisor.tags.table import TagTable
from tests.ground import POLL, cabinets, poll_everything

ROUNDS = 15


@dataclass(slots=True)
class ObjectTag:
    """What most supervision programs hold per tag."""

    value: float = 0.0
    status: int = 0
    time_ns: int = 0
    low_low: float = 20.0
    low: float = 40.0
    high: float = 260.0
    high_high: float = 280.0
    level: int = 0

    def update(self, value: float, status: int, time_ns: int) -> bool:
        changed = value != self.value or status != self.status
        self.value, self.status, self.time_ns = value, status, time_ns
        self.level = (value > self.high) + (value > self.high_high) - (value < self.low) - (value < self.low_low)
        return changed


def rows() -> list[dict[str, Any]]:
    """Median CPU of a pass in which every row changes: apply, four limits on every row, changed rows."""
    plant = cabinets([f"CAB-{i:05d}" for i in range(10_000)], 50, Catalogue(":memory:", "bench"))
    n = plant.rows
    table = TagTable(plant, StringPool(), now_ns=0)
    requests = [np.arange(b.start, b.start + b.count) for b in plant.blocks]
    limits = np.array([[20.0], [40.0], [260.0], [280.0]]).repeat(n, axis=1)
    bank = LimitBank(np.arange(n), limits, np.full(n, 1.0))
    scan = Scan(table, Inbox(), Freshness(requests, [POLL] * len(requests), [0] * len(requests), 1, 0))
    scan.watchers = [lambda t, _now: bank.compare(t)]
    rng = np.random.default_rng(1)
    passes = []
    for k in range(ROUNDS):
        poll_everything(scan, rng.uniform(0, 300, n), now_ns=k)
        begun = time.process_time()
        scan.run(k, k)
        passes.append(time.process_time() - begun)
    ours = float(np.median(passes))
    objects = [ObjectTag() for _ in range(100_000)]
    values = rng.uniform(0, 300, len(objects)).tolist()
    begun = time.process_time()
    sum(tag.update(value, 0, 1) for tag, value in zip(objects, values, strict=True))
    peer = (time.process_time() - begun) / len(objects) * n
    return [
        {
            "what": "scan of 500,000 rows, all changing, 4 limits each",
            "ours": ours * 1000,
            "peer": peer * 1000,
            "unit": "ms",
            "reach": "100 (one scan)",
            "note": "peer: one Python object per tag, scaled from 100,000",
        },
        {
            "what": "live state per tag",
            "ours": table.bytes_per_row,
            "peer": 7500.0,
            "unit": "B",
            "reach": "<= 100",
            "note": "peer: an asyncua 2.1 node, measured elsewhere",
        },
    ]
