# SPDX-License-Identifier: Apache-2.0
"""A past of known values behind a real server, and how an asyncua client asks for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from asyncua import Client, ua

from config.words import Access
from historian.store.reader import Reader
from historian.store.samples import CLASSES, Samples
from historian.store.store import Store, open_store
from supervisor.hmi.contract import Limits
from supervisor.offload import Offload
from supervisor.plant.plant import Plant
from tests.plants import TypeSpec, make_plant, tag
from tests.property.test_hmi_history_bytes import stored
from tests.system.opcua_kit import Site, make_client, node_id

T = TypeVar("T")
SECOND = 1_000_000_000
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * SECOND
CAB = "21605/CAB-0001/"
LIMITS = Limits(history_values=50, history_values_per_answer=120, history_points=3, history_nodes_per_read=10)
CODES = ua.StatusCodes


def history_plant() -> Plant:
    tags = {
        "V1": tag("Double"),
        "Energy": replace(tag("UInt32"), history_class="C"),
        "Mode": tag("Enumeration", values=("Arrêt", "Marche")),
        "Text": replace(tag("String"), history_class="E"),
        "Big": replace(tag("Int64"), history_class="E"),
        "Live": replace(tag("Double"), history_class="N"),
        "Pulse": tag("Boolean", access=Access.W),
        "Rot": replace(tag("Double"), history_class="A2"),
    }
    cameras = {"Plate": replace(tag("String"), personal=True, history_class="P")}
    return make_plant(
        {"CAB": TypeSpec(tags), "CAM": TypeSpec(cameras)},
        {"CAB": ["21605/CAB-0001", "21000/CAB-0001"], "CAM": ["21605/CAM-0001"]},
    )


@dataclass
class Kept:
    """A store as the server's history."""

    store: Store
    offload: Offload
    held: threading.Event | None = None

    @property
    def reader(self) -> Reader:
        return self.store.reader

    async def ask(self, job: Callable[[], T]) -> T:
        def work() -> T:
            if self.held is not None:
                self.held.wait(10)
            return job()

        return await self.offload.run(work)


def column(plant: Plant, name: str, rows: list[tuple[float, Any, int]], class_name: str) -> Samples:
    """Samples of a tag: (seconds after noon, value, status)."""
    row = plant.row(name)
    assert row is not None
    made = stored(plant.block(row).info.kind, [(v, s, NOON_NS + round(t * SECOND), 0) for t, v, s in rows])
    made.series[:] = plant.series[row]
    made.class_id[:] = CLASSES.index(class_name)
    made.lag_ds[:] = 3
    return made


DAY = 86_400
ROTTEN = (-3.5 * DAY, -2.5 * DAY)
"""The day whose segment rots, and the start of the next one, which is sound."""


def fill_and_rot(store: Store, folder: Path, plant: Plant) -> None:
    """Two days of quarters of one tag; a bit of the first day's file flips."""
    quarters = [(ROTTEN[0] + 900 * k, float(k), 0) for k in range(2 * 96)]
    store.append(column(plant, CAB + "Rot", quarters, "A2"), NOON_NS)
    store.seal()
    first = sorted((folder / "segments").rglob("*.parquet"))[0]
    content = bytearray(first.read_bytes())
    content[-30] ^= 1
    first.write_bytes(content)


def fill(store: Store, plant: Plant) -> None:
    bad = int(CODES.BadNoCommunication)
    volts = [(10.0 * k, 200.0 + k, 0) for k in range(200)]
    volts[100] = (1000.0, 0.0, bad)
    store.append(column(plant, CAB + "V1", volts, "A1"), NOON_NS)
    store.append(column(plant, CAB + "Energy", [(900.0 * k, 1000 + 90 * k, 0) for k in range(9)], "C"), NOON_NS)
    store.append(column(plant, CAB + "Mode", [(0, 1, 0), (60, 0, 0)], "A1"), NOON_NS)
    store.append(column(plant, CAB + "Text", [(0, "Dépôt", 0), (30, "", 0)], "E"), NOON_NS)
    store.append(column(plant, CAB + "Big", [(0, 2**60 + 1, 0), (30, -(2**63), 0)], "E"), NOON_NS)
    store.append(column(plant, "21000/CAB-0001/V1", [(10.0 * k, 5.0 + k, 0) for k in range(3)], "A1"), NOON_NS)
    store.append(column(plant, "21605/CAM-0001/Plate", [(0, "AB-123-CD", 0)], "P"), NOON_NS)


@contextmanager
def known_past(folder: Path) -> Iterator[Kept]:
    """Minutes of two cabinets and a camera, and two days of which one has rotted."""
    store = open_store(folder, "test", NOON_NS)
    fill_and_rot(store, folder, history_plant())
    fill(store, history_plant())
    offload = Offload()
    yield Kept(store, offload)
    offload.close()
    store.close()


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def raw(start: float | None, end: float | None, most: int = 0, bounds: bool = False) -> ua.ReadRawModifiedDetails:
    nothing = datetime(1601, 1, 1, tzinfo=UTC)
    times = [nothing if t is None else after(t) for t in (start, end)]
    return ua.ReadRawModifiedDetails(False, *times, most, bounds)


def processed(
    start: float, end: float, width_s: float, *names: str, config: ua.AggregateConfiguration | None = None
) -> ua.ReadProcessedDetails:
    ids = [ua.NodeId(getattr(ua.ObjectIds, f"AggregateFunction_{n}")) for n in names]
    return ua.ReadProcessedDetails(
        after(start), after(end), width_s * 1000.0, ids, config or ua.AggregateConfiguration(True)
    )


def request(details: Any, *nodes: str | ua.NodeId | ua.HistoryReadValueId, stamps: int = 2) -> ua.HistoryReadParameters:
    wanted = []
    for n in nodes:
        value = n if isinstance(n, ua.HistoryReadValueId) else ua.HistoryReadValueId()
        if not isinstance(n, ua.HistoryReadValueId):
            value.NodeId = n if isinstance(n, ua.NodeId) else node_id(n)
        wanted.append(value)
    return ua.HistoryReadParameters(details, ua.TimestampsToReturn(stamps), False, wanted)


def go_on(name: str, point: bytes) -> ua.HistoryReadValueId:
    return ua.HistoryReadValueId(NodeId=node_id(name), ContinuationPoint=point)


def ask(site: Site, main: Callable[[Client], Coroutine[Any, Any, None]], user: str = "op") -> None:
    async def run() -> None:
        async with await make_client(site, user) as client:
            await main(client)

    asyncio.run(run())


async def one(client: Client, details: Any, name: str | ua.NodeId, stamps: int = 2) -> ua.HistoryReadResult:
    (result,) = await client.uaclient.history_read(request(details, name, stamps=stamps))
    return result


def values(result: ua.HistoryReadResult) -> list[Any]:
    return [v.Value.Value if v.Value is not None else None for v in result.HistoryData.DataValues]


def times(result: ua.HistoryReadResult) -> list[float]:
    return [(v.SourceTimestamp - NOON).total_seconds() for v in result.HistoryData.DataValues]
