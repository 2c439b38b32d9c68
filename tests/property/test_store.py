# SPDX-License-Identifier: Apache-2.0
"""Whatever is appended, sealed, merged, closed, reopened: the store holds what a naive list of samples holds."""

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from config.words import NS_PER_S, StatusCode
from historian.store.limits import Limits
from historian.store.samples import BACKFILLED, CLASSES, TEXT, WHOLE, Samples, concat
from historian.store.segments import DAY_NS
from historian.store.store import Store, open_store

BEGIN = 20_500 * DAY_NS
SERIES = 6
QUICK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of syncs
Row = tuple[int, int, object, int, int]


@st.composite
def batches(draw: st.DrawFn, now_ns: int) -> tuple[Samples, list[Row]]:
    """A batch near `now`, some of it days late, texts and 64-bit integers among it; and the same as plain rows."""
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    series = rng.integers(1, SERIES + 1, n).astype(np.uint32)
    back_s = rng.choice([0, 1, 60, 4000, 90_000, 200_000], n)
    time_ns = now_ns - (back_s + rng.integers(0, 20, n)) * NS_PER_S
    # a tag's class may be changed by an engineer: at that time, for whatever is stored from then on
    class_id = ((series + (time_ns > BEGIN + DAY_NS)) % len(CLASSES)).astype(np.uint8)
    status = rng.choice([StatusCode.Good, StatusCode.Uncertain, StatusCode.Bad], n, p=[0.7, 0.1, 0.2]).astype(np.uint32)
    bad = status >= StatusCode.Bad
    is_text = (series == 3) & ~bad
    is_whole = (series == 4) & ~bad
    value = np.where(bad | is_text, np.nan, rng.integers(-50, 50, n) / 10)
    whole = np.where(is_whole, 2**62 + rng.integers(0, 1000, n), 0)
    texts = [f"é{i}" if t else None for i, t in zip(rng.integers(0, 9, n).tolist(), is_text.tolist(), strict=True)]
    flags = (is_text * TEXT | is_whole * WHOLE | (back_s > 4000) * BACKFILLED).astype(np.uint8)
    samples = Samples(
        series,
        time_ns,
        value,
        whole,
        status,
        (back_s * 10).astype(np.int32),
        class_id,
        flags,
        pa.array(texts, pa.string()) if is_text.any() else None,
    )
    shown = samples.python()
    rows = zip(series.tolist(), time_ns.tolist(), shown, status.tolist(), flags.tolist(), strict=True)
    return samples, list(rows)


class StoreEqualsList(RuleBasedStateMachine):
    """The naive list: (series, time) -> the last word."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vigie-store-", dir=QUICK))
        self.now_ns = BEGIN
        self.limits = Limits(turn_rows=80, unsealed_rows_max=200)
        self.store: Store = open_store(self.root, "s", self.now_ns, self.limits)
        self.model: dict[tuple[int, int], tuple[object, int, int]] = {}
        self.rows = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.root)

    @rule(data=st.data())
    def append(self, data: st.DataObject) -> None:
        samples, rows = data.draw(batches(self.now_ns))
        self.store.append(samples, self.now_ns, epoch=3)
        self.rows += len(rows)
        for series, time_ns, value, status, flags in rows:
            self.model[series, time_ns] = (value, status, flags)

    @rule(hours=st.sampled_from([0, 1, 5, 27]))
    def pass_time(self, hours: int) -> None:
        self.now_ns += hours * 3600 * NS_PER_S + NS_PER_S

    @rule()
    def seal(self) -> None:
        self.store.seal()

    @rule()
    def maintain(self) -> None:
        self.store.maintain(self.now_ns)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.root, "s", self.now_ns, self.limits)
        assert self.store.repair == []

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def part(self, data: st.DataObject) -> None:
        """A span is the part of the whole that lies in it."""
        series = data.draw(st.integers(1, SERIES))
        a, b = sorted(data.draw(st.sampled_from(sorted(t for _, t in self.model))) for _ in range(2))
        expected = sorted(t for s, t in self.model if s == series and a <= t < b)
        assert self.store.reader.raw(series, a, b).samples.time_ns.tolist() == expected

    @invariant()
    def equal(self) -> None:
        if not hasattr(self, "store"):
            return
        parts = [self.store.reader.raw(s, 0, 2**62).samples for s in range(1, SERIES + 1)]
        got = concat(parts)
        found = zip(got.python(), got.status.tolist(), got.flags.tolist(), strict=True)
        keys = zip(got.series.tolist(), got.time_ns.tolist(), strict=True)
        assert dict(zip(keys, found, strict=True)) == self.model
        assert all((np.diff(p.time_ns) > 0).all() for p in parts)

    @invariant()
    def balanced(self) -> None:
        if hasattr(self, "store"):
            ledger = self.store.ledger()
            assert ledger.balanced
            assert ledger.offered == ledger.accepted == ledger.stored == self.rows


StoreEqualsList.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStoreEqualsList = StoreEqualsList.TestCase
