# SPDX-License-Identifier: Apache-2.0
"""A replaced counter goes on where the old one ended: in the table, in its consumption, through a roll-over."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import Kind, StatusCode
from historian.catalogue import Catalogue
from historian.store.consumption import consumption
from historian.store.samples import JOINED
from historian.store.store import open_store
from supervisor.cli.main import main as cli
from supervisor.offload import Offload
from supervisor.recording.history import History
from supervisor.recording.recorder import Recorder
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Changes
from supervisor.tags.splices import Splices, modulus_of, spliced
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.unit.test_consumption import BEGIN, QUARTER, meter


class SteppedClock:
    """Stands until it is moved on."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def boot_s(self) -> float:
        return self.now_ns / 1e9


NAMES = ["1/MTR-0001", "1/MTR-0002"]


def test_only_spliced_rows_are_touched() -> None:
    plant = make_plant(
        {"MTR": TypeSpec({"E": tag("Double"), "P": tag("Double")})}, {"MTR": ["1/MTR-0001", "1/MTR-0002"]}
    )
    table = TagTable(plant, StringPool(), 0)
    rows = np.array([plant.row(f"1/MTR-000{n}/{name}") for name in "EP" for n in (1, 2)])
    raw = np.array([10.0, 20.0, 30.0, 40.0]).view(np.int64)
    good, at = np.zeros(4, np.uint32), np.zeros(4, np.int64)
    table.apply(rows, raw, good, at)
    assert table.floats[rows].tolist() == [10.0, 20.0, 30.0, 40.0]
    table.splices.put(int(rows[1]), 500.0, None)
    table.apply(rows, raw, good, at)
    assert table.floats[rows].tolist() == [10.0, 520.0, 30.0, 40.0]
    table.splices.put(int(rows[1]), 600.0, 610.0)
    table.apply(rows, raw, good, at)
    assert table.floats[rows[1]] == 10.0, "the sum rolls over where the counter does"


def test_a_calculation_says_where_a_counter_rolls_over() -> None:
    total = tag("Double", calc="change_in(counter(E, 100000000), '1 d') / 2")
    plant = make_plant({"MTR": TypeSpec({"E": tag("Double"), "Day": total, "P": tag("Double")})}, {"MTR": NAMES})
    assert [modulus_of(plant, int(plant.row(f"{NAMES[1]}/{name}") or 0)) for name in ("E", "P")] == [1e8, None]


@given(
    old=st.lists(st.integers(0, 1000), min_size=2, max_size=20),
    new=st.lists(st.integers(0, 1000), min_size=2, max_size=20),
    first=st.integers(0, 10**6),
    begin=st.integers(0, 10**6 - 1),
)
def test_the_consumption_is_what_both_meters_counted(old: list[int], new: list[int], first: int, begin: int) -> None:
    modulus = 1e6
    before = (begin + np.cumsum([0, *old])) % modulus
    offset = float(before[-1]) - first
    after = [spliced(float(x), offset, modulus) for x in first + np.cumsum([0, *new])]
    assert after[0] == pytest.approx(before[-1] % modulus)
    series = [*before.tolist(), *after]
    found = consumption(meter(*enumerate(series, 1)), np.array([BEGIN, BEGIN + (len(series) + 1) * QUARTER]), modulus)
    assert found.replaced.sum() == 0 and found.amount[0] == pytest.approx(sum(old) + sum(new))
    assert found.status[0] == StatusCode.Good, "nothing says that there ever was another meter"


