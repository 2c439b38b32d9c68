# SPDX-License-Identifier: Apache-2.0
"""HistoryRead of aggregates and values at times by an asyncua client; what it can find out before; what has rotted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asyncua import Client, ua

from tests.system.history_kit import (
    CAB,
    CODES,
    DAY,
    LIMITS,
    NOON,
    ROTTEN,
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
from tests.system.opcua_kit import Site, in_background, node_id


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with known_past(tmp_path_factory.mktemp("store")) as kept:
        yield kept


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("opcua")
    with in_background(folder, plant=history_plant(), past=kept, limits=LIMITS) as site:
        yield site


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
