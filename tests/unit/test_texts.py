# SPDX-License-Identifier: Apache-2.0
"""Texts that nobody shows any more are forgotten: a tag that tells the time as a text does not fill the pool."""

from __future__ import annotations

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from config.model import AlarmRule
from config.words import Batch, Cells, Rows, StatusCode
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.records import Glances
from supervisor.alarms.rules import RuleBook
from supervisor.clock import SystemClock
from supervisor.hmi.publishing.columns import Mode, Trigger
from supervisor.hmi.publishing.tag_items import Settings, TagItems, columns_of
from supervisor.hmi.values import ValueEncoder
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Scan
from supervisor.tags.table import TagTable
from tests.ground import POLL
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
CLOCKS = 12
PLANT = make_plant(
    {"CLK": TypeSpec({"Time": tag("String"), "Name": tag("String"), "N": tag("Int32")})},
    {"CLK": [f"a/CLK-{i:04}" for i in range(1, CLOCKS + 1)]},
)
TIMES, NAMES = (np.arange(CLOCKS) + PLANT.types["CLK"].blocks[name].start for name in ("Time", "Name"))


def scan_of(size_max: int) -> Scan:
    table = TagTable(PLANT, StringPool(size_max), now_ns=0)
    return Scan(table, Inbox(), Freshness([np.arange(PLANT.rows)], [POLL], [0], 1, boot_ns=0))


def say(scan: Scan, rows: Rows, texts: list[str], at_s: float) -> None:
    n = len(rows)
    now_ns = round(at_s * S)
    stamps = np.full(n, now_ns)
    scan.inbox.batch(Batch(0, rows, np.zeros(n, np.int64), np.zeros(n, np.uint32), stamps, dict(enumerate(texts))))
    scan.run(now_ns, now_ns)


def values(scan: Scan, rows: Rows) -> list[object]:
    return [scan.table.value(row) for row in rows.tolist()]


def test_a_day_of_clocks_stays_good_and_within_the_pool() -> None:
    scan = scan_of(size_max=1_000)
    names = [f"clock {i}" for i in range(CLOCKS)]
    say(scan, NAMES, names, 1)
    most = 0
    for second in range(30, 86_400, 30):
        times = [f"{i}: {second}" for i in range(CLOCKS)]
        say(scan, TIMES, times, second)
        most = max(most, len(scan.table.pool))
        assert values(scan, TIMES) == times
    assert (scan.table.status[TIMES] == StatusCode.Good).all()
    assert values(scan, NAMES) == names, "a text that stands for a day is kept"
    assert scan.table.pool.overflows == 0 and most <= 600
    assert scan.table.last_value(int(TIMES[0])) == "0: 86370"


def test_a_text_that_became_bad_stays_readable_beside_the_null() -> None:
    scan = scan_of(size_max=100)
    say(scan, NAMES, ["door"] * CLOCKS, 1)
    scan.table.degrade(NAMES, StatusCode.BadNoCommunication, S)
    for second in range(2, 200):
        say(scan, TIMES, [f"{i}: {second}" for i in range(CLOCKS)], second)
    assert values(scan, NAMES) == [None] * CLOCKS
    assert scan.table.last_value(int(NAMES[0])) == "door"


def test_more_texts_than_the_pool_holds_are_bad_and_swept_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = scan_of(size_max=10)
    sweeps: list[int] = []
    keep = StringPool.keep

    def counted(pool: StringPool, *cells: Cells) -> None:
        sweeps.append(len(pool))
        keep(pool, *cells)

    monkeypatch.setattr(StringPool, "keep", counted)
    for tenth in range(100):
        say(scan, TIMES, [str(i) for i in range(CLOCKS)], 1 + tenth / 10)
    assert (scan.table.status[TIMES] == StatusCode.BadOutOfMemory).sum() == CLOCKS - 9
    assert scan.table.pool.overflows > 0 and sweeps == [10] * 10


class Desk:
    """One subscription with one queue on each clock's time, as the server wires it."""

    def __init__(self, scan: Scan, queue: int) -> None:
        table, is_float = scan.table, np.array([b.info.kind.is_float for b in PLANT.blocks])
        self.items = TagItems(table, ValueEncoder(PLANT, table), is_float, S, SystemClock(), lambda _ids: None)
        settings = [Settings(i, 0, queue, True, Trigger.VALUE, 0.0) for i in range(CLOCKS)]
        modes = np.full(CLOCKS, Mode.REPORTING)
        self.items.add(1, columns_of(settings) | {"rows": TIMES, "mode": modes, "stamps": np.zeros(CLOCKS, np.int64)})
        self.hit = np.ones(PLANT.rows, np.bool_)
        scan.consumers.append(lambda changes: self.items.sample(changes.now_ns, self.hit))
        scan.holders.append(lambda: self.items.queued.texts(table))

    def told(self, handle: int) -> list[tuple[object, int]]:
        """Values and statuses that wait for one item."""
        news = self.items.take(10_000, 0)
        buffer = Buffer(news.items)
        all_ = [struct_from_binary(ua.MonitoredItemNotification, buffer) for _ in range(news.count)]
        mine = [n.Value for n in all_ if n.ClientHandle == handle]
        return [(v.Value.Value if v.Value else None, v.StatusCode.value if v.StatusCode else 0) for v in mine]


def test_a_queue_keeps_the_texts_that_wait_in_it() -> None:
    scan = scan_of(size_max=1_000)
    desk = Desk(scan, queue=20)
    for second in range(1, 500):
        say(scan, TIMES, [f"{i}: {second}" for i in range(CLOCKS)], second)
    assert [text for text, _ in desk.told(3)] == [f"3: {second}" for second in range(480, 500)]


def test_texts_of_queues_give_way_before_the_table_finds_no_room() -> None:
    scan = scan_of(size_max=100)
    desk = Desk(scan, queue=1_000)
    for second in range(1, 500):
        say(scan, TIMES, [f"{i}: {second}" for i in range(CLOCKS)], second)
        assert (scan.table.status[TIMES] == StatusCode.Good).all()
    told = desk.told(3)
    assert scan.table.pool.overflows == 0
    assert told[-1] == ("3: 499", 0) and (None, StatusCode.BadOutOfMemory) in told, "nobody knows it any more: said so"


def test_what_a_text_said_when_its_alarm_came_is_journalled_however_late() -> None:
    rule = AlarmRule.model_validate(
        {"on": "stale", "tag": "Name", "after": "10 s", "priority": "P4", "text": {"en": "Stuck", "fr": "Figé"}}
    )
    conditions = Conditions(RuleBook(PLANT, {"CLK": {"Stuck": rule}}), Locality(47.3, 5.0, "Europe/Paris"))
    engine, scan = AlarmEngine(conditions), scan_of(size_max=100)
    say(scan, NAMES, ["door"] * CLOCKS, 1)
    happenings = [h for second in range(1, 20) for h in engine.scan(scan.table, second * S)]
    glance = Glances(conditions).take(scan.table, happenings)
    say(scan, NAMES, ["gate"] * CLOCKS, 20)
    scan.table.pool.keep(scan.table.cells, np.zeros(0, np.int64))
    assert len(happenings) == CLOCKS and glance.values() == ["door"] * CLOCKS
