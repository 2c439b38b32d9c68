# SPDX-License-Identifier: Apache-2.0
"""Changes that are told: at once, by few bytes, and never believed longer than the subscription speaks."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from config.words import StatusCode
from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.opcua import codec, subscription
from drivers.opcua.serving import Serving
from tests.opcua import doubles, plant
from tests.sim.loop import clock, run


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


def test_a_change_is_told_and_a_slot_asks_one_small_question() -> None:
    async def main() -> None:
        async with plant(doubles(100), watch=True) as made:
            assert (await made.values())[:3] == [0.0, 1.0, 2.0]
            await asyncio.sleep(1.5)  # the first message: all that is watched
            made.told.clear()
            made.nodes["ns=2;i=7"].set(70.0, clock().wall_ns())
            made.nodes["ns=2;i=9"].set(90.0, clock().wall_ns(), 0x40920000)
            await asyncio.sleep(1.1)
            [batch] = made.told
            assert batch.request == -1 and sorted(batch.rows.tolist()) == [7, 9]
            before = made.server.requests
            seen = await made.read()
            assert made.server.requests - before == 1
            assert seen.cells.view(float)[[7, 9]].tolist() == [70.0, 90.0] and seen.statuses[9] == 0x40920000
            assert made.link.subscription.changes == 102

    virtual(main())


def test_a_subscription_gone_silent_is_found_within_two_keep_alives_and_nothing_is_missed() -> None:
    async def main() -> None:
        async with plant(doubles(5), watch=True) as made:
            await made.read()
            await asyncio.sleep(5)
            made.server.turn("silent")
            made.nodes["ns=2;i=1"].set(11.0, clock().wall_ns())  # never told
            await asyncio.sleep(4.1)
            assert made.link.subscription.breaks == 1 and made.link.is_up
            assert (await made.values())[1] == 11.0, "read again behind the new subscription"
            made.server.heal()
            made.nodes["ns=2;i=2"].set(22.0, clock().wall_ns())
            await asyncio.sleep(2)
            assert (await made.values())[2] == 22.0 and made.link.subscription.id

    virtual(main())


def test_one_that_breaks_again_and_again_is_asked_for_ever_more_rarely() -> None:
    async def main() -> None:
        async with plant(doubles(1), watch=True) as made:
            made.server.turn("silent")
            for _ in range(600):
                await made.read()
                await asyncio.sleep(1)
            assert 3 <= made.link.subscription.breaks <= 8
            made.nodes["ns=2;i=0"].set(5.0, clock().wall_ns())
            made.link.subscription._break("test")
            assert await made.values() == [5.0], "meanwhile values are read"

    virtual(main())


def test_a_server_without_subscriptions_is_polled_and_asked_again_later() -> None:
    async def main() -> None:
        async with plant(doubles(3), watch=True) as made:
            made.server.turn("no_subscriptions")
            assert await made.values() == [0.0, 1.0, 2.0]
            assert made.link.subscription.refused == "BadTooManySubscriptions"
            made.server.heal()
            await made.read()
            assert not made.link.subscription.id
            await asyncio.sleep(subscription.RETRY_S)
            await made.read()
            assert made.link.subscription.id and not made.link.subscription.refused

    virtual(main())


def test_a_node_that_cannot_be_watched_is_read_beside_the_others() -> None:
    async def main() -> None:
        async with plant(doubles(3), watch=True) as made:
            made.server.reject("ns=2;i=1")
            seen = await made.read()
            assert seen.statuses.tolist() == [0, StatusCode.BadNodeIdUnknown, 0]
            assert "p1 at ns=2;i=1" in made.driver.notes(made.requests[0])[0]
            made.server.accept("ns=2;i=1")
            assert await made.values() == [0.0, 1.0, 2.0] and made.requests[0].state is None

    virtual(main())


def test_a_deadband_is_the_servers_work() -> None:
    async def main() -> None:
        async with plant(doubles(1, deadband=1), watch=True) as made:
            await made.read()
            await asyncio.sleep(1.5)
            made.told.clear()
            for value in (0.5, 1.0, 1.5):
                made.nodes["ns=2;i=0"].set(value, clock().wall_ns())
                await asyncio.sleep(1.1)
            assert [batch.cells.view(float).tolist() for batch in made.told] == [[1.5]]

    virtual(main())


def test_items_are_made_in_pieces_that_the_server_allows() -> None:
    async def main() -> None:
        async with plant(doubles(25), {"items": 10, "read": 7}, watch=True) as made:
            assert (await made.values())[24] == 24.0
            assert made.server.requests >= 3 + 4

    virtual(main())


def test_a_forgotten_session_is_a_link_that_is_down() -> None:
    async def main() -> None:
        async with plant(doubles(1), watch=True) as made:
            await made.read()
            made.server.forget()
            with pytest.raises(LinkDown, match="the session has ended: BadSessionIdInvalid"):
                await made.read()
            assert not made.link.is_up
            await made.open(watch=True)
            assert await made.values() == [0.0]

    virtual(main())


def test_a_server_that_is_not_running_is_not_believed() -> None:
    async def main() -> None:
        async with plant(doubles(1), watch=True) as made:
            await made.read()
            made.nodes["i=2259"].set(3, clock().wall_ns())
            with pytest.raises(DeviceSilent, match="the server is in state Suspended"):
                await made.read()

    virtual(main())


def test_a_gap_in_the_messages_breaks_it() -> None:
    async def main() -> None:
        async with plant(doubles(1), watch=True) as made:
            await made.read()
            await asyncio.sleep(1.5)
            [told] = next(iter(made.server._connections))._told.values()
            told.sequence += 1
            made.nodes["ns=2;i=0"].set(1.0, clock().wall_ns())
            await asyncio.sleep(1.1)
            assert made.link.subscription.breaks == 1 and await made.values() == [1.0]

    virtual(main())


def test_ten_thousand_changes_are_told_in_columns() -> None:
    async def main() -> None:
        async with plant(doubles(10_000), watch=True, publishing="2 s", keep_alive="10 s") as made:
            for request in made.requests:
                await made.driver.read(request, 10.0)
            await asyncio.sleep(5)
            made.told.clear()
            now_ns = clock().wall_ns()
            for i in range(10_000):
                made.nodes[f"ns=2;i={i}"].set(i + 0.5, now_ns)
            await asyncio.sleep(2.5)
            assert len(made.told) == len(made.requests) == 10, "one batch for each request, none for each value"
            assert sum(len(batch.rows) for batch in made.told) == 10_000
            assert all((b.cells.view(float) == b.rows + 0.5).all() and (b.source_ns == now_ns).all() for b in made.told)

    virtual(main())


def test_a_limit_of_items_that_was_not_told_is_found_out() -> None:
    async def main() -> None:
        async with plant(doubles(25), watch=True) as made:
            made.server.nodes["i=11714"].value = 3
            assert (await made.values())[24] == 24.0
            assert made.link.subscription.id and made.link.subscription.breaks == 0
            await asyncio.sleep(1.5)
            made.told.clear()
            made.nodes["ns=2;i=24"].set(1.0, clock().wall_ns())
            await asyncio.sleep(1.1)
            assert [batch.rows.tolist() for batch in made.told] == [[24]]

    virtual(main())


def test_items_are_made_once_however_often_the_reading_behind_them_fails() -> None:
    async def main() -> None:
        async with plant(doubles(25), watch=True) as made:
            made.server.nodes["i=11705"].value = 3  # a limit of nodes in a Read that was not told
            for _ in range(8):
                with pytest.raises(Busy):
                    await made.read()
            made.server.turn("hang")
            with pytest.raises(DeviceSilent):
                await made.read()
            made.server.heal()
            assert (await made.values())[24] == 24.0
            [told] = next(iter(made.server._connections))._told.values()
            assert len(told.items) == 25 and made.link.subscription.breaks == 0

    virtual(main())


def test_a_server_that_is_slow_for_a_while_costs_nobody_the_subscription() -> None:
    """170 devices of a busy collector share one: one whose items take longer than a slot must not end it for all."""

    async def main() -> None:
        async with plant(doubles(25), watch=True) as made:
            made.server.turn("late 1500 ms")
            for _ in range(6):
                with pytest.raises(DeviceSilent):
                    await made.read()
            made.server.heal()
            assert (await made.values())[24] == 24.0
            [told] = next(iter(made.server._connections))._told.values()
            assert len(told.items) == 25 and made.link.subscription.breaks == 0, "made once, although a slot waits 1 s"

    virtual(main())


@pytest.mark.parametrize("publishing_ms", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_subscription_of_no_interval_is_no_answer(publishing_ms: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        made_so = Serving._create_subscription

        def strange(serving: Serving, number: int, handle: int, body: Any) -> bytes:
            said = bytearray(made_so(serving, number, handle, body))
            struct.pack_into("<d", said, len(said) - 16, publishing_ms)
            return bytes(said)

        monkeypatch.setattr(Serving, "_create_subscription", strange)
        async with plant(doubles(1), watch=True) as made:
            with pytest.raises(LinkDown, match="a subscription that is to tell every"):
                await made.read()

    virtual(main())


def test_a_server_that_watches_a_few_of_many_has_the_others_read_within_its_limits() -> None:
    """BadTooManyMonitoredItems of each item beyond the 50th; what is left is read, ten at a time."""

    async def main() -> None:
        async with plant(doubles(100), limits={"read": 10, "items": 20}, watch=True) as made:
            made.server.turn("items 50")
            await made.read()
            for i in (3, 70):
                made.nodes[f"ns=2;i={i}"].set(1000.0 + i, clock().wall_ns())
            await asyncio.sleep(1.5)
            before = made.server.requests
            values = await made.values()
            assert (values[3], values[70], values[99]) == (1003.0, 1070.0, 99.0)
            assert made.server.requests - before == 6, "the state, and five questions of ten"

    virtual(main())


def test_a_server_that_would_be_silent_for_a_day_is_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that was lost would be believed for two days, for the server's state is well."""

    async def main() -> None:
        def rare(serving: Serving, number: int, handle: int, body: Any) -> bytes:
            return serving._head(790, handle) + struct.pack("<IdII", 7, 1000.0, 3_000_000, 86_400)

        monkeypatch.setattr(Serving, "_create_subscription", rare)
        async with plant(doubles(2), watch=True) as made:
            assert await made.values() == [0.0, 1.0]
            assert made.link.subscription.id == 0 and "silent for 86400 s, 2 s were" in made.link.subscription.refused
            made.nodes["ns=2;i=1"].set(11.0, clock().wall_ns())
            assert await made.values() == [0.0, 11.0]

    virtual(main())


