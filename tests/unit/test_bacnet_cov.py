# SPDX-License-Identifier: Apache-2.0
"""Being told changes: the life of a subscription, and what a device does that forgets it."""

from __future__ import annotations

import asyncio

import pytest

from config.words import Batch, StatusCode
from drivers.bacnet import frames, serving
from drivers.bacnet.cov import RETRY_S, Event, State, Subscription, step
from drivers.bacnet.quality import OVERRIDDEN
from drivers.bacnet.tags import REAL
from drivers.base import DeviceSilent
from tests.bacnet import INSTANCE, Rig, inputs, objects, rig
from tests.sim.loop import run

POLL_S = 5.0


def test_the_table() -> None:
    wanted = Subscription()
    standing = step(wanted, Event.ACCEPTED, 100.0, 300.0)
    assert (standing.due_s, standing.expires_s) == (250.0, 400.0), "renewed at half its life"
    assert standing.stands(399.9) and not standing.stands(400.0) and not wanted.stands(0.0)
    refused = step(standing, Event.REFUSED, 250.0, 300.0, "no room")
    assert (refused.state, refused.due_s, refused.reason) == (State.REFUSED, 250.0 + RETRY_S, "no room")
    for event in (Event.SILENT, Event.RESTARTED):
        for before in (wanted, standing, refused):
            assert step(before, event, 260.0, 300.0) == Subscription(State.WANTED, 260.0)


async def poll(r: Rig, times: int = 1) -> None:
    for _ in range(times):
        await r.read()
        await asyncio.sleep(POLL_S)


def values(told: list[Batch]) -> list[tuple[int, float, int]]:
    return [(int(b.rows[0]), float(b.cells.view("f8")[0]), int(b.statuses[0])) for b in told]


@pytest.mark.parametrize("how", ["confirmed", "unconfirmed"])
def test_changes_are_told_at_once_and_a_slot_costs_one_small_question(how: str) -> None:
    async def main() -> None:
        made, told = objects(4), list[Batch]()
        async with rig(inputs(4), made, cov=how) as r:
            r.driver.watch(told.append)
            await poll(r)
            told.clear()
            each = list(made)
            made.hold(each[2], 21.5)
            await asyncio.sleep(0.1)
            assert values(told) == [(2, 21.5, 0)] and told[0].request == -1
            each[2].flags = OVERRIDDEN
            made.hold(each[2], 21.5)
            await asyncio.sleep(0.1)
            assert values(told)[-1] == (2, 21.5, StatusCode.GoodLocalOverride)
            before = r.peer.requests
            assert (await r.read())[2] == (21.5, StatusCode.GoodLocalOverride)
            assert r.peer.requests - before == 1

    run(main())


def test_subscriptions_are_renewed_and_outlive_their_lifetime() -> None:
    async def main() -> None:
        made, told = objects(2), list[Batch]()
        async with rig(inputs(2), made, cov="unconfirmed", lifetime="60 s", reconcile="24 h") as r:
            r.driver.watch(told.append)
            await poll(r, 30)
            told.clear()
            made.hold(next(iter(made)), 9.0)
            await asyncio.sleep(0.1)
            assert values(told) == [(0, 9.0, 0)]

    run(main())


def test_a_device_that_restarts_is_subscribed_anew_by_its_i_am() -> None:
    async def main() -> None:
        made, told = objects(2), list[Batch]()
        async with rig(inputs(2), made, cov="unconfirmed") as r:
            r.driver.watch(told.append)
            await poll(r)
            await r.peer.restart()
            next(iter(made)).own = 5.0  # what changes meanwhile is read behind the new subscription
            await asyncio.sleep(0.1)
            assert (await r.read())[0] == (5.0, 0)
            told.clear()
            made.hold(next(iter(made)), 9.0)
            await asyncio.sleep(0.1)
            assert values(told) == [(0, 9.0, 0)]

    run(main())


def test_a_silence_ends_what_was_told() -> None:
    async def main() -> None:
        made = objects(2)
        async with rig(inputs(2), made, cov="unconfirmed") as r:
            r.driver.watch(lambda batch: None)
            await poll(r)
            r.peer.turn("hang")
            with pytest.raises(DeviceSilent, match="DEV-1"):
                await r.read()
            r.peer.heal()
            r.peer.forget()
            next(iter(made)).own = 5.0
            assert (await r.read())[0] == (5.0, 0)

    run(main())


def test_a_device_that_drops_subscriptions_in_silence_is_found_by_the_slow_poll() -> None:
    async def main() -> None:
        made = objects(2)
        async with rig(inputs(2), made, cov="unconfirmed", reconcile="20 s") as r:
            r.driver.watch(lambda batch: None)
            await poll(r)
            r.peer.forget()
            made.hold(next(iter(made)), 5.0)
            assert (await r.read())[0] == (0.0, 0), "nobody told"
            await poll(r, 4)
            assert (await r.read())[0] == (5.0, 0)

    run(main())


