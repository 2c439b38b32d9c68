# SPDX-License-Identifier: Apache-2.0
"""HistoryRead at a real server by an asyncua client: each function of the service, with its status codes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
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
from tests.system.opcua_kit import Site, in_background, make_client, node_id

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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("store")
    store = open_store(folder, "test", NOON_NS)
    fill_and_rot(store, folder, history_plant())
    fill(store, history_plant())
    offload = Offload()
    yield Kept(store, offload)
    offload.close()
    store.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("opcua")
    with in_background(folder, plant=history_plant(), past=kept, limits=LIMITS) as site:
        yield site


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


class TestReadRaw:
    """OPC 10000-11, 6.5.3.2."""

    def test_values_with_both_times_and_a_bad_one_as_null(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, raw(985, 1015), CAB + "V1")
            assert result.StatusCode.value == CODES.Good and not result.ContinuationPoint
            assert (times(result), values(result)) == ([990.0, 1000.0, 1010.0], [299.0, None, 301.0])
            first = result.HistoryData.DataValues[0]
            assert (first.ServerTimestamp - first.SourceTimestamp).total_seconds() == 0.3
            assert result.HistoryData.DataValues[1].StatusCode.value == CODES.BadNoCommunication
            result = await one(client, raw(985, 1015), CAB + "V1", stamps=0)
            assert all(v.ServerTimestamp is None for v in result.HistoryData.DataValues)
            result = await one(client, raw(985, 1015), CAB + "V1", stamps=1)
            assert all(v.SourceTimestamp is None for v in result.HistoryData.DataValues)

        ask(site, main)

    def test_every_kind_is_told_exactly(self, site: Site) -> None:
        async def main(client: Client) -> None:
            assert values(await one(client, raw(0, 100), CAB + "Text")) == ["Dépôt", ""]
            assert values(await one(client, raw(0, 100), CAB + "Big")) == [2**60 + 1, -(2**63)]
            mode = await one(client, raw(0, 100), CAB + "Mode")
            assert values(mode) == [1, 0] and mode.HistoryData.DataValues[0].Value.VariantType is ua.VariantType.Int32

        ask(site, main)

    def test_pages_go_on_by_continuation_points_until_all_is_told(self, site: Site) -> None:
        async def main(client: Client) -> None:
            details, name = raw(0, 2000), CAB + "V1"
            result = await one(client, details, name)
            assert result.StatusCode.value == CODES.GoodMoreData and len(result.HistoryData.DataValues) == 50
            seen = times(result)
            while result.ContinuationPoint:
                (result,) = await client.uaclient.history_read(request(details, go_on(name, result.ContinuationPoint)))
                seen += times(result)
            assert seen == [10.0 * k for k in range(200)]

        ask(site, main)

    def test_asyncuas_own_way_of_reading_all_sees_all(self, site: Site) -> None:
        async def main(client: Client) -> None:
            found = await client.get_node(node_id(CAB + "V1")).read_raw_history(after(0), after(2000))
            assert len(found) == 201 and found[-1].StatusCode.value == CODES.BadBoundNotFound  # it asks for bounds
            latest = await client.get_node(node_id(CAB + "V1")).read_raw_history(None, after(500), 3)
            assert [v.Value.Value for v in latest] == [250.0, 249.0, 248.0]

        ask(site, main)

    def test_bounds_and_where_there_is_none(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, raw(-60, 15, bounds=True), CAB + "V1")
            assert times(result) == [-60.0, 0.0, 10.0, 20.0]
            first = result.HistoryData.DataValues[0]
            assert first.StatusCode.value == CODES.BadBoundNotFound and values(result)[0] is None

        ask(site, main)

    def test_nothing_in_the_span_is_good_no_data(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, raw(-100, -50), CAB + "V1")
            assert result.StatusCode.value == CODES.GoodNoData and values(result) == []

        ask(site, main)

    @pytest.mark.parametrize(
        ("details", "code"),
        [
            (ua.ReadRawModifiedDetails(True, after(0), after(1), 0, False), CODES.BadHistoryOperationUnsupported),
            (raw(None, None, 5), CODES.BadInvalidTimestampArgument),
            (raw(0, None), CODES.BadInvalidTimestampArgument),
            (ua.ReadAnnotationDataDetails([after(0)]), CODES.BadHistoryOperationUnsupported),
        ],
    )
    def test_details_that_make_no_sense(self, site: Site, details: Any, code: int) -> None:
        async def main(client: Client) -> None:
            assert (await one(client, details, CAB + "V1")).StatusCode.value == code

        ask(site, main)

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("21605/CAB-0001/Nothing", CODES.BadNodeIdUnknown),
            (CAB + "Live", CODES.BadHistoryOperationUnsupported),
            ("21605/CAB-0001", CODES.BadHistoryOperationUnsupported),
            (CAB + "Pulse", CODES.BadNotReadable),
            (ua.NodeId(2258), CODES.BadHistoryOperationUnsupported),
            ("21605/CAM-0001/Plate", CODES.BadNodeIdUnknown),
        ],
    )
    def test_nodes_without_a_past_for_this_user(self, site: Site, name: str | ua.NodeId, code: int) -> None:
        async def main(client: Client) -> None:
            assert (await one(client, raw(0, 100), name)).StatusCode.value == code

        ask(site, main)

    def test_personal_data_is_for_those_who_may_read_it(self, site: Site) -> None:
        async def main(client: Client) -> None:
            assert values(await one(client, raw(0, 100), "21605/CAM-0001/Plate")) == ["AB-123-CD"]

        ask(site, main, "boss")

    def test_each_node_has_its_own_result(self, site: Site) -> None:
        async def main(client: Client) -> None:
            found = await client.uaclient.history_read(request(raw(0, 500), CAB + "V1", "21605/x", CAB + "Mode"))
            assert [r.StatusCode.value for r in found] == [CODES.GoodMoreData, CODES.BadNodeIdUnknown, CODES.Good]
            assert len(found[0].HistoryData.DataValues) == 40  # 120 values in one answer are shared by three nodes

        ask(site, main)

    @pytest.mark.parametrize(
        ("stamps", "nodes", "code"),
        [(3, 1, CODES.BadTimestampsToReturnInvalid), (2, 0, CODES.BadNothingToDo), (2, 11, CODES.BadTooManyOperations)],
    )
    def test_the_whole_request_is_refused(self, site: Site, stamps: int, nodes: int, code: int) -> None:
        async def main(client: Client) -> None:
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await client.uaclient.history_read(request(raw(0, 1), *[CAB + "V1"] * nodes, stamps=stamps))
            assert refused.value.code == code

        ask(site, main)

    def test_index_ranges_and_encodings_are_refused(self, site: Site) -> None:
        async def main(client: Client) -> None:
            part = ua.HistoryReadValueId(NodeId=node_id(CAB + "V1"), IndexRange="0:1")
            form = ua.HistoryReadValueId(NodeId=node_id(CAB + "V1"), DataEncoding=ua.QualifiedName("Default XML"))
            found = await client.uaclient.history_read(request(raw(0, 100), part, form))
            assert [r.StatusCode.value for r in found] == [CODES.BadIndexRangeNoData, CODES.BadDataEncodingInvalid]

        ask(site, main)


class TestContinuationPoints:
    """OPC 10000-4, 7.9; OPC 10000-11, 6.3."""

    def test_a_point_is_good_once_for_its_node_and_in_its_session(self, site: Site) -> None:
        async def main(client: Client) -> None:
            details, name = raw(0, 2000), CAB + "V1"
            point = (await one(client, details, name)).ContinuationPoint
            assert point is not None and len(point) == 16

            async def code(who: Client, node: str, token: bytes) -> int:
                (result,) = await who.uaclient.history_read(request(details, go_on(node, token)))
                return int(result.StatusCode.value)

            assert await code(client, CAB + "Mode", point) == CODES.BadContinuationPointInvalid
            async with await make_client(site, "view") as other:
                assert await code(other, name, point) == CODES.BadContinuationPointInvalid
            assert await code(client, name, bytes(16)) == CODES.BadContinuationPointInvalid
            assert await code(client, name, point) == CODES.GoodMoreData
            assert await code(client, name, point) == CODES.BadContinuationPointInvalid

        ask(site, main)

    def test_points_are_bounded_and_released(self, site: Site) -> None:
        async def main(client: Client) -> None:
            details, name = raw(0, 2000), CAB + "V1"
            points = [(await one(client, details, name)).ContinuationPoint for _ in range(3)]
            assert (await one(client, details, name)).StatusCode.value == CODES.BadNoContinuationPoints
            release = request(details, go_on(name, points[0] or b""))
            release.ReleaseContinuationPoints = True
            (result,) = await client.uaclient.history_read(release)
            assert result.StatusCode.value == CODES.Good and result.HistoryData.TypeId.is_null()
            assert (await one(client, details, name)).StatusCode.value == CODES.GoodMoreData
            (result,) = await client.uaclient.history_read(release)
            assert result.StatusCode.value == CODES.BadContinuationPointInvalid

        ask(site, main)


class TestReadProcessed:
    """OPC 10000-11, 6.5.4; OPC 10000-13."""

    def test_aggregates_with_their_status_bits(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, processed(0, 300, 100, "Average"), CAB + "V1")
            assert (times(result), values(result)) == ([0.0, 100.0, 200.0], [204.5, 214.5, 224.5])
            assert [v.StatusCode.value for v in result.HistoryData.DataValues] == [0x401] * 3
            result = await one(client, processed(900, 1100, 200, "Count"), CAB + "V1")
            assert values(result) == [19] and result.HistoryData.DataValues[0].StatusCode.value == 0x40A40401
            assert result.HistoryData.DataValues[0].Value.VariantType is ua.VariantType.Int32
            result = await one(client, processed(300, 0, 0, "TimeAverage2"), CAB + "V1")
            assert (times(result), values(result)) == ([300.0], [214.5])
            result = await one(client, processed(5, 45, 20, "Interpolative"), CAB + "V1")
            assert values(result) == [200.0, 202.0]  # an A1 value is stored on change: it holds until the next

        ask(site, main)

    def test_a_counter_is_read_between_its_quarters(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, processed(450, 2250, 900, "Interpolative"), CAB + "Energy")
            assert values(result) == [1045, 1135]
            result = await one(client, processed(0, 3600, 3600, "Delta"), CAB + "Energy")
            assert values(result) == [270.0] and result.HistoryData.DataValues[0].Value.VariantType.name == "Double"

        ask(site, main)

    def test_each_node_has_its_aggregate_and_pages_go_on(self, site: Site) -> None:
        async def main(client: Client) -> None:
            details = processed(0, 2000, 10, "Minimum", "Maximum")
            found = await client.uaclient.history_read(request(details, CAB + "V1", CAB + "V1"))
            seen = [values(r) for r in found]
            while found[0].ContinuationPoint:
                nodes = [go_on(CAB + "V1", r.ContinuationPoint) for r in found]
                found = await client.uaclient.history_read(request(details, *nodes))
                for told, r in zip(seen, found, strict=True):
                    told += values(r)
            assert seen[0] == seen[1] == [None if k == 100 else 200.0 + k for k in range(200)]

        ask(site, main)

    def test_quality_is_weighed_as_asked(self, site: Site) -> None:
        async def main(client: Client) -> None:
            config = ua.AggregateConfiguration(False, True, 10, 90, False)
            result = await one(client, processed(950, 1050, 100, "TimeAverage2", config=config), CAB + "V1")
            assert result.HistoryData.DataValues[0].StatusCode.value & 0xFFFF0000 == CODES.Good
            result = await one(client, processed(950, 1050, 100, "TimeAverage2"), CAB + "V1")
            assert result.HistoryData.DataValues[0].StatusCode.value & 0xFFFF0000 == CODES.UncertainDataSubNormal
            config = ua.AggregateConfiguration(False, True, 10, 80, False)
            result = await one(client, processed(0, 100, 100, "Average", config=config), CAB + "V1")
            assert result.StatusCode.value == CODES.BadAggregateConfigurationRejected

        ask(site, main)

    @pytest.mark.parametrize(
        ("details", "name", "code"),
        [
            (processed(0, 100, 10, "WorstQuality"), CAB + "V1", CODES.BadAggregateNotSupported),
            (processed(0, 100, 10, "Average", "Count"), CAB + "V1", CODES.BadAggregateListMismatch),
            (processed(0, 100, 10, "Average"), CAB + "Text", CODES.BadAggregateInvalidInputs),
            (processed(0, 0, 10, "Average"), CAB + "V1", CODES.BadInvalidArgument),
            (processed(0, 100, 10, "Average"), CAB + "Live", CODES.BadHistoryOperationUnsupported),
        ],
    )
    def test_what_is_refused(self, site: Site, details: Any, name: str, code: int) -> None:
        async def main(client: Client) -> None:
            assert (await one(client, details, name)).StatusCode.value == code

        ask(site, main)

    def test_a_text_has_a_quality(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, processed(0, 60, 60, "PercentGood"), CAB + "Text")
            assert values(result) == [100.0]

        ask(site, main)


class TestReadAtTime:
    """OPC 10000-11, 6.5.5."""

    def test_values_at_times_in_any_order(self, site: Site) -> None:
        async def main(client: Client) -> None:
            details = ua.ReadAtTimeDetails([after(t) for t in (15, 10, 1000, 1005, -5)], False)
            result = await one(client, details, CAB + "V1")
            assert (times(result), values(result)) == (
                [15.0, 10.0, 1000.0, 1005.0, -5.0],
                [201.0, 201.0, None, 299.0, None],
            )
            assert [v.StatusCode.value for v in result.HistoryData.DataValues] == [
                0x402, 0, CODES.BadNoCommunication, 0x40A40402, CODES.BadNoData,
            ]  # fmt: skip
            result = await one(client, ua.ReadAtTimeDetails([after(1005)], True), CAB + "V1")
            assert [v.StatusCode.value for v in result.HistoryData.DataValues] == [CODES.BadNoData]

        ask(site, main)

    def test_counters_are_interpolated_texts_and_whole_numbers_exact(self, site: Site) -> None:
        async def main(client: Client) -> None:
            details = ua.ReadAtTimeDetails([after(450)], False)
            assert values(await one(client, details, CAB + "Energy")) == [1045]
            details = ua.ReadAtTimeDetails([after(t) for t in (31, 15)], False)
            assert values(await one(client, details, CAB + "Text")) == ["", "Dépôt"]
            assert values(await one(client, details, CAB + "Big")) == [-(2**63), 2**60 + 1]

        ask(site, main)

    def test_no_times_and_too_many(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, ua.ReadAtTimeDetails([], False), CAB + "V1")
            assert result.StatusCode.value == CODES.BadInvalidTimestampArgument
            result = await one(client, ua.ReadAtTimeDetails([NOON] * 121, False), CAB + "V1")
            assert result.StatusCode.value == CODES.BadTooManyOperations

        ask(site, main)


class TestInformationModel:
    """OPC 10000-11, 5: what a client can find out before it asks."""

    def test_capabilities_and_aggregates_are_published(self, site: Site) -> None:
        async def main(client: Client) -> None:
            server = await client.nodes.server.get_child(["0:ServerCapabilities"])
            told = await client.get_node(ua.NodeId(11192)).get_children_descriptions()
            values = {d.BrowseName.Name: await client.get_node(d.NodeId).read_value() for d in told if d.NodeClass == 2}
            assert values["AccessHistoryDataCapability"] is True and values["MaxReturnDataValues"] == 50
            assert values["ServerTimestampSupported"] is True and values["UpdateDataCapability"] is False
            for folder in (client.get_node(ua.NodeId(11201)), await server.get_child(["0:AggregateFunctions"])):
                names = {d.BrowseName.Name for d in await folder.get_children_descriptions()}
                assert {"Average", "TimeAverage2", "PercentGood"} <= names and "WorstQuality" not in names
            limit = await server.get_child(["0:OperationLimits", "0:MaxNodesPerHistoryReadData"])
            assert await limit.read_value() == 10

        ask(site, main)

    def test_a_tag_with_a_past_has_its_configuration(self, site: Site) -> None:
        async def main(client: Client) -> None:
            for name, stepped in (("V1", True), ("Energy", False)):
                tag = client.get_node(node_id(CAB + name))
                assert await tag.read_attribute(ua.AttributeIds.Historizing)
                (found,) = await tag.get_referenced_nodes(ua.ObjectIds.HasHistoricalConfiguration)
                assert (await found.read_browse_name()).Name == "HA Configuration"
                assert await (await found.get_child("0:Stepped")).read_value() is stepped
                weights = await found.get_child("0:AggregateConfiguration")
                assert await (await weights.get_child("0:PercentDataGood")).read_value() == 100
                assert await (await weights.get_child("0:TreatUncertainAsBad")).read_value() is True
                assert await client.get_node(found.nodeid).read_node_class() == ua.NodeClass.Object
            live = client.get_node(node_id(CAB + "Live"))
            assert await live.get_referenced_nodes(ua.ObjectIds.HasHistoricalConfiguration) == []
            for wrong in ("Live/HA Configuration", "V1/HA Configuration/No", "V1/HA Configurations"):
                with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
                    await client.get_node(ua.NodeId(CAB + wrong, 1)).read_browse_name()

        ask(site, main)

    def test_the_configuration_of_personal_data_is_as_invisible_as_the_tag(self, site: Site) -> None:
        name = ua.NodeId("21605/CAM-0001/Plate/HA Configuration", 1)

        async def hidden(client: Client) -> None:
            with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
                await client.get_node(name).read_browse_name()

        async def shown(client: Client) -> None:
            assert (await client.get_node(name).read_browse_name()).Name == "HA Configuration"

        ask(site, hidden)
        ask(site, shown, "boss")


class TestWhatCannotBeReadAnyMore:
    """OPC 10000-11, 4.3: a gap is told with Bad_DataLost, here where a bit of a file has flipped."""

    def test_raw_values_have_a_mark_in_its_place_in_both_directions(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, raw(-4 * DAY, -2.5 * DAY + 1000), CAB + "Rot")
            assert result.StatusCode.value == CODES.Good
            mark, *sound = result.HistoryData.DataValues
            assert (mark.StatusCode.value, mark.Value.Value, mark.SourceTimestamp) == (
                CODES.BadDataLost, None, after(-3.5 * DAY),
            )  # fmt: skip
            assert [v.Value.Value for v in sound] == [96.0, 97.0]
            back = await one(client, raw(-2.5 * DAY + 1000, -4 * DAY), CAB + "Rot")
            assert times(back) == times(result)[::-1] and values(back) == [97.0, 96.0, None]

        ask(site, main)

    def test_a_span_within_it_says_so_instead_of_no_data(self, site: Site) -> None:
        async def main(client: Client) -> None:
            result = await one(client, raw(-3 * DAY, -3 * DAY + 3600), CAB + "Rot")
            assert (times(result), values(result)) == ([-3.0 * DAY], [None])
            assert result.HistoryData.DataValues[0].StatusCode.value == CODES.BadDataLost

        ask(site, main)

    def test_aggregates_and_values_at_times_have_no_data_there(self, site: Site) -> None:
        async def main(client: Client) -> None:
            lost, sound = (processed(s, s + DAY / 2, DAY / 2, "PercentGood") for s in ROTTEN)
            assert values(await one(client, lost, CAB + "Rot")) in ([0.0], [None])
            assert values(await one(client, sound, CAB + "Rot")) == [100.0]
            mean = processed(ROTTEN[0], ROTTEN[0] + DAY / 2, DAY / 2, "TimeAverage2")
            assert (await one(client, mean, CAB + "Rot")).HistoryData.DataValues[0].StatusCode.value == CODES.BadNoData
            at = ua.ReadAtTimeDetails([after(-3 * DAY), after(-2.5 * DAY)], True)
            assert values(await one(client, at, CAB + "Rot")) == [None, 96.0]

        ask(site, main)


def test_an_area_that_a_person_may_not_see_has_no_past_either(site: Site) -> None:
    """Each node for itself: what they may not see is not there, for this service as for Read."""
    theirs, hidden = "21000/CAB-0001/V1", CAB + "V1"

    async def main(client: Client) -> None:
        at = ua.ReadAtTimeDetails([after(10)], True)
        for details in (raw(0, 30), processed(0, 30, 10, *["Average"] * 3), at):
            found = await client.uaclient.history_read(request(details, hidden, theirs, CAB + "Energy"))
            assert [r.StatusCode.value for r in found] == [CODES.BadNodeIdUnknown, CODES.Good, CODES.BadNodeIdUnknown]
            assert found[0].HistoryData.Body is None and len(found[1].HistoryData.DataValues)
        with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
            await client.get_node(node_id(hidden)).read_value()

    ask(site, main, "guest")


def test_a_point_is_no_way_around_the_rights(site: Site) -> None:
    """A token of somebody else's session is worth nothing, whoever shows it."""

    async def main(client: Client) -> None:
        result = await one(client, raw(0, 2000), CAB + "V1")
        async with await make_client(site, "guest") as guest:
            (stolen,) = await guest.uaclient.history_read(
                request(raw(0, 2000), go_on(CAB + "V1", result.ContinuationPoint))
            )
            assert stolen.StatusCode.value == CODES.BadContinuationPointInvalid and stolen.HistoryData.Body is None

    ask(site, main)


