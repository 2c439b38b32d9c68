# SPDX-License-Identifier: Apache-2.0
"""Whatever changes together, and however the rows are cut into pieces, each row is sieved as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.model import HistoryRule
from config.words import NS_PER_S, Kind, StatusCode
from historian.store import sieve as module
from historian.store.rules import RowRules, RuledBlock, rules_of
from historian.store.samples import Samples, concat
from historian.store.sieve import Sieve

BEGIN_NS = 20_500 * 86_400 * NS_PER_S
RULES = [
    ({"class": "E"}, Kind.Boolean),
    ({"class": "A1", "deadband": 2.0}, Kind.Double),
    ({"class": "A2", "deadband": "1 %"}, Kind.UInt64),
    ({"class": "C", "every": "1 min"}, Kind.Double),
    ({"class": "D"}, Kind.Int32),
    ({"class": "N"}, Kind.Double),
    ({"class": "E"}, Kind.String),
]
EACH = 4
N = EACH * len(RULES)
BLOCKS = [
    RuledBlock(k * EACH, EACH, kind, HistoryRule.model_validate(rule), 0.0, 100.0)
    for k, (rule, kind) in enumerate(RULES)
]
STATUSES = [StatusCode.Good, StatusCode.UncertainLastUsableValue, StatusCode.BadNoCommunication]


def alone(row: int) -> RowRules:
    block = BLOCKS[row // EACH]
    return rules_of(np.array([row + 1], np.uint32), [RuledBlock(0, 1, block.kind, block.rule, 0.0, 100.0)])


changes = st.lists(
    st.tuples(
        st.integers(-3, 400),  # seconds since the scan before; the clock may step back
        st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, 5), st.integers(0, 2)), max_size=N),
        st.booleans(),  # every row at once
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(story=changes, piece=st.sampled_from([1, 3, 5, 16_384]))
def test_rows_know_nothing_of_each_other(story: list[tuple[int, list[tuple[int, int, int]], bool]], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", piece)
        together = Sieve(rules_of(np.arange(1, N + 1, dtype=np.uint32), BLOCKS), BEGIN_NS)
        single = [Sieve(alone(row), BEGIN_NS) for row in range(N)]
        cells, status = np.zeros(N, np.int64), np.zeros(N, np.uint32)
        source_ns = np.full(N, BEGIN_NS)
        now_ns = BEGIN_NS
        made: list[Samples] = []
        apart: list[list[Samples]] = [[] for _ in range(N)]
        for seconds, puts, everything in story:
            now_ns += seconds * NS_PER_S
            changed = {row for row, _, _ in puts} | (set(range(N)) if everything else set())
            for row, value, quality in puts:
                floating = BLOCKS[row // EACH].kind is Kind.Double
                cells[row] = np.float64(value).view(np.int64) if floating else value
                status[row] = STATUSES[quality]
                source_ns[row] = now_ns - value * NS_PER_S
            made.append(together.step(np.array(sorted(changed), np.int64), cells, status, source_ns, now_ns))
            for row, sieve in enumerate(single):
                at = slice(row, row + 1)
                rows = np.zeros(1 if row in changed else 0, np.int64)
                apart[row].append(sieve.step(rows, cells[at], status[at], source_ns[at], now_ns))
    found = concat([m for m in made if len(m)])
    for row in range(N):
        mine = found.take(found.series == row + 1) if len(found) else found
        assert shown(mine) == shown(concat([s for s in apart[row] if len(s)]))


def shown(samples: Samples) -> list[tuple[object, ...]]:
    """Everything a sample says, in order."""
    columns = (samples.time_ns, samples.status, samples.lag_ds, samples.class_id, samples.flags)
    return list(zip(*(c.tolist() for c in columns), map(repr, samples.python()), strict=True))