def test_a_device_that_changes_its_object_list_while_it_is_told_is_found_when_subscriptions_are_renewed() -> None:
    async def main() -> None:
        made, told = objects(4), list[Batch]()
        async with rig(inputs(4), made, cov="unconfirmed", lifetime="60 s", reconcile="24 h") as r:
            r.driver.watch(told.append)
            await poll(r, 2)
            gone = made.remove(2)
            assert gone is not None
            await poll(r, 8)
            seen = await r.read()
            assert seen[2][1] == StatusCode.BadNodeIdUnknown and [s for _, s in seen].count(0) == 3
            assert "analog-input 2" in " ".join(r.driver.notes(r.requests[0]))
            new = made.add("analog-input 2", REAL, 7.0)
            assert (await r.read())[2] == (7.0, 0), "what is refused is polled"
            await asyncio.sleep(RETRY_S)
            await poll(r, 2)
            made.hold(new, 8.0)
            await asyncio.sleep(0.1)
            assert values(told)[-1] == (2, 8.0, 0), "and subscribed to again"

    run(main())


def test_a_full_table_is_polled_and_asked_again_later() -> None:
    async def main() -> None:
        made = objects(30)
        async with rig(inputs(30), made, cov="unconfirmed") as r:
            r.peer.limits.subscriptions_max = 5
            r.driver.watch(lambda batch: None)
            await poll(r, 2)
            assert r.driver.telling.standing() == 5 and r.driver.telling.full_s > 0
            before = r.peer.requests
            made.hold(list(made)[20], 7.0)
            assert (await r.read())[20] == (7.0, 0)
            assert r.peer.requests - before == 1, "one poll, no further subscriptions for ten minutes"
            r.peer.limits.subscriptions_max = 1000
            await asyncio.sleep(RETRY_S)
            await poll(r, 3)
            assert r.driver.telling.standing() == 30

    run(main())


def test_a_device_without_cov_is_polled() -> None:
    async def main() -> None:
        made = objects(3)
        made.services &= ~(1 << 5)
        async with rig(inputs(3), made, cov="confirmed") as r:
            r.driver.watch(lambda batch: None)
            before = r.peer.requests
            await poll(r, 3)
            assert r.peer.requests - before == 3

    run(main())


def test_a_device_that_says_it_is_not_operational_is_silent() -> None:
    async def main() -> None:
        made = objects(1)
        async with rig(inputs(1), made, cov="unconfirmed") as r:
            r.driver.watch(lambda batch: None)
            await poll(r)
            made.system_status = 4
            with pytest.raises(DeviceSilent, match="non-operational"):
                await r.read()

    run(main())


def test_the_reason_of_an_old_fault_is_not_that_of_a_new_one() -> None:
    """Clause 12.2.9: the Reliability is read; a notification tells the flag alone."""

    async def main() -> None:
        made, told = objects(1), list[Batch]()
        async with rig(inputs(1), made, cov="unconfirmed") as r:
            [each] = made
            each.reliability = 2
            assert (await r.read())[0][1] == StatusCode.UncertainEngineeringUnitsExceeded
            r.driver.watch(told.append)
            await poll(r)
            for reliability in (0, 1):
                each.reliability = reliability
                made.hold(each, each.own)
                await asyncio.sleep(0.1)
            assert [b.statuses[0] for b in told[-2:]] == [StatusCode.Good, StatusCode.BadDeviceFailure]
            await asyncio.sleep(900.0)
            assert (await r.read())[0][1] == StatusCode.BadSensorFailure

    run(main())


def test_what_nobody_has_subscribed_is_said_to_be_unknown_and_never_believed() -> None:
    async def main() -> None:
        made, told = objects(2), list[Batch]()
        async with rig(inputs(2), made, cov="confirmed") as r:
            r.driver.watch(told.append)
            await poll(r)
            told.clear()
            station, said = await r.link.station(r.device), list[bytes]()
            station.tell = said.append  # type: ignore[method-assign]
            each = next(iter(made))

            def notify(process: int, oid: int, cut: int = 0, device: int = INSTANCE) -> bytes:
                content = bytearray(serving.notification(objects(1, device), each, process, 60.0))
                at = content.index(each.oid.to_bytes(4, "big"))
                content[at : at + 4] = oid.to_bytes(4, "big")
                apdu = frames.confirmed(9, frames.Service.CONFIRMED_COV, bytes(content[: len(content) - cut]))
                station.heard(frames.parse(frames.envelope(b"\x01\x04", apdu)))
                return said.pop()

            unknown = frames.error(9, frames.Service.CONFIRMED_COV, 5, 79)
            assert notify(1, each.oid) == frames.simple_ack(9, frames.Service.CONFIRMED_COV) and len(told) == 1
            assert notify(2, each.oid) == unknown, "another subscriber's"
            assert notify(1, each.oid + 77) == unknown, "an object nobody asked for"
            assert notify(1, each.oid, device=INSTANCE + 1) == unknown, "another device, at this address since today"
            assert notify(1, each.oid, cut=3) == frames.reject(9, 4), "cut: invalid tag"
            assert len(told) == 1

    run(main())