def test_the_history_shows_one_counter_marked_where_the_new_meter_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six quarters of the old meter, Bad while it is changed, six of a new one that stands elsewhere."""
    energy = replace(tag("Double", unit="kWh"), history_class="C")
    plant = make_plant({"MTR": TypeSpec({"E": energy})}, {"MTR": NAMES})
    name, row, rows = f"{NAMES[0]}/E", 0, np.array([0, 1])
    catalogue = Catalogue(tmp_path / "catalogue.sqlite", "hand")
    assert catalogue.assign(list(plant.names()), np.full(2, Kind.Double), {}, 0).tolist() == plant.series.tolist()
    catalogue.close()

    table, store = TagTable(plant, StringPool(), BEGIN), open_store(tmp_path / "history", "hand", BEGIN)
    offload, at = Offload(1), SteppedClock(BEGIN)
    recorder = Recorder(table, store, at, offload.run, epoch=1)
    for quarter in range(13):
        reading = 500.0 + 2 * quarter if quarter < 6 else 7.0 + 2 * quarter
        if quarter == 7:
            table.splices.put(row, table.floats[row] - reading, None, at.wall_ns())
        status = np.array([StatusCode.BadConfigurationError if quarter == 6 else 0, 0], np.uint32)
        table.apply(rows, np.array([reading, quarter]).view(np.int64), status, np.full(2, at.wall_ns()))
        recorder.take(Changes(table.changed_rows(), at.wall_ns()))
        at.now_ns += QUARTER

    async def write() -> None:
        recorder.start()
        await recorder.close()

    asyncio.run(write())
    assert not table.splices.untold
    store.close()
    offload.close()
    span = ("--from", "2026-02-15", "--to", "2026-02-18", "--state", str(tmp_path))
    assert cli(["history", name, *span, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["value"] == [500, 502, 504, 506, 508, 510, None, 510, 512, 514, 516, 518, 520]
    assert found["note"] == ["new meter" if k == 7 else "" for k in range(13)]
    assert cli(["history", name, *span, "--every", "4 d", "--aggregate", "consumption", "--json"]) == 0
    assert [c for c in json.loads(capsys.readouterr().out)["consumption"] if c is not None] == [20]
    assert cli(["history", f"{NAMES[1]}/E", *span, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["note"]) == {""}, "its neighbour has its old meter"


def test_a_server_that_died_before_the_first_sample_marks_it_in_its_next_life_and_in_no_other(tmp_path: Path) -> None:
    energy = replace(tag("Double", unit="kWh"), history_class="C")
    plant = make_plant({"MTR": TypeSpec({"E": energy})}, {"MTR": NAMES})
    joined_ns, at = BEGIN + QUARTER, SteppedClock(BEGIN)

    async def life(quarter: int, readings: list[float]) -> list[list[int]]:
        """Flags of what is stored of both meters; the first one was joined at the first quarter."""
        at.now_ns = BEGIN + quarter * QUARTER
        table = TagTable(plant, StringPool(), at.wall_ns())
        if quarter:
            table.splices.put(0, 100.0, None, joined_ns)
        history = await History.open(tmp_path, table, at, 1, "UTC")
        history.recorder.start()
        for reading in readings:
            cells, times = np.full(2, reading).view(np.int64), np.full(2, at.wall_ns())
            table.apply(np.array([0, 1]), cells, np.zeros(2, np.uint32), times)
            history.recorder.take(Changes(table.changed_rows(), at.wall_ns()))
            at.now_ns += QUARTER
        await history.recorder.close()
        flags = [history.reader.raw(int(series), 0, 2**62).samples.flags.tolist() for series in plant.series]
        await history.close()
        return flags

    assert asyncio.run(life(0, [7.0])) == [[0], [0]]
    assert asyncio.run(life(1, [])) == [[0], [0]], "it dies at once"
    assert asyncio.run(life(2, [1.0, 2.0])) == [[0, JOINED, 0], [0, 0, 0]]
    assert asyncio.run(life(4, [3.0])) == [[0, JOINED, 0, 0], [0, 0, 0, 0]]


def test_a_splice_of_an_earlier_run_is_not_marked_again() -> None:
    splices = Splices(5)
    splices.put(2, 10.0, None)
    assert splices.offsets == {2: 10.0} and not splices.untold


def test_nothing_is_held_before_the_first_splice() -> None:
    splices = Splices(5)
    floats = np.zeros(2)
    splices.join(np.array([0, 1]), floats)
    assert not splices.offsets and splices._mask is None and floats.tolist() == [0.0, 0.0]
