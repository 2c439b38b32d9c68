# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_splices.py
"""The mark of a joined meter: the first sample in which another meter counts says so, once, over a crash too.

Law of this file: columns; `forget_told` reads the store, and blocks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from config.words import BAD, NS_PER_S
from historian.store.reader import Reader
from historian.store.samples import JOINED, LAG_NS, Samples
from supervisor.tags.table import TagTable

_EARLIER_NS: Final = 86_400 * NS_PER_S
"""How far before the joining the time of its first sample may lie: a reading of a device whose clock is slow [ns]."""
_LOOKED_MAX: Final = 10_000
"""Samples behind the joining that are looked through: of a counter, a hundred days."""


def marked(samples: Samples, table: TagTable) -> Samples:
    """The same; the first that has a value of a counter that was joined to another meter says so."""
    untold = table.splices.untold
    if not untold:
        return samples
    owners = {int(table.plant.series[row]): row for row in untold}
    usable = np.flatnonzero((samples.status < BAD) & np.isin(samples.series, list(owners)))
    found, first = np.unique(samples.series[usable], return_index=True)
    for series in found.tolist():
        del untold[owners[series]]
    flags = samples.flags.copy()
    flags[usable[first]] |= np.uint8(JOINED)
    return replace(samples, flags=flags)


def forget_told(reader: Reader, table: TagTable) -> None:
    """Of the counters that were joined in an earlier run, leave those of which that run stored no sample any more.

    Raises:
        StoreError: the files cannot be read.
    """
    untold = table.splices.untold
    for row, joined_ns in list(untold.items()):
        begin_ns = max(0, joined_ns - _EARLIER_NS)
        found = reader.raw(int(table.plant.series[row]), begin_ns, 2**62, _LOOKED_MAX).samples
        stored_ns = found.time_ns + found.lag_ds.astype(np.int64) * LAG_NS
        if ((found.flags & JOINED != 0) & (stored_ns >= joined_ns - NS_PER_S)).any():
            del untold[row]