def test_history_update_is_not_supported(site: Site) -> None:
    """OPC 10000-4, 5.11.5: the past is not written from outside."""

    async def main(client: Client) -> None:
        details = ua.DeleteRawModifiedDetails(NodeId=node_id(CAB + "V1"), StartTime=after(0), EndTime=after(10))
        params = ua.HistoryUpdateParameters([details, details])
        found = await client.uaclient.history_update(params)
        assert [r.StatusCode.value for r in found] == [CODES.BadHistoryOperationUnsupported] * 2

    ask(site, main)


def test_other_requests_are_served_while_history_is_read_and_too_many_are_refused(site: Site, kept: Kept) -> None:
    async def main(client: Client) -> None:
        before = site.server.counters.history_refused
        kept.held = threading.Event()
        try:
            reads = [asyncio.create_task(one(client, raw(0, 100), CAB + "V1")) for _ in range(5)]
            await client.get_node(ua.NodeId(2258)).read_value()
            done, waiting = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            assert len(waiting) == 4
            with pytest.raises(ua.UaStatusCodeError) as refused:
                done.pop().result()
            assert refused.value.code == CODES.BadServerTooBusy
            assert site.server.counters.history_refused == before + 1
        finally:
            kept.held.set()
            kept.held = None
        for read in waiting:
            assert len(values(await read)) == 10

    ask(site, main)


