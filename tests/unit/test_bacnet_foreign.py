# SPDX-License-Identifier: Apache-2.0
"""A foreign device and its BBMD: registered, renewed, refused, forgotten; who is believed about what was broadcast."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.bacnet import frames, serving
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.registration import ASK_MAX_S, ASK_S, REFUSED_S, Event, Registration, State, step
from drivers.bacnet.simulator import APDU
from tests.bacnet import Rig, inputs, objects, rig
from tests.sim.loop import run

TTL_S = 60.0
STANDING = Registration(State.STANDING, 130.0, 160.0, 100.0)
ASKED = Registration(State.STANDING, 105.0, 160.0, 100.0, 1)


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (Registration(), Event.ASKED, Registration(State.WANTED, 105.0, 0.0, 100.0, 1)),
        (Registration(silences=1), Event.ASKED, Registration(State.WANTED, 110.0, 0.0, 100.0, 2)),
        (Registration(silences=9), Event.ASKED, Registration(State.WANTED, 100 + ASK_MAX_S, 0.0, 100.0, 10)),
        (Registration(asked_s=99.0, silences=3), Event.GRANTED, Registration(State.STANDING, 130.0, 160.0, 99.0, 0)),
        (STANDING, Event.ASKED, Registration(State.STANDING, 105.0, 160.0, 100.0, 1)),
        (Registration(State.STANDING, 0, 99.0), Event.ASKED, Registration(State.WANTED, 105.0, 99.0, 100.0, 1)),
        (STANDING, Event.GRANTED, STANDING),
        (STANDING, Event.REFUSED, STANDING),
        (ASKED, Event.REFUSED, Registration(State.REFUSED, 100 + REFUSED_S, 0.0, 100.0)),
        (Registration(State.STANDING, asked_s=40.0), Event.FORGOTTEN, Registration(State.WANTED, 100.0, 0.0, 40.0)),
        (STANDING, Event.FORGOTTEN, Registration(State.WANTED, 100 + ASK_S, 0.0, 100.0)),
    ],
)
def test_the_life_of_a_registration(before: Registration, event: Event, after: Registration) -> None:
    """Source: ASHRAE 135, J.5.2."""
    assert step(before, event, 100.0, TTL_S) == after
    assert after.stands(100.0) == (after.state is State.STANDING)


@given(
    st.lists(
        st.tuples(st.sampled_from((Event.GRANTED, Event.REFUSED, Event.FORGOTTEN)), st.floats(0.0, 100.0)), max_size=60
    ),
    st.sampled_from((10.0, 60.0)),
)
def test_whatever_a_bbmd_says_it_is_asked_at_most_every_five_seconds_and_never_forgotten(
    said: list[tuple[Event, float]], ttl_s: float
) -> None:
    now_s, asked_s, each = 0.0, list[float](), Registration()
    for event, pause_s in [*said, (Event.FORGOTTEN, 0.0)]:
        until_s = now_s + pause_s
        while each.due_s <= until_s:
            now_s = max(now_s, each.due_s)
            asked_s.append(now_s)
            each = step(each, Event.ASKED, now_s, ttl_s)
        now_s = until_s
        each = step(each, event, now_s, ttl_s)
        assert each.due_s <= now_s + max(ASK_MAX_S, REFUSED_S, ttl_s / 2)
    assert all(b - a >= ASK_S - 1e-9 for a, b in itertools.pairwise(asked_s))


@pytest.mark.parametrize("text", ["bbmd", "10.1.1", "10.1.1.1:0", "10.1.1.1:65536", "10.1.1.1:x", "::1"])
def test_a_bbmd_is_an_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected an address such as '10\.21\.0\.1'"):
        BacnetDevice(host="10.21.7.1", instance=1, bbmd=text)


def test_a_bbmd_has_the_usual_port() -> None:
    assert BacnetDevice(host="h", instance=1, bbmd="10.1.1.1").broadcaster == ("10.1.1.1", 47808)
    assert BacnetDevice(host="h", instance=1, bbmd="10.1.1.1:5").broadcaster == ("10.1.1.1", 5)
    assert BacnetDevice(host="h", instance=1).broadcaster is None


class Bbmd(asyncio.DatagramProtocol):
    """A broadcast manager on a real socket.

    Attributes:
        heard: what came, and when.
        says: result of each Register-Foreign-Device; None: nothing.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.says: int | None = frames.GRANTED
        self.transport: Any = None
        self.client: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.client = addr
        self.heard.append((asyncio.get_running_loop().time(), data))
        if data[1] == frames.REGISTER and self.says is not None:
            self.result(self.says)

    def result(self, code: int) -> None:
        self.transport.sendto(b"\x81\x00\x00\x06" + code.to_bytes(2, "big"), self.client)

    def registered(self) -> list[float]:
        """When it was asked [s since the first time]."""
        return [round(at_s - self.heard[0][0], 3) for at_s, data in self.heard if data[1] == frames.REGISTER]

    def forward(self, origin: tuple[str, int], apdu: bytes) -> None:
        """Forwarded-NPDU. Source: J.2.5."""
        host = bytes(map(int, origin[0].split("."))) + origin[1].to_bytes(2, "big")
        body = host + frames.npdu_from(0, b"") + apdu
        self.transport.sendto(b"\x81\x04" + (4 + len(body)).to_bytes(2, "big") + body, self.client)


