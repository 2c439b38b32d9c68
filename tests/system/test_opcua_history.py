# SPDX-License-Identifier: Apache-2.0
"""HistoryRead of stored values by an asyncua client: pages, bounds, rights, how much at once, with status codes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from supervisor.hmi.contract import Limits
from tests.system.history_kit import (
    CAB,
    CODES,
    LIMITS,
    Kept,
    after,
    ask,
    go_on,
    history_plant,
    known_past,
    one,
    processed,
    raw,
    request,
    times,
    values,
)
from tests.system.opcua_kit import Site, in_background, make_client, node_id


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with known_past(tmp_path_factory.mktemp("store")) as kept:
        yield kept


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("opcua")
    with in_background(folder, plant=history_plant(), past=kept, limits=LIMITS) as site:
        yield site


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
