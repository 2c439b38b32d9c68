# SPDX-License-Identifier: Apache-2.0
"""Alarms on their way to ten terminals: a steady stream and a storm, each terminal with the fields of a whole alarm."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from pathlib import Path
from typing import Any, Final

import uvloop
from asyncua import ua

from supervisor import memory
from supervisor.clock import SystemClock
from supervisor.hmi.conditions.board import Board
from supervisor.hmi.conditions.fields import ADDED
from supervisor.hmi.contract import Counters
from supervisor.hmi.events.event import SERVER
from supervisor.hmi.events.filter import read_filter
from supervisor.hmi.events.listening import Listening
from supervisor.hmi.events.notifier import Notifier, Wish
from supervisor.hmi.events.queue import QUEUE_MAX
from supervisor.hmi.model.nodes import Asker
from tests.desk import ANNE, Post
from tests.nodeset import clause, element, event_filter, standard_types

TERMINALS: Final = 10
CABINETS: Final = 17_000  # two conditions each
STREAM_S: Final = 5
PER_S: Final = 1_000


def listen(notifier: Notifier) -> list[Listening]:
    """Ten terminals: every field of AlarmConditionType and ours, OfType(AcknowledgeableConditionType)."""
    types = standard_types()
    names = sorted(types.fields[(0, ua.ObjectIds.ExclusiveLevelAlarmType)])
    names = [n for n in names if types.every[n].is_variable and n in types.every]
    alarms = ua.Variant(ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType), ua.VariantType.NodeId)
    where = [element(ua.FilterOperator.OfType, alarms)]
    read, _ = read_filter(event_filter([clause("")] + [clause(n) for n in names], where), types)
    assert read is not None and len(ADDED) > 0
    terminals = []
    for _ in range(TERMINALS):
        item = notifier.listen(1, Wish(SERVER, read, b"same", "fr"), ANNE.user)
        item.resize(QUEUE_MAX, True)
        terminals.append(Listening(notifier, types, None, Asker(ANNE.user), lambda _: None))
        terminals[-1].items[1] = item
    return terminals


class Terminals:
    """Empties the queues ten times a second, a message at a time, as subscriptions do."""

    def __init__(self, items: list[Listening]) -> None:
        self.items = items
        self.got = 0
        self.bytes = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            for item in self.items:
                while item.pending():
                    for notice in item.take(QUEUE_MAX):
                        self.bytes += len(notice.body)
                        self.got += notice.count
                    await asyncio.sleep(0)


class Pause:
    """The longest time our own code held up the loop: CPU of its thread in one turn, whoever else runs beside it."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        while True:
            before_s = _cpu_s(resource.RUSAGE_THREAD)
            await asyncio.sleep(0)
            self.longest_s = max(self.longest_s, _cpu_s(resource.RUSAGE_THREAD) - before_s)
            await asyncio.sleep(0.0005)


async def story(folder: Path) -> dict[str, float]:
    clock, counters = SystemClock(), Counters()
    post = await Post(folder, names=[f"21000/CAB-{i:05d}" for i in range(CABINETS)], clock=clock).open()
    notifier = Notifier(clock, counters)
    board = Board(post.desk, notifier, clock)
    board.start()
    terminals = Terminals(listen(notifier))
    reading = asyncio.create_task(terminals.run())
    memory.settle()  # as the server does once it runs
    took = await _streams(post, terminals)
    took |= await _storm(post, board, terminals, counters)
    reading.cancel()
    await board.close()
    await post.close()
    post.offload.close()
    return took


async def _stream(post: Post, terminals: Terminals, scans: range) -> float:
    """PER_S events a second, a tenth of them in each scan; until all are read. Returns: how long it took [s]."""
    loop = asyncio.get_running_loop()
    begun_s, per_scan = loop.time(), PER_S // 10
    rows = post.plant.types["CAB"].blocks["V"].rows
    for n, scan in enumerate(scans, 1):
        at = slice(rows.start + scan * per_scan, rows.start + (scan + 1) * per_scan)
        post.table.cells[at] = post.table.cells[at] | 0x4070_0000_0000_0000  # 256 V
        post.desk.watch(post.table, post.clock.wall_ns())
        await asyncio.sleep(max(0.0, begun_s + n / 10 - loop.time()))
    while terminals.got < TERMINALS * per_scan * scans.stop:
        await asyncio.sleep(0.01)
    return loop.time() - begun_s


async def _streams(post: Post, terminals: Terminals) -> dict[str, float]:
    """A stream to see what it costs, and one to see what it holds up: watching every turn costs much itself."""
    post.desk.watch(post.table, post.clock.wall_ns())
    half, cpu_s = 5 * STREAM_S, _cpu_s()
    took_s = await _stream(post, terminals, range(half))
    cpu_s = _cpu_s() - cpu_s
    pause = Pause()
    watching = asyncio.create_task(pause.run())
    await _stream(post, terminals, range(half, 2 * half))
    watching.cancel()
    return {
        "share": cpu_s / took_s,
        "stream_pause": pause.longest_s,
        "size": terminals.bytes / terminals.got,
    }


async def _storm(post: Post, board: Board, terminals: Terminals, counters: Counters) -> dict[str, float]:
    """All other conditions in one scan."""
    pause = Pause()
    watching = asyncio.create_task(pause.run())
    loop = asyncio.get_running_loop()
    before = counters.events
    post.set("V", 255)
    post.set("Trip", 1)
    post.desk.watch(post.table, post.clock.wall_ns())
    scanned_s, pause.longest_s = loop.time(), 0.0
    while post.desk.writer.waiting or board.waiting:
        await asyncio.sleep(0.01)
    told_s = loop.time()
    watching.cancel()
    events = counters.events - before
    return {"events": events, "told": told_s - scanned_s, "storm_pause": pause.longest_s}


def _cpu_s(who: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as name:
        took = uvloop.run(story(Path(name)))
    stream = f"events: {PER_S:,}/s to {TERMINALS} terminals, about {took['size']:,.0f} B each"
    storm = f"events: a storm of {took['events']:,.0f}, raised in one scan, to {TERMINALS} terminals"
    held = "longest hold of the loop [CPU]"
    note = "the scan and the journal included"
    return [
        {"what": f"{stream}: share of a core", "ours": took["share"], "unit": "", "note": note},
        {"what": f"{stream}: {held}", "ours": took["stream_pause"], "unit": "s", "reach": "<= 0.02", "note": note},
        {"what": f"{storm}: recorded and told after the scan", "ours": took["told"], "unit": "s"},
        {"what": f"{storm}: {held}", "ours": took["storm_pause"], "unit": "s", "reach": "<= 0.02"},
    ]
