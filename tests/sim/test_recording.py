# SPDX-License-Identifier: Apache-2.0
"""An hour of Sennecey in virtual time: field, scan, recorder, store; read back and compared with what the scan saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import BAD, NS_PER_S, Kind, StatusCode
from historian.catalogue import Catalogue
from historian.store.limits import Limits
from historian.store.rules import NOT_STORED, rules_of
from historian.store.samples import CLASSES
from historian.store.store import open_store
from supervisor.core import Core
from supervisor.demo.field import FieldSimulator
from supervisor.jobs import Jobs
from supervisor.recording.history import FOLDER, History
from supervisor.recording.recorder import ruled_blocks
from supervisor.tags.scan import Changes
from tests.sim.loop import clock, run
from tests.sim.test_core import CABINET, DEVICE, NIGHT, at_endpoints
from tests.sites import PROTOCOLS, compiled, lighting, paced, sennecey

HOUR_NS = 3600 * NS_PER_S
Story = Callable[[Core, FieldSimulator, History], Awaitable[None]]


class Witness:
    """Every change of the table, kept by a second consumer: (time of the scan, value) by row; None where it was Bad."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.seen: dict[int, list[tuple[int, Any, int]]] = {}

    def take(self, changes: Changes) -> None:
        table = self._core.table
        for row in changes.rows.tolist():
            self.seen.setdefault(row, []).append((changes.now_ns, table.value(row), int(table.status[row])))


def recorded(folder: Path, story: Story, limits: Limits | None = None) -> None:
    """Field, core and history together, and a story; then everything is closed in order."""

    async def main() -> None:
        site = paced(lighting(sennecey()), 0.5)
        field = FieldSimulator(site, clock(), ports="os", seed=1)
        await field.start()
        catalogue = Catalogue(folder / "catalogue", "sennecey")
        plant = at_endpoints(compiled(site, catalogue), field)
        catalogue.close()
        core = Core.build(site, plant, PROTOCOLS, clock(), Random(1), lambda: {"post.up": 1, "post.role": 0})
        history = await History.open(folder, core.table, clock(), 1, "Europe/Paris", limits)
        core.scan.consumers.append(history.recorder.take)
        jobs = Jobs(clock())
        history.start(jobs, nothing_is_removed)
        tasks = [asyncio.create_task(core.run(lambda: None)), asyncio.create_task(jobs.run())]
        try:
            await story(core, field, history)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await history.close()
            await field.stop()

    run(main(), start=NIGHT, debug=False)


async def nothing_is_removed(text: str, _data: object) -> None:
    raise AssertionError(text)


def row_of(core: Core, name: str) -> int:
    row = core.plant.row(name)
    assert row is not None
    return row


@pytest.mark.timeout(600)
def test_a_quarter_of_an_hour_is_recorded_by_the_rules_and_read_back_equal(tmp_path: Path) -> None:
    async def story(core: Core, field: FieldSimulator, history: History) -> None:
        witness = Witness(core)
        core.scan.consumers.append(witness.take)
        await asyncio.sleep(940)  # one quarter of an hour for the counters
        field.freeze(True)  # what is measured just before the end is seen by the scan just after it
        await asyncio.sleep(60)
        core.scan.consumers.remove(witness.take)
        now_ns = clock().wall_ns()
        await asyncio.sleep(2)
        assert core.statistics.missed == 0
        plant = core.plant
        rules = rules_of(plant.series, ruled_blocks(plant))
        compared = dict.fromkeys((*CLASSES, "N"), 0)
        for row in range(plant.rows):
            raw = history.reader.raw(int(plant.series[row]), 0, now_ns)
            values, statuses = raw.samples.python(), raw.samples.status.tolist()
            seen = witness.seen.get(row, [])
            block = plant.block(row)
            name = f"{plant.name(row)} {block.info.history_class}"
            compared[block.info.history_class] += len(values)
            if rules.class_id[row] == NOT_STORED:
                assert values == [], name
                continue
            if block.info.history_class == "E":  # every change, in order; kept alive daily, so nothing else
                assert [(v, s) for v, s in zip(values, statuses, strict=True)] == [(v, s) for _, v, s in seen], name
            elif block.info.history_class in ("A1", "A2") and block.info.kind is not Kind.String:
                _follows(values, statuses, raw.samples.time_ns, seen, float(rules.deadband[row]), name)
                least_ns = rules.least_ns[row]
                severity = raw.samples.status >> 30
                same = severity[1:] == severity[:-1]
                lag_ns = raw.samples.lag_ds.astype(np.int64) * 100_000_000
                gaps_ns = np.diff(raw.samples.time_ns + lag_ns)
                assert (gaps_ns[same] >= least_ns - 300_000_000).all(), name
            elif block.info.history_class == "C" and plant.supported[row]:
                stored_at = (raw.samples.time_ns + raw.samples.lag_ds.astype(np.int64) * 100_000_000) // NS_PER_S
                every_s = int(rules.every_ns[row]) // NS_PER_S  # a quarter of an hour; six minutes for traffic
                assert len({int(t) % every_s for t in stored_at[-1:].tolist()} - {0, every_s - 1}) == 0, name
        assert all(compared[k] > 0 for k in ("E", "A1", "A2", "C")), compared
        recorder = history.recorder
        assert recorder.offered == recorder.accepted + recorder.waiting
        assert recorder.lost == {}

    recorded(tmp_path, story)


