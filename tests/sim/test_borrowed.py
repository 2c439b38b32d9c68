# SPDX-License-Identifier: Apache-2.0
"""Stock asyncua and Twisted live in virtual time too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asyncua import Client, Server
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from tests.sim.borrowed import library_time
from tests.sim.loop import run


def test_an_asyncua_subscription_keeps_its_pace() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with library_time():
            server = Server()
            await server.init()
            server.set_endpoint("opc.tcp://127.0.0.1:0")
            node = await server.nodes.objects.add_variable(2, "n", 0)
            await server.start()
            port = server.bserver._server.sockets[0].getsockname()[1]
            seen: list[tuple[float, int]] = []

            class Handler:
                def datachange_notification(self, _node: Any, value: int, _data: Any) -> None:
                    seen.append((loop.time(), value))

            async with Client(f"opc.tcp://127.0.0.1:{port}") as client:
                subscription = await client.create_subscription(500, Handler())
                await subscription.subscribe_data_change(client.get_node(node.nodeid))
                await asyncio.sleep(1)
                for n in range(1, 21):
                    await node.write_value(n)
                    written_s = loop.time()
                    await asyncio.sleep(60)
                    at_s, value = seen[-1]
                    assert value == n and at_s - written_s <= 0.6
                await subscription.delete()
            await server.stop()
            await asyncio.sleep(0.1)
        assert loop.time() >= 1200

    run(main(), debug=False)


def test_a_twisted_call_later_is_on_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reactor = AsyncioSelectorReactor(loop)
        with library_time(reactor):
            reactor.startRunning(installSignalHandlers=False)
            fired: list[float] = []
            reactor.callLater(7200.0, lambda: fired.append(loop.time()))
            await asyncio.sleep(7201)
            assert fired == [pytest.approx(7200.0)]
            reactor.disconnectAll()  # not `stop`: that would stop the loop, which is ours
            await asyncio.sleep(0)

    run(main(), debug=False)
