# SPDX-License-Identifier: Apache-2.0
"""One device on a link: qualities, refusals, cuts, whose answer is whose, who answers at all."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from config.words import StatusCode
from drivers.bacnet import frames
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.driver import BacnetDriver
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.names import SYSTEM_STATUS
from drivers.bacnet.plan import plan, property_question
from drivers.bacnet.quality import FAULT, OUT_OF_SERVICE, OVERRIDDEN
from drivers.bacnet.simulator import SimulatedDevice
from drivers.bacnet.station import IDS, OWED_S, Station
from drivers.bacnet.tags import NULL, REAL
from drivers.base import Busy, DeviceSilent, DriverError, LinkDown, bind
from tests.bacnet import INSTANCE, inputs, objects, rig
from tests.sim.loop import clock, run


def test_flags_reliability_and_nothing_are_told_apart() -> None:
    async def main() -> None:
        made = objects(6)
        each = list(made)
        each[0].flags, each[1].flags, each[2].reliability, each[3].reliability = OVERRIDDEN, OUT_OF_SERVICE, 1, 2
        each[4].own = float("nan")
        each[5].own = None
        async with rig(inputs(6), made) as r:
            assert r.objects is made and NULL == 0
            assert [status for _, status in await r.read()] == [
                StatusCode.GoodLocalOverride,
                StatusCode.UncertainSubstituteValue,
                StatusCode.BadSensorFailure,
                StatusCode.UncertainEngineeringUnitsExceeded,
                StatusCode.BadNoData,
                StatusCode.BadNoData,
            ]
            each[2].reliability, each[3].flags = 0, FAULT
            assert [status for _, status in await r.read()][2] == StatusCode.Good
            asked = r.peer.requests
            await r.read()
            assert r.peer.requests - asked == 1, "a Reliability is believed for a while"

    run(main())


def test_an_object_that_is_gone_is_bad_alone_and_named() -> None:
    async def main() -> None:
        made = objects(5)
        async with rig(inputs(5), made) as r:
            gone = made.remove(3)
            assert gone is not None
            seen = await r.read()
            assert [status for _, status in seen].count(0) == 4 and seen[3][1] == StatusCode.BadNodeIdUnknown
            [note] = r.driver.notes(r.requests[0])
            for part in ("DEV-1", "AI3", "analog-input 3", "unknown-object", "no such object"):
                assert part in note
            made.add("analog-input 3", REAL, 3.0)
            assert (await r.read())[3] == (3.0, 0) and r.driver.notes(r.requests[0]) == []

    run(main())


def test_a_property_that_may_not_be_read_is_access_denied() -> None:
    async def main() -> None:
        async with rig(inputs(3), objects(3)) as r:
            r.peer.limits.deny[1] = (2, 27)
            assert [status for _, status in await r.read()] == [0, StatusCode.BadUserAccessDenied, 0]

    run(main())


def test_answers_that_are_too_long_are_asked_for_in_halves_and_once_found_that_is_remembered() -> None:
    async def main() -> None:
        async with rig(inputs(60), objects(60)) as r:
            assert len(r.requests) == 1
            r.peer.turn("small 206")
            assert await r.read() == [(float(i), 0) for i in range(60)]
            asked = r.peer.requests
            await r.read()
            assert r.peer.requests - asked == 8, "60 points in eight answers of at most 206 bytes"

    run(main())


def test_a_device_that_does_not_know_rpm_is_asked_property_by_property() -> None:
    async def main() -> None:
        made = objects(4)
        list(made)[2].flags = OUT_OF_SERVICE
        async with rig(inputs(4), made) as r:
            r.peer.turn("no_rpm")
            for _ in range(2):
                assert [status for _, status in await r.read()] == [0, 0, StatusCode.UncertainSubstituteValue, 0]
            asked = r.peer.requests
            await r.read()
            assert r.peer.requests - asked == 8, "value and flags of each"
        async with rig(inputs(4), objects(4), rpm=False, flags=False) as r:
            before = r.peer.requests
            assert await r.read() == [(float(i), 0) for i in range(4)]
            assert r.peer.requests - before == 4

    run(main())


def test_a_busy_device_is_busy() -> None:
    async def main() -> None:
        async with rig(inputs(4), objects(4)) as r:
            r.peer.turn("busy")
            with pytest.raises(Busy, match=r"DEV-1: 4 properties analog-input 0 .. analog-input 3: .*out-of-resources"):
                await r.read()
            assert await r.read() == [(float(i), 0) for i in range(4)]

    run(main())


def test_another_device_at_the_address_says_who_it_is() -> None:
    async def main() -> None:
        async with rig(inputs(2), objects(2, instance=77), object_name="BLD-2101") as r:
            assert r.driver.declared.texts == {"instance": "2101", "name": "BLD-2101"}
            assert await r.driver.identify(1.0) == {"instance": "77", "name": "BLD-77"}

    run(main())


def test_devices_behind_one_router_share_a_socket_and_keep_their_own_values() -> None:
    async def main() -> None:
        one, two = objects(3, 1), objects(3, 2)
        for each in two:
            each.own = 100.0 + each.instance
        peer = SimulatedDevice("router", {(3, b"\x0a"): one, (3, b"\x0b"): two})
        await peer.start()
        base = {"host": "127.0.0.1", "port": peer.port, "network": 3, "local_host": "127.0.0.1"}
        a = BacnetDevice.model_validate({**base, "mac": "0a", "instance": 1})
        b = BacnetDevice.model_validate({**base, "mac": "0b", "instance": 2})
        link, points = BacnetLink(a), inputs(3)
        drivers = [BacnetDriver(n, d, points, link, clock()) for n, d in (("A", a), ("B", b))]
        await link.open()
        request = bind(plan(a, points)[0], np.arange(3), 0)
        for driver in drivers:
            await driver.open()
        first, second = await asyncio.gather(*(driver.read(request, 1.0) for driver in drivers))
        assert first.cells.view(np.float64).tolist() == [0.0, 1.0, 2.0]
        assert second.cells.view(np.float64).tolist() == [100.0, 101.0, 102.0]
        reading = asyncio.ensure_future(drivers[0].read(request, 5.0))
        peer.turn("hang")
        await asyncio.sleep(0)
        lost = frames.envelope(b"\x01\x80", b"\x03\x01\x00\x03")  # Reject-Message-To-Network 3, clause 6.4.4
        link.heard(lost, ("127.0.0.1", peer.port))
        with pytest.raises(DeviceSilent, match="cannot reach network 3"):
            await reading
        await link.close()
        await peer.stop()

    run(main())


def test_an_id_whose_answer_is_owed_is_not_used_again_and_all_of_them_are_a_bound() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            station = await r.link.station(r.device)
            question = property_question(8 << 22 | INSTANCE, SYSTEM_STATUS)
            r.peer.turn("hang")
            for _ in range(IDS):
                with pytest.raises(DeviceSilent):
                    await station.ask(question.tail, 0.01)
            with pytest.raises(Busy, match="256 invoke ids"):
                await station.ask(question.tail, 0.01)
            assert not station.pending
            r.peer.heal()
            await asyncio.sleep(OWED_S)
            assert (await station.ask(question.tail, 1.0)).kind is frames.Pdu.COMPLEX_ACK

    run(main())


def test_strangers_are_counted_and_answer_nothing() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            stranger = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
            )
            answer = frames.envelope(b"\x01\x00", frames.simple_ack(0, 15))
            for data in (answer, b"noise", answer[:-1]):
                stranger[0].sendto(data, r.link.local)
            await asyncio.sleep(0.1)
            assert r.link.strangers == 3
            stranger[0].abort()

    run(main())


def test_an_answer_in_parts_is_aborted_for_that_reason_and_asked_for_in_halves() -> None:
    """Clause 5.4.4.2: who cannot take segments says so, so that the device does not wait for their acknowledgement."""

    async def main() -> None:
        async with rig(inputs(4), objects(4)) as r:
            station = await r.link.station(r.device)
            told: list[bytes] = []
            station.tell = told.append  # type: ignore[method-assign]
            r.peer.turn("slow 200 ms")
            reading = asyncio.ensure_future(r.read())
            await asyncio.sleep(0.1)
            [id_] = station.pending
            part = bytes((0x3C, id_, 0, 4, 14)) + bytes(400)
            for _ in range(3):
                station.heard(frames.parse(frames.envelope(b"\x01\x00", part)))
            assert await reading == [(float(i), 0) for i in range(4)]
            assert told == [bytes((0x70, id_, 4))], "once, by the client, segmentation-not-supported"
            assert r.link.strangers == 0
            station.heard(frames.parse(frames.envelope(b"\x01\x00", bytes((0x0C, 5, 77, 0, 4, 1)) + bytes(400))))
            assert told[1:] == [bytes((0x71, 77, 4))], "of a request in parts, by the server"

    run(main())


def test_a_device_that_gives_up_its_own_question_answers_none_of_ours() -> None:
    """Clause 20.1.9.2: an abort without the server bit is of a confirmed notification, whose ids are the device's."""

    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            station = await r.link.station(r.device)
            r.peer.turn("slow 200 ms")
            reading = asyncio.ensure_future(r.read())
            await asyncio.sleep(0.1)
            for id_ in station.pending:
                station.heard(frames.parse(frames.envelope(b"\x01\x00", bytes((0x70, id_, 10)))))
            assert await reading == [(0.0, 0)]

    run(main())


