# SPDX-License-Identifier: Apache-2.0
"""The host's promises, one by one, over real sockets in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

import numpy as np
import pytest

from config.words import Access, Kind, LinkState, Outcome, Permit, StatusCode
from drivers.base import DeviceSpec, DriverError, Point, PollClass, WriteItem, WriteOutcome
from drivers.host import Host, HostLimits
from drivers.link import Backoff
from tests.sim.loop import clock, run
from tests.sim.tally import FAST, SLOW, TALLY, TallyField, TallyPoint, Told, device

LASTING = Permit(epoch=1, deadline_s=1e9)
LIMITS = HostLimits(backoff=Backoff(1.0, 8.0), demote_after=3, probe_s=5.0)
BLOCKS = tuple(Point(b, Kind.Int64, Access.R, TallyPoint(block=b), "fast") for b in ("a", "b", "c", "d"))

Make = Callable[[int], list[DeviceSpec]]


@asynccontextmanager
async def plant(make: Make, limits: HostLimits = LIMITS) -> AsyncIterator[tuple[TallyField, Host, Told]]:
    field = TallyField()
    await field.start()
    told = Told()
    host = Host(make(field.port), {"tally": TALLY}, clock(), told, Random(1), limits)
    await host.start()
    try:
        yield field, host, told
    finally:
        await host.stop()
        await field.stop()


def one(port: int) -> list[DeviceSpec]:
    return [device(1, port)]


def test_a_device_is_asked_once_a_period_on_its_grid() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, told):
            await asyncio.sleep(60.5)
            [status] = host.status()
            assert 60 <= status.answers <= 62 and status.requests == status.answers == len(field.heard)
            assert status.missed_slots == status.misses == 0
            assert status.achieved_s == pytest.approx(1.0, abs=0.01) and status.requested_s == 1.0
            assert status.round_trip_last_s == pytest.approx(0.002) == status.round_trip_mean_s
            assert status.link is LinkState.UP and status.reason == "CAB-0001.controller up 60 s"
            assert [b.rows.tolist() for b in told.batches[:2]] == [[10], [10]]
            due = [b.source_ns[0] % 10**9 for b in told.batches[1:]]
            assert np.ptp(due) < 10**7, "always at the same moment of the second"
            assert told.states(0) == [LinkState.CONNECTING, LinkState.UP]

    run(main())


def test_loss_is_told_at_once_for_every_request_of_every_device_on_the_link() -> None:
    def three_on_one_line(port: int) -> list[DeviceSpec]:
        return [device(u, port, BLOCKS, line=0) for u in (1, 2, 3)]

    async def main() -> None:
        async with plant(three_on_one_line) as (field, host, told):
            await asyncio.sleep(3)
            assert field.connections == 1
            field.refusing = True
            [transport] = field.open
            now_s = asyncio.get_running_loop().time()
            transport.abort()
            await asyncio.sleep(0.001)
            assert {r for _, requests, _, _ in told.misses for r in requests} == set(range(12))
            assert all(at_s == now_s for at_s, _, _, _ in told.misses)
            assert {s for _, _, s, _ in told.misses} == {StatusCode.UncertainNoCommunicationLastUsableValue}
            await asyncio.sleep(10)
            assert len(told.misses) == 3, "said once, not at every attempt"
            batches = len(told.batches)
            assert host.link_states() != [LinkState.UP] * 3
            field.refusing = False
            await asyncio.sleep(9)
            assert host.link_states() == [LinkState.UP] * 3
            assert len(told.batches) > batches

    run(main())


def test_a_lost_link_is_dialled_forever_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with plant(one) as (field, host, told):
            await asyncio.sleep(3)
            await field.stop()
            await asyncio.sleep(42)
            [status] = host.status()
            assert status.link in (LinkState.BACKING_OFF, LinkState.CONNECTING)
            tries = [at_s for at_s, _, state, _ in told.links if state is LinkState.CONNECTING][1:]
            pauses = np.diff(tries)
            assert all(1.0 <= p <= 8.0 for p in pauses) and pauses[-1] >= 4.0 and len(set(pauses)) == len(pauses)
            assert "CAB-0001.controller down 42 s: 127.0.0.1:" in status.reason
            await asyncio.sleep(600)
            await field.start()
            await asyncio.sleep(8.1)
            assert host.status()[0].link is LinkState.UP
            assert told.batches[-1].source_ns[0] > clock().wall_ns() - 10**9

    with caplog.at_level(logging.INFO, "vigie.field"):
        run(main())
    said = [r.getMessage() for r in caplog.records if r.name == "vigie.field"]
    assert len(said) == 2, said
    assert said[0].startswith("CAB-0001.controller lost: ") and said[1].startswith(
        "CAB-0001.controller back after 10 min"
    )


def test_a_silent_device_is_retried_told_demoted_and_back_at_its_first_answer() -> None:
    """Two on one line, one goes silent: the link stands, the other is not disturbed."""

    def two_on_one_line(port: int) -> list[DeviceSpec]:
        return [device(u, port, line=0) for u in (1, 2)]

    async def main() -> None:
        async with plant(two_on_one_line) as (field, host, told):
            await asyncio.sleep(2.5)
            field.silent.add(1)
            before = len(field.heard)
            await asyncio.sleep(10)
            silent, living = host.status()
            asked = [unit for _, unit, _ in field.heard[before:]]
            assert silent.demoted and silent.link is LinkState.DOWN
            assert ": no reply within 0.4 s, asked again in " in silent.reason
            assert 6 <= asked.count(1) <= 3 * 2 + 2, "three slots of two attempts, then one probe in 5 s"
            assert len(told.misses) == 1 and told.misses[0][1] == (0,)
            assert living.misses == living.missed_slots == 0 and field.connections == 1
            field.silent.clear()
            await asyncio.sleep(5)
            assert host.status()[0].link is LinkState.UP and not host.status()[0].demoted
            assert told.states(0)[-2:] == [LinkState.DOWN, LinkState.UP]

    run(main())


def test_the_worst_devices_are_told_first() -> None:
    def three(port: int) -> list[DeviceSpec]:
        return [device(u, port) for u in (3, 1, 2)]

    async def main() -> None:
        async with plant(three) as (field, host, _):
            await asyncio.sleep(2)
            assert host.worst(9) == [1, 2, 0], "all are well: by name"
            field.silent.add(3)
            await asyncio.sleep(5)
            assert host.worst(2) == [0, 1] and host.worst(0) == []
            assert host.device_status(host.worst(1)[0]).name == "CAB-0003.controller"

    run(main())


def test_a_link_on_which_nobody_answers_is_dialled_anew_with_back_off() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, _):
            await asyncio.sleep(2)
            field.silent.add(1)
            await asyncio.sleep(60)
            assert 4 <= field.connections <= 15, "not once a second, although every connection succeeds"
            assert "no reply within 0.4 s" in host.status()[0].reason
            field.silent.clear()
            await asyncio.sleep(8.5)
            assert host.status()[0].link is LinkState.UP

    run(main())


def test_a_block_the_device_ignores_does_not_hide_the_others() -> None:
    async def main() -> None:
        async with plant(lambda port: [device(1, port, BLOCKS, fault="deaf to b")]) as (_, host, told):
            await asyncio.sleep(20)
            assert {r for _, requests, _, _ in told.misses for r in requests} == {1}
            fresh = {b.request for b in told.batches if b.source_ns[0] > clock().wall_ns() - 3 * 10**9}
            assert fresh == {0, 2, 3}
            assert not host.status()[0].demoted

    run(main())


def test_a_busy_device_is_alive_and_asked_again() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, told):
            await asyncio.sleep(2)
            field.busy.add(1)
            await asyncio.sleep(10)
            assert host.status()[0].link is LinkState.UP and not host.status()[0].demoted
            assert len(told.misses) == 1
            field.busy.clear()
            await asyncio.sleep(1.1)
            assert told.batches[-1].source_ns[0] > clock().wall_ns() - 2 * 10**9

    run(main())


@pytest.mark.parametrize(
    "fault",
    ["read raises", "read raises beyond Exception", "read cancels", "open raises", "open cancels", "short batch"],
)
def test_a_bug_in_a_driver_takes_down_its_own_device_only(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with plant(lambda port: [device(1, port, fault=fault), device(2, port)]) as (_, host, told):
            await asyncio.sleep(30)
            broken, fine = host.status()
            assert broken.link is not LinkState.UP and "fault in the driver" in broken.reason
            assert fine.misses == fine.missed_slots == 0 and fine.answers >= 30
            assert {r for _, requests, _, _ in told.misses for r in requests} == {0}

    run(main())
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1 and errors[0].exc_info, "once, with its traceback"


def test_a_device_that_cannot_be_opened_is_down_with_the_reason() -> None:
    async def main() -> None:
        async with plant(lambda port: [device(1, port, fault="identity", line=0), device(2, port, line=0)]) as (
            _,
            host,
            told,
        ):
            await asyncio.sleep(30)
            stranger, fine = host.status()
            assert stranger.link is LinkState.DOWN and "answers as somebody else" in stranger.reason
            assert fine.misses == 0 and not [b for b in told.batches if b.request == 0]

    run(main())


def test_missed_slots_are_counted_and_not_queued() -> None:
    async def main() -> None:
        crawl = PollClass("fast", period_s=0.1, timeout_s=1.0, retries=0, bad_after_s=5.0)
        async with plant(lambda port: [device(1, port, polls={"fast": crawl})]) as (field, host, _):
            await asyncio.sleep(1)
            field.delay_s = 0.35
            await asyncio.sleep(10)
            [status] = host.status()
            assert 60 <= status.missed_slots <= 85
            before = len(field.heard)
            field.delay_s = 0.002
            await asyncio.sleep(1.05)
            assert 8 <= len(field.heard) - before <= 12, "no burst of what was missed"
            assert status.misses == 0

    run(main())


def test_a_long_slow_slot_does_not_delay_the_fast_class() -> None:
    points = (BLOCKS[0], *(Point(f"s{i}", Kind.Int64, Access.R, TallyPoint(block=f"s{i}"), "slow") for i in range(40)))

    async def main() -> None:
        polls = {"fast": FAST, "slow": SLOW}
        async with plant(lambda port: [device(1, port, points, polls=polls)]) as (field, host, _):
            await asyncio.sleep(1)
            field.delay_s = 0.1  # 40 blocks: 4 s
            await asyncio.sleep(40)
            assert host.status()[0].missed_slots == 0

    run(main())


# --- writing


def test_a_write_passes_the_polls_that_wait() -> None:
    def ten_on_one_line(port: int) -> list[DeviceSpec]:
        return [device(u, port, BLOCKS, line=0) for u in range(10)]

    async def main() -> None:
        async with plant(ten_on_one_line) as (field, host, _):
            await asyncio.sleep(1)
            field.delay_s = 0.05  # 40 questions of 50 ms a second: the line is always busy
            await asyncio.sleep(3)
            begun_s = asyncio.get_running_loop().time()
            assert (await host.write(3, [WriteItem(0, 77)], LASTING, 1.0))[0].outcome is Outcome.ACCEPTED
            assert asyncio.get_running_loop().time() - begun_s <= 0.11
            assert field.values[3] == 77
            assert await host.read_back(3, [0], 1.0) == [(77, 0, None)]

    run(main())


def test_a_write_that_is_not_answered_is_unknown_and_never_repeated() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, _):
            await asyncio.sleep(1.5)
            field.silent.add(1)
            [outcome] = await host.write(0, [WriteItem(0, 5)], LASTING, 0.4)
            assert outcome.outcome is Outcome.UNKNOWN and "no reply within 0.4 s" in outcome.reason
            await asyncio.sleep(30)
            assert [verb for verb, _, _ in field.heard].count("W") == 1

    run(main())


def test_a_write_without_link_or_permit_is_refused_and_no_byte_leaves() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, _):
            await asyncio.sleep(1.5)
            [outcome] = await host.write(0, [WriteItem(0, 5)], Permit(1, clock().boot_s()), 0.4)
            assert outcome.outcome is Outcome.REFUSED and "permit" in outcome.reason
            await field.stop()
            await asyncio.sleep(1)
            outcomes = await host.write(0, [WriteItem(0, 5), WriteItem(0, 6)], LASTING, 0.4)
            assert [o.outcome for o in outcomes] == [Outcome.REFUSED] * 2
            assert outcomes[0].reason.startswith("CAB-0001.controller down 1 s: ")
            assert outcomes[0].reason.endswith("no byte left")
            with pytest.raises(DriverError, match="down"):
                await host.read_back(0, [0], 0.4)
            assert not [heard for heard in field.heard if heard[0] == "W"]
            assert await host.write(0, [], LASTING, 0.4) == []

    run(main())


def test_a_link_is_not_dropped_under_a_write() -> None:
    """The device falls silent for polls; a slow write that began before the last silence is still answered."""

    def two_at_once(port: int) -> list[DeviceSpec]:
        return [device(1, port, window=2)]

    async def main() -> None:
        async with plant(two_at_once) as (field, host, _):
            await asyncio.sleep(1.5)
            field.silent_reads.add(1)
            while host.status()[0].misses < 2:
                await asyncio.sleep(0.01)
            field.delay_s = 3.0
            write = asyncio.create_task(host.write(0, [WriteItem(0, 5)], LASTING, 5.0))
            await asyncio.sleep(2.5)
            assert host.status()[0].demoted
            assert (await write)[0].outcome is Outcome.ACCEPTED

    run(main())


async def cancelled_write(field: TallyField, host: Host) -> asyncio.Task[Sequence[WriteOutcome]]:
    """A write that its caller gave up while it was under way."""
    await asyncio.sleep(1.5)
    field.delay_s = 0.3
    write = asyncio.create_task(host.write(0, [WriteItem(0, 5)], LASTING, 1.0))
    await asyncio.sleep(0.1)
    write.cancel()
    await asyncio.wait([write])
    return write


def test_a_cancelled_write_gives_its_turn_back() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, _):
            write = await cancelled_write(field, host)
            assert write.cancelled()
            field.delay_s = 0.002
            await asyncio.sleep(3)
            assert (await host.write(0, [WriteItem(0, 6)], LASTING, 1.0))[0].outcome is Outcome.ACCEPTED

    run(main())


def test_a_write_that_finds_the_line_busy_is_refused_in_time() -> None:
    async def main() -> None:
        async with plant(lambda port: [device(u, port, line=0) for u in (1, 2)]) as (field, host, _):
            await asyncio.sleep(1.2)
            field.delay_s = 0.39
            await asyncio.sleep(2)
            writes = [asyncio.create_task(host.write(0, [WriteItem(0, i)], LASTING, 0.3)) for i in range(3)]
            outcomes = [(await w)[0] for w in writes]
            assert Outcome.REFUSED in {o.outcome for o in outcomes}
            assert all("busy for 0.3 s; no byte left" in o.reason for o in outcomes if o.outcome is Outcome.REFUSED)

    run(main())


@pytest.mark.parametrize("fault", ["write raises", "write raises beyond Exception", "write cancels"])
def test_a_bug_while_writing_is_unknown_and_seen(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with plant(lambda port: [device(1, port, fault=fault)]) as (_, host, _told):
            await asyncio.sleep(1.5)
            [outcome] = await host.write(0, [WriteItem(0, 5)], LASTING, 0.4)
            assert outcome.outcome is Outcome.UNKNOWN and "fault in the driver" in outcome.reason

    run(main())
    assert [r for r in caplog.records if r.levelno == logging.ERROR and r.exc_info]


def test_losing_the_permit_resets_what_may_hold_a_write_at_once_and_nothing_else() -> None:
    """Of four devices one is only read, one has answered its write, one has not, and of one the write is under way."""
    _, answered, unanswered, under_way = 0, 1, 2, 3

    async def main() -> None:
        async with plant(lambda port: [device(u, port) for u in range(4)]) as (field, host, told):
            await asyncio.sleep(2)
            assert (await host.write(answered, [WriteItem(0, 5)], LASTING, 0.4))[0].outcome is Outcome.ACCEPTED
            field.silent |= {unanswered, under_way}
            assert (await host.write(unanswered, [WriteItem(0, 5)], LASTING, 0.1))[0].outcome is Outcome.UNKNOWN
            leaving = asyncio.create_task(host.write(under_way, [WriteItem(0, 5)], LASTING, 5.0))
            await asyncio.sleep(0.01)
            lost, connections = len(told.misses), field.connections
            assert host.abort_writes("the permit to write was lost") == 2
            await asyncio.sleep(0.001)
            assert [o.outcome for o in await leaving] == [Outcome.UNKNOWN]
            assert {r for _, requests, _, _ in told.misses[lost:] for r in requests} == {unanswered, under_way}
            assert host.link_states()[:2] == [LinkState.UP] * 2 and len(field.open) == 2
            assert host.abort_writes() == 0, "what was cut holds nothing any more"
            field.silent.clear()
            await asyncio.sleep(3.5)
            assert set(host.link_states()) == {LinkState.UP} and field.connections == connections + 2
            assert host.abort_writes() == 0, "a new connection has never held it"
            assert {r for _, requests, _, _ in told.misses for r in requests} == {unanswered, under_way}

    run(main())


def test_a_write_that_was_cancelled_may_be_on_its_way() -> None:
    async def main() -> None:
        async with plant(one) as (field, host, _):
            await cancelled_write(field, host)
            assert host.abort_writes() == 1

    run(main())


# --- start, stop, bounds


def test_stop_leaves_nothing_whenever_it_comes() -> None:
    async def main(after_s: float) -> None:
        async with plant(lambda port: [device(u, port, line=u // 3) for u in range(12)]) as (field, host, _):
            field.silent |= {1, 2}
            await asyncio.sleep(after_s)
            await host.stop()
            await host.stop()
            await asyncio.sleep(0.01)
            assert not field.open
            assert len(asyncio.all_tasks()) == 1
            [outcome] = await host.write(0, [WriteItem(0, 5)], LASTING, 0.4)
            assert outcome.outcome is Outcome.REFUSED and "the host is stopped" in outcome.reason
            with pytest.raises(RuntimeError, match="expected a new host"):
                await host.start()

    for after_s in (0.0, 0.0005, 0.003, 0.3, 2.0, 7.3):
        run(main(after_s))


def test_the_sink_is_told_nothing_after_stop() -> None:
    async def main() -> None:
        async with plant(one) as (_, host, told):
            await asyncio.sleep(2)
            await host.stop()
            before = (len(told.batches), len(told.misses), len(told.links))
            await asyncio.sleep(5)
            assert (len(told.batches), len(told.misses), len(told.links)) == before
            assert told.misses == []

    run(main())


def test_devices_of_a_type_share_one_plan_and_differ_by_rows() -> None:
    async def main() -> None:
        field = TallyField()
        specs = [device(u, 1, BLOCKS) for u in range(3)]
        host = Host(specs, {"tally": TALLY}, clock(), Told(), Random(1))
        assert [r.id for r in host.requests] == list(range(12))
        assert host.device_of_request == [0] * 4 + [1] * 4 + [2] * 4
        assert host.requests[0].exchange is host.requests[4].exchange
        assert [r.rows.tolist() for r in host.requests[4:8]] == [[10], [11], [12], [13]]
        await host.stop()
        await field.stop()

    run(main())


@pytest.mark.parametrize("bad", [{"in_flight_max": 0}, {"probe_s": 0.0}, {"open_max_s": float("inf")}])
def test_limits_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        HostLimits(**bad)  # type: ignore[arg-type]
