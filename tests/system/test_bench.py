# SPDX-License-Identifier: Apache-2.0
"""Every bench runs, at a size at which its numbers mean nothing: none is found broken on the day it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import bench
from tests.bench.__main__ import measure

SMALL: dict[str, dict[str, object]] = {
    "bench_alarms": {"CABINETS": 50, "ROUNDS": 1},
    "bench_bacnet": {"MEASURE_S": 0.1},
    "bench_browse": {"CHILDREN": 200, "ROUNDS": 1},
    "bench_chain": {"DEVICES": 3, "WARM_S": 0.3, "MEASURE_S": 0.4},
    "bench_check": {"CABINETS": 18, "LUMINAIRES": 50},
    "bench_events": {"CABINETS": 300, "PER_S": 100, "STREAM_S": 1},
    "bench_history": {"DAYS": 1, "TAGS": 50, "COMMIT": 1000, "QUERIES": 1, "SQLITE_COMMITS": 2},
    "bench_journal": {"STORM": 200, "ROUNDS": 2},
    "bench_modbus": {"CONNECTIONS": 2, "MEASURE_S": 0.1, "BLOCKS": 20},
    "bench_recorder": {"DAYS_SEALED": 1},
    "bench_scan": {"ROUNDS": 1},
    "bench_start": {"SIZES": {"S": [17, 0, "6"]}},
}

LONG = {"bench_hostile", "bench_opcua", "bench_opcua_history", "bench_opcua_secure"}
"""Half a minute of clients and servers each, however little is asked: mypy alone looks at them."""
ALL = {path.stem for path in Path(bench.__file__).parent.glob("bench_*.py")}


@pytest.mark.parametrize("name", sorted(ALL - LONG))
def test_it_runs_and_each_row_has_a_number(name: str) -> None:
    rows = measure(name, **SMALL[name])
    assert rows and len({(row["what"], row.get("note")) for row in rows}) == len(rows)
    for row in rows:
        assert isinstance(row["ours"], int | float), row
        assert row["unit"] is not None