def test_an_acknowledgement_that_cannot_leave_is_lost_and_breaks_nothing() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            station = await r.link.station(r.device)
            reached, station.key = station.key, ("255.255.255.255", 9, 0, b"")  # the system refuses: no broadcasts
            station.heard(frames.parse(frames.envelope(b"\x01\x00", frames.confirmed(1, 99, b""))))
            station.key = reached
            assert await r.read() == [(0.0, 0)]

    run(main())


def test_a_local_port_in_use_and_a_host_that_is_none_are_said() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            taken = BacnetLink(r.device.model_copy(update={"local_port": r.peer.port}))
            with pytest.raises(
                LinkDown, match=r"expected a free local address 127.0.0.1:\d+, got Address already in use"
            ):
                await taken.open()
            far = BacnetDevice(host="no such host", instance=1)
            with pytest.raises(LinkDown, match="expected a host name or address"):
                await r.link.station(far)

    run(main())


def test_a_partner_on_loopback_is_asked_from_loopback() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1), local_host="0.0.0.0") as r:
            assert r.link.local[0] == "127.0.0.1" and await r.read() == [(0.0, 0)]

    run(main())


def test_a_name_that_leads_elsewhere_leaves_a_stranger_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        device = BacnetDevice(host="bld.example", port=47808, instance=1)
        link, found = BacnetLink(device), ["10.0.0.1"]

        async def look_up(_host: str, port: int, **_more: object) -> list[object]:
            return [(0, 0, 0, "", (found[0], port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        old = await link.station(device)
        assert await link.station(device) is old
        heard: list[frames.Frame] = []
        old.notices = heard.append
        i_am = frames.envelope(b"\x01\x00", frames.unconfirmed(frames.I_AM, b""))
        link.heard(i_am, ("10.0.0.1", 47808))
        found[0] = "10.0.0.2"
        new = await link.station(device)
        link.heard(i_am, ("10.0.0.1", 47808))
        assert (len(heard), link.strangers, new.key[0]) == (1, 1, "10.0.0.2")
        link.heard(i_am, ("10.0.0.2", 47808))
        assert link.strangers == 1

    run(main())


def test_closing_fails_what_is_asked() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            r.peer.turn("hang")
            reading = asyncio.ensure_future(r.read())
            await asyncio.sleep(0.1)
            await r.link.close()
            with pytest.raises(LinkDown, match="closed by us"):
                await reading
            with pytest.raises(DriverError, match="closed by us"):
                await r.read()

    run(main())


def test_identity_is_instance_and_name() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            assert await r.driver.identify(1.0) == {"instance": "2101", "name": "BLD-2101"}
        async with rig(inputs(1), objects(1), vendor_name="Acme", serial="7") as r:
            assert r.driver.declared.texts == {"instance": "2101", "vendor": "Acme", "serial": "7"}
            said = {"instance": "2101", "name": "BLD-2101", "vendor": "Vigie"}
            assert await r.driver.identify(1.0) == said, "it has no serial number"

    run(main())


@pytest.mark.parametrize(
    "answer",
    [frames.reject(0, 9), frames.error(0, 12, 4, 27), frames.error(0, 12, 1, 0), frames.simple_ack(0, 12)],
    ids=["reject", "access-denied", "object-other", "simple-ack"],
)
def test_what_is_no_answer_to_who_are_you_confirms_nobody(answer: bytes) -> None:
    """The instance that was configured is none that the device has said."""

    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            refuses(await r.link.station(r.device), answer)
            assert await r.driver.identify(1.0) == {}

    run(main())


def test_who_is_busy_says_who_it_is_later() -> None:
    async def main() -> None:
        async with rig(inputs(1), objects(1)) as r:
            refuses(await r.link.station(r.device), frames.abort(0, 9))
            with pytest.raises(Busy, match="out-of-resources"):
                await r.driver.identify(1.0)

    run(main())


def refuses(station: Station, answer: bytes) -> None:
    """Whatever the device is asked from now on, this is what comes."""

    async def ask(tail: bytes, timeout_s: float, may_leave: object = None) -> frames.Frame:
        return frames.parse(frames.envelope(b"\x01\x00", answer))

    station.ask = ask  # type: ignore[method-assign]