def _follows(values: list[Any], statuses: list[int], times: Any, seen: Any, deadband: float, name: str) -> None:
    """Every stored value was once that of the table, and the last one is within the dead band of what is there now."""
    known = {(v, s) for _, v, s in seen}
    assert {(v, s) for v, s in zip(values, statuses, strict=True)} <= known, name
    if values and isinstance(values[-1], float) and isinstance(seen[-1][1], float) and times[-1] > seen[-1][0]:
        assert abs(values[-1] - seen[-1][1]) <= deadband, name


def test_a_device_that_hangs_is_a_gap_in_the_curve(tmp_path: Path) -> None:
    async def story(core: Core, field: FieldSimulator, history: History) -> None:
        await asyncio.sleep(120)
        dead_ns = clock().wall_ns()
        field.turn(DEVICE, "hang 300 s")
        await asyncio.sleep(480)
        series = int(core.plant.series[row_of(core, f"{CABINET}/V1")])
        raw = history.reader.raw(series, dead_ns, clock().wall_ns()).samples
        codes = raw.status.tolist()
        lost, back = (
            codes.index(StatusCode.BadNoCommunication),
            max(i for i, code in enumerate(codes) if code >= BAD) + 1,
        )
        assert StatusCode.UncertainNoCommunicationLastUsableValue in codes[:lost]
        assert codes[back] == StatusCode.Good
        assert 150 < (raw.time_ns[back] - raw.time_ns[lost]) / NS_PER_S < 400
        minute = np.array([dead_ns + 250 * NS_PER_S])
        at, _ = history.reader.at(series, minute)
        assert np.isnan(at.value[0]) and at.status[0] == StatusCode.BadNoCommunication
        buckets = history.reader.buckets(series, dead_ns // HOUR_NS * HOUR_NS, 60, 20, clock().wall_ns())
        assert np.isnan(buckets.mean).any() and (buckets.good_share == 0).any()

    recorded(tmp_path, story)


def test_a_restart_keeps_the_ledger_balanced_and_begins_with_a_gap(tmp_path: Path) -> None:
    told: list[int] = []

    async def story(core: Core, field: FieldSimulator, history: History) -> None:
        await asyncio.sleep(150)
        told.append(history.recorder.accepted)

    def ledger() -> Any:
        store = open_store(tmp_path / FOLDER, "sennecey", round(NIGHT.timestamp() + 150) * NS_PER_S)
        try:
            return store.ledger()
        finally:
            store.close()

    recorded(tmp_path, story)
    first = ledger()
    assert first.balanced and first.lost == {}
    assert first.accepted >= told[0] > 500
    recorded(tmp_path, story)  # the clock begins at the same night again: set back by minutes
    second = ledger()
    assert second.balanced and second.lost == {}
    assert second.accepted >= first.accepted + told[1]


def test_upkeep_seals_in_its_job_and_proves_it(tmp_path: Path) -> None:
    async def story(core: Core, field: FieldSimulator, history: History) -> None:
        document = history.document()
        assert (document["last_seal"], document["last_retention"], document["days"]) == (None, None, 0)
        await asyncio.sleep(240)
        document = history.document()
        assert document["state"] == "recording" and document["error"] is None
        assert document["days"] == 1 and document["bytes"] > 0
        assert document["last_seal"] is not None and document["last_retention"] == "2026-01-05T18:03:20.000Z"
        assert document["samples"] == document["accepted"] > 500
        assert core.statistics.missed == 0

    recorded(tmp_path, story, Limits(turn_age_s=60))