def test_reads_of_all_connections_are_bounded_together(site: Site, kept: Kept) -> None:
    """Eight under way, four of a connection (`Limits.history_reads`): the ninth is told to come again."""

    async def main(client: Client) -> None:
        before = site.server.counters.history_refused
        async with await make_client(site, "view") as second, await make_client(site, "boss") as third:
            kept.held = threading.Event()
            try:
                reads = [
                    asyncio.create_task(one(c, raw(0, 100), CAB + "V1")) for c in (client, second) for _ in range(4)
                ]
                for c in (client, second):  # what was sent before it on a connection has begun
                    await c.get_node(ua.NodeId(2258)).read_value()
                with pytest.raises(ua.UaStatusCodeError) as refused:
                    await one(third, raw(0, 100), CAB + "V1")
                assert refused.value.code == CODES.BadServerTooBusy
                assert site.server.counters.history_refused == before + 1
                assert not any(r.done() for r in reads)
            finally:
                kept.held.set()
                kept.held = None
            assert [len(values(await read)) for read in reads] == [10] * 8
            assert len(values(await one(third, raw(0, 100), CAB + "V1"))) == 10

    ask(site, main)


def test_a_client_that_leaves_while_history_is_read_leaves_nothing_behind(site: Site, kept: Kept) -> None:
    async def main() -> None:
        kept.held = threading.Event()
        client = await make_client(site)
        await client.connect()
        reads = [asyncio.create_task(one(client, raw(0, 100), CAB + "V1")) for _ in range(3)]
        await client.get_node(ua.NodeId(2258)).read_value()
        await client.disconnect()
        await asyncio.gather(*reads, return_exceptions=True)
        kept.held.set()
        kept.held = None

    asyncio.run(main())

    async def again(client: Client) -> None:
        assert len(values(await one(client, raw(0, 100), CAB + "V1"))) == 10

    ask(site, again)


def test_nodes_not_begun_in_time_are_told_so(tmp_path: Path, kept: Kept) -> None:
    limits = Limits(history_answer_s=0.0)

    async def main(client: Client) -> None:
        found = await client.uaclient.history_read(request(raw(0, 500), *[CAB + "V1"] * 3))
        assert found[-1].StatusCode.value == CODES.BadTimeout

    with in_background(tmp_path, plant=history_plant(), past=kept, limits=limits) as site:
        ask(site, main)