def test_a_server_that_answers_every_publish_at_once_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        publish, asked = Serving._publish, list[float]()

        def hasty(serving: Serving, number: int, handle: int, body: Any) -> bytes | None:
            asked.append(asyncio.get_running_loop().time())
            said = publish(serving, number, handle, body)
            for told in serving._told.values():
                serving.tell(told)
            return said

        monkeypatch.setattr(Serving, "_publish", hasty)
        async with plant(doubles(1), watch=True) as made:
            for second in range(60):
                made.nodes["ns=2;i=0"].set(float(second), clock().wall_ns())
                await asyncio.sleep(1)
                assert await made.values() == [float(second)]
            assert 10 < len(asked) < 200

    virtual(main())


def test_sampling_queue_and_deadband_are_asked_for_as_they_are_configured() -> None:
    """OPC 10000-4, 7.21 (MonitoringParameters) and 7.22.2 (DataChangeFilter), read by asyncua's decoder."""

    async def main() -> None:
        asked: list[Any] = []

        def create(serving: Serving, number: int, handle: int, body: Any) -> bytes:
            wanted = struct_from_binary(ua.CreateMonitoredItemsParameters, body.copy()).ItemsToCreate
            asked.extend(each.RequestedParameters for each in wanted)
            return make(serving, number, handle, body)

        make = Serving._create_items
        for settings in ({"sampling": "250 ms", "queue": 7}, {}):
            async with plant((*doubles(1), *doubles(1, deadband=0.5)), watch=True, **settings) as made:
                [serving] = made.server._connections
                serving._services[codec.CREATE_ITEMS] = partial(create, serving)
                await made.read()
        assert [each.SamplingInterval for each in asked] == [250.0, 250.0, 1000.0, 1000.0], "as it publishes, by itself"
        assert [each.QueueSize for each in asked] == [7, 7, 1, 1] and all(each.DiscardOldest for each in asked)
        assert asked[0].Filter.Body is None and asked[1].Filter.DeadbandValue == 0.5

    virtual(main())


def test_of_several_samples_in_one_message_the_last_one_stands() -> None:
    async def main() -> None:
        async with plant(doubles(3), watch=True, queue=2) as made:
            await made.read()
            await asyncio.sleep(1.5)
            made.told.clear()
            [told] = next(iter(made.server._connections))._told.values()
            node, now_ns = made.nodes["ns=2;i=1"], clock().wall_ns()
            node.set(10.0, now_ns)
            [(item, older)] = told.pending.items()
            node.set(11.0, now_ns + 1_000_000)
            told.pending = {-1: older, item: told.pending[item]}
            await asyncio.sleep(1.1)
            [batch] = made.told
            assert (batch.rows.tolist(), batch.cells.view(float).tolist()) == ([1], [11.0])

    virtual(main())
