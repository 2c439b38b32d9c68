# SPDX-License-Identifier: Apache-2.0
"""What the OPC UA server does when time passes: keep-alive, lifetime, sessions of clients that never come back."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from supervisor.hmi.contract import HmiSettings, Limits
from supervisor.hmi.engine import Engine
from supervisor.hmi.entrance.login import ANONYMOUS
from supervisor.hmi.server import HmiServer
from supervisor.hmi.session import Session
from supervisor.offload import Offload
from supervisor.people import People
from supervisor.plant.plant import Plant
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.bench.opcua_client import LoadClient
from tests.plants import TypeSpec, make_plant, tag
from tests.sim.loop import clock, run


async def put(*_: Any) -> Any:
    raise AssertionError("nothing is written here")


async def started(folder: Path, offload: Offload, limits: Limits | None = None) -> tuple[HmiServer, Plant, TagTable]:
    plant = make_plant({"T": TypeSpec({"V": tag("Double")})}, {"T": ["1/T-0001"]})
    table = TagTable(plant, StringPool(), clock().wall_ns())
    settings = HmiSettings("127.0.0.1", 0, "test", folder, insecure_loopback=True)
    server = HmiServer(plant, table, People(), clock(), offload, settings, put, limits)
    await server.start()
    return server, plant, table


def test_a_quiet_subscription_is_kept_alive_through_renewals_and_still_reports(tmp_path: Path) -> None:
    """The session stays, the channel is renewed three times, the first change is seen at once."""

    async def main() -> None:
        offload = Offload()
        server, _, table = await started(tmp_path, offload)
        seen: list[Any] = []

        class Handler:
            def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
                seen.append(value)

        client = Client(server.insecure_endpoint or "", watchdog_intervall=60.0)
        client.secure_channel_timeout = 400_000
        async with client:
            subscription = await client.create_subscription(
                ua.CreateSubscriptionParameters(1000.0, 300, 60, 0, True, 0), Handler()
            )
            await subscription.subscribe_data_change(client.get_node("ns=2;s=1/T-0001/V"), queuesize=1)
            await asyncio.sleep(1000)
            assert (server.sessions, server.subscriptions, seen) == (1, 1, [None])
            table.floats[0], table.status[0] = 4.5, 0
            await asyncio.sleep(1.1)
            assert seen == [None, 4.5]
            await subscription.delete()
        await server.stop()
        offload.close()

    run(main(), debug=False)


def test_a_client_that_never_comes_back_is_forgotten_in_time(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload()
        server, _, _ = await started(tmp_path, offload)
        client = Client(server.insecure_endpoint or "")
        client.session_timeout = 120_000
        await client.connect()
        params = ua.CreateSubscriptionParameters(1000.0, 30, 10, 0, True, 0)
        made = await client.uaclient.create_subscription(params, lambda _: None)
        assert made.RevisedLifetimeCount == 30
        item = ua.MonitoredItemCreateRequest(ua.ReadValueId(ua.NodeId("1/T-0001/V", 2), ua.AttributeIds.Value))
        await client.uaclient.create_monitored_items(
            ua.CreateMonitoredItemsParameters(made.SubscriptionId, ua.TimestampsToReturn.Both, [item])
        )
        client.uaclient.protocol.transport.abort()
        await asyncio.sleep(20)
        assert (server.sessions, server.subscriptions, server.monitored_items) == (1, 1, 1)  # it may come back yet
        await asyncio.sleep(30)
        assert (server.sessions, server.subscriptions, server.monitored_items) == (1, 0, 0)
        await asyncio.sleep(120)
        assert server.sessions == 0
        await client.disconnect()
        await server.stop()
        offload.close()

    run(main(), debug=False)


ABANDONED = 2_000


async def abandon(engine: Engine) -> None:
    """A session with a subscription, logged in and left by its client, which may come back."""
    await engine.room_for_session()
    session = Session(engine, "gone", None)
    await session.create_session(ua.CreateSessionParameters(RequestedSessionTimeout=600_000.0))
    session.admit(ANONYMOUS, None)
    terms = ua.CreateSubscriptionParameters(10_000.0, 3, 1, 0, True, 0)
    engine.subscription_service.open(terms, session.session_id, session.asker, session.outbox)


def come_and_go(url: str) -> None:
    with closing(LoadClient(url)) as client:
        client.open_session()


def test_two_thousand_sessions_abandoned_together_fill_the_server_and_go_in_time(tmp_path: Path) -> None:
    """All stand at once; then there is no room for another one, and later all of it again."""

    async def main() -> None:
        offload = Offload()
        server, _, _ = await started(tmp_path, offload, Limits(sessions=ABANDONED, subscriptions=ABANDONED))
        url = server.insecure_endpoint or ""
        assert server._running is not None
        for _ in range(ABANDONED):
            await abandon(server._running.engine)
        assert (server.sessions, server.subscriptions) == (ABANDONED, ABANDONED)
        with pytest.raises(RuntimeError):
            await asyncio.to_thread(come_and_go, url)
        assert server.faults() == {"BadTooManySessions": 1}
        await asyncio.sleep(595)
        assert (server.sessions, server.subscriptions) == (ABANDONED, 0)  # each of them may come back yet
        await asyncio.sleep(10)
        assert server.sessions == 0
        await asyncio.to_thread(come_and_go, url)
        await server.stop()
        offload.close()

    run(main(), debug=False)