@asynccontextmanager
async def behind(**settings: Any) -> AsyncIterator[tuple[Bbmd, Rig]]:
    """A device, a BBMD, and a driver that registers with it."""
    loop = asyncio.get_running_loop()
    transport, bbmd = await loop.create_datagram_endpoint(Bbmd, local_addr=("127.0.0.1", 0))
    where = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        async with rig(inputs(2), objects(2), bbmd=where, bbmd_ttl="60 s", **settings) as r:
            yield bbmd, r
    finally:
        transport.close()
        await asyncio.sleep(0)


def test_it_registers_at_once_and_renews_at_half_of_its_time_to_live() -> None:
    async def main() -> None:
        async with behind() as (bbmd, r):
            await asyncio.sleep(100)
            assert bbmd.heard[0][1] == bytes.fromhex("81 05 00 06 00 3c")
            assert bbmd.registered() == [0, 30, 60, 90]
            assert r.link.foreign is not None and r.link.foreign.stands
            assert "registered as a foreign device" in r.link.foreign.sentence()
            await r.link.close()
            await asyncio.sleep(100)
            assert len(bbmd.heard) == 4
            await r.link.open()
            await asyncio.sleep(1)
            assert len(bbmd.heard) == 5

    run(main())


def test_a_bbmd_that_says_nothing_is_asked_with_growing_pauses_and_polling_goes_on() -> None:
    async def main() -> None:
        async with behind() as (bbmd, r):
            await asyncio.sleep(20)
            bbmd.says = None
            await asyncio.sleep(140)
            assert bbmd.registered() == [0, 30, 35, 45, 65, 105]
            assert r.link.foreign is not None and not r.link.foreign.stands
            assert "expected an answer to Register-Foreign-Device" in r.link.foreign.sentence()
            assert await r.read() == [(0.0, 0), (1.0, 0)], "what is asked for by itself needs no BBMD"
            bbmd.says = frames.GRANTED
            await asyncio.sleep(60)
            assert r.link.foreign.stands

    run(main())


def test_one_that_refuses_is_asked_again_later() -> None:
    async def main() -> None:
        async with behind() as (bbmd, r):
            bbmd.says = frames.REGISTER_REFUSED
            await asyncio.sleep(160)
            assert r.link.foreign is not None and "refuses to register" in r.link.foreign.sentence()
            assert bbmd.registered() == [0, 30, 90, 150]

    run(main())


def test_one_that_has_forgotten_us_is_asked_at_once_and_a_flood_of_refusals_changes_little() -> None:
    async def main() -> None:
        async with behind() as (bbmd, r):
            await asyncio.sleep(10)
            assert r.link.foreign is not None
            r.link.foreign.broadcast(frames.npdu_to(0, b"", False), frames.unconfirmed(frames.WHO_IS, b""))
            await asyncio.sleep(0.1)
            assert bbmd.heard[-1][1] == bytes.fromhex("81 09 00 08 01 00 10 08")
            bbmd.result(frames.BROADCAST_REFUSED)
            await asyncio.sleep(0.1)
            assert bbmd.registered() == [0, 10.1]
            for _ in range(100):
                bbmd.result(frames.BROADCAST_REFUSED)
            await asyncio.sleep(6)
            assert len(bbmd.registered()) == 3

    run(main())


def test_an_i_am_through_the_bbmd_is_believed_of_it_alone() -> None:
    async def main() -> None:
        async with behind(cov="unconfirmed", reconcile="24 h") as (bbmd, r):
            r.driver.watch(lambda batch: None)
            for _ in range(3):
                await r.read()
                await asyncio.sleep(1)
            r.peer.forget()
            next(iter(r.objects)).own = 5.0
            origin, i_am = (r.peer.host, r.peer.port), serving.i_am(r.objects, APDU)
            stranger, strangers = Bbmd(), r.link.strangers
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: stranger, local_addr=("127.0.0.1", 0)
            )
            stranger.client = bbmd.client
            stranger.forward(origin, i_am)
            await asyncio.sleep(0.1)
            assert r.link.strangers == strangers + 1 and (await r.read())[0] == (0.0, 0), "still believed to be told"
            bbmd.forward(origin, i_am)
            await asyncio.sleep(0.1)
            assert (await r.read())[0] == (5.0, 0), "it has restarted: asked, and subscribed anew"
            transport.close()
            await asyncio.sleep(0)

    run(main())


def test_an_answer_never_comes_through_a_bbmd() -> None:
    async def main() -> None:
        async with behind() as (bbmd, r):
            await asyncio.sleep(1)
            r.peer.turn("late 500 ms")
            reading = asyncio.ensure_future(r.read())
            await asyncio.sleep(0.1)
            for id_ in range(256):
                bbmd.forward((r.peer.host, r.peer.port), frames.abort(id_, 0))
            assert await reading == [(0.0, 0), (1.0, 0)]
            assert r.link.strangers >= 256

    run(main())
