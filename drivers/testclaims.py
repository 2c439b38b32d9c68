# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit, tests/unit/test_testkit.py (a claim that cannot fail is no claim)
"""What every driver must do, each claim a coroutine over a bench.

Law of this file: one claim, one function, its docstring one sentence for people. Nothing here knows a protocol. A claim
that a protocol cannot meet is skipped by name and with a reason by whoever runs the kit, never in here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import numpy as np
from pydantic import BaseModel, ValidationError

from config.words import LinkState, Outcome, Permit, StatusCode
from drivers.base import DriverError, Identified, LinkDown, PollClass, WriteItem, WriteOutcome
from drivers.identity import Finding, compare
from drivers.peer import Raw
from drivers.testbench import LASTING, LIMITS, NAME, POLL, TIMEOUT_S, Bench, answered, expect, hosted, same

Claim = Callable[[Bench], Awaitable[None]]

SLOT_S: Final = POLL.period_s + (POLL.retries + 1) * POLL.timeout_s  # a loss is told within this time
WIDE: Final = 10_000
ROUNDS_MAX: Final = 12


def item_of(point: int, value: Raw) -> WriteItem:
    return WriteItem(point, 0, value) if isinstance(value, str) else WriteItem(point, value)


def check_values(made: Bench, held: dict[int, Raw], seen: dict[int, tuple[Raw, int]]) -> None:
    for i, want in held.items():
        got, status = seen[i]
        point = made.points[i]
        expect(status < StatusCode.Uncertain, f"{point.name}: expected a Good value {want!r}, got status {status:#x}")
        expect(same(point.kind, want, got), f"{point.name}: expected {want!r}, got {got!r}")


# --- bronze: reads, and reports what it cannot


async def one_of_everything_is_read(made: Bench) -> None:
    """Every kind, width and order is read exactly: min, max, zero, NaN, empty, non-ASCII."""
    for round_ in range(ROUNDS_MAX):
        check_values(made, made.distinct(round_), await made.read())


async def order_and_length_are_kept(made: Bench) -> None:
    """A batch has the rows of its request in their order; no points, no requests; 10,000 points in few requests."""
    for request in made.requests:
        batch = await answered(made.driver, request, TIMEOUT_S)
        expect(batch.request == request.id, f"expected request {request.id}, got {batch.request}")
        expect(batch.rows.tolist() == request.rows.tolist(), f"{request.exchange.label}: expected its rows in order")
        lengths = {len(batch.cells), len(batch.statuses), len(batch.source_ns), len(request.rows)}
        expect(len(lengths) == 1, f"{request.exchange.label}: expected four arrays of one length, got {lengths}")
    expect(list(made.spec.plan(made.device, ())) == [], "expected no requests for no points")
    expect(list(await made.driver.write([], LASTING, TIMEOUT_S)) == [], "expected no outcomes for no items")
    wide = made.peer.wide(WIDE)
    plan = made.spec.plan(made.device, wide.points)
    taken = np.sort(np.concatenate([exchange.take for exchange in plan]))
    expect(taken.tolist() == list(range(WIDE)), "expected each of 10,000 points in exactly one request")
    expect(len(plan) <= wide.requests_max, f"expected at most {wide.requests_max} requests, got {len(plan)}")


async def a_refused_point_is_bad_alone(made: Bench) -> None:
    """A point the device refuses has a Bad status; every other point of the same block stays Good."""
    polled = made.polled()
    for victim in (polled[0], polled[len(polled) // 2], polled[-1]):
        held = made.distinct()
        made.peer.reject(victim)
        for _ in range(4):  # a driver may need a few reads to find out which one it is
            seen = await made.read_patiently()
        expect(seen[victim][1] >= StatusCode.Bad, f"{made.points[victim].name} is refused: expected a Bad status")
        spared = set(held) - {victim, *made.peer.shares(victim)}
        bad = [made.points[i].name for i in sorted(spared) if seen[i][1] >= StatusCode.Bad]
        expect(not bad, f"expected only {made.points[victim].name} to be bad, got {bad} too")
        notes = " ".join(note for request in made.requests for note in made.driver.notes(request))
        expect(
            made.points[victim].name in notes, f"expected a note that names {made.points[victim].name}, got {notes!r}"
        )
        made.peer.heal()
        for request in made.requests:
            request.state = None


async def _loss(made: Bench, lose: Callable[[], Awaitable[None] | None]) -> None:
    loop = asyncio.get_running_loop()
    async with hosted(made) as (host, seen):
        await asyncio.sleep(3 * POLL.period_s)
        everything = set(range(len(host.requests)))
        expect(seen.good_after(0.0) == everything, "expected every request to be answered before the loss")
        lost_s = loop.time()
        if (waiting := lose()) is not None:
            await waiting
        await asyncio.sleep(SLOT_S + len(everything) * 0.1)
        missed = {r for at_s, requests, _, _ in seen.misses if at_s >= lost_s for r in requests}
        expect(missed == everything, f"expected all {len(everything)} requests missed in a slot, got {sorted(missed)}")
        codes = {status for _, _, status, _ in seen.misses}
        expect(codes == {StatusCode.UncertainNoCommunicationLastUsableValue}, f"expected Uncertain, got {codes}")
        await asyncio.sleep(60)
        expect(seen.good_after(lost_s + 0.001) == set(), "expected no Good value after the loss")


async def loss_is_told_when_the_device_goes(made: Bench) -> None:
    """The device disappears: every request is missed within a slot, and nothing is Good afterwards."""
    await _loss(made, made.peer.stop)


async def loss_is_told_when_the_device_hangs(made: Bench) -> None:
    """The device hears and says nothing: every request is missed within a slot, and nothing is Good afterwards."""
    await _loss(made, lambda: made.peer.hang(None))


async def closing_is_clean(made: Bench) -> None:
    """Closing twice, or while it opens, is harmless; nothing stays behind."""
    await made.close()
    await made.close()
    opening = asyncio.ensure_future(made.link.open())
    await asyncio.sleep(0)
    await made.link.close()
    try:
        await opening
        expect(not made.link.is_up, "expected a link that was closed while it opened to be down")
    except (LinkDown, asyncio.CancelledError):
        pass  # said so: as it should
    made.link.abort()
    made.link.abort()
    await made.open()
    await made.read()


async def errors_say_where(made: Bench) -> None:
    """A silence names the device, what was asked and how long; a refused write names device and point."""
    made.peer.hang(None)
    request = made.requests[0]
    try:
        await made.driver.read(request, 0.5)
        raise AssertionError("expected an error from a device that hangs")
    except DriverError as error:
        for part in (NAME, request.exchange.label, "0.5 s"):
            expect(part in str(error), f"expected {part!r} in the error, got {str(error)!r}")
    made.peer.heal()
    await made.open()
    for i in made.writable()[:1]:
        made.peer.reject(i)
        [outcome] = await made.driver.write([item_of(i, made.peer.extremes(i)[0])], LASTING, TIMEOUT_S)
        for part in (NAME, made.points[i].name):
            expect(part in outcome.reason, f"expected {part!r} in the reason, got {outcome.reason!r}")


async def schemas_are_strict(made: Bench) -> None:
    """The example loads; an unknown key does not."""
    device, point = made.peer.example()
    pairs: tuple[tuple[type[BaseModel], dict[str, object]], ...] = (
        (made.spec.device_model, device),
        (made.spec.point_model, point),
    )
    for model, data in pairs:
        model.model_validate(data)
        try:
            model.model_validate({**data, "no_such_key": 1})
        except ValidationError:
            continue
        raise AssertionError(f"expected {model.__name__} to refuse an unknown key")


async def it_says_who_it_is(made: Bench) -> None:
    """Asked who it is, a device answers by the names it was declared with; a silence is a typed error."""
    driver = made.driver
    expect(isinstance(driver, Identified), "expected a driver that asks who a device is, if only to say: nothing")
    if not isinstance(driver, Identified):
        return
    said = await driver.identify(TIMEOUT_S)
    expect(all(said.values()), f"expected no empty texts, got {dict(said)}")
    found = compare(driver.declared, said)
    expect(not driver.declared.texts or found is Finding.RIGHT, f"expected {driver.declared.texts}, got {dict(said)}")
    made.peer.hang(None)
    try:
        silent = await driver.identify(TIMEOUT_S)
    except DriverError:
        silent = {}
    expect(not silent, f"expected nothing from a device that hangs, got {dict(silent)}")


# --- silver: writes, recovers, stays within its bounds


async def one_of_everything_is_written(made: Bench) -> None:
    """Every writable kind is written exactly and read back."""
    for i in made.writable():
        for value in made.peer.extremes(i):
            [outcome] = await made.driver.write([item_of(i, value)], LASTING, TIMEOUT_S)
            point = made.points[i]
            expect(outcome.outcome is Outcome.ACCEPTED, f"{point.name}: expected {value!r} accepted: {outcome.reason}")
            expect(
                same(point.kind, value, made.peer.held(i)),
                f"{point.name}: {value!r} written, {made.peer.held(i)!r} held",
            )
            if point.access.readable:
                [(cell, status, text)] = await made.driver.read_points([i], TIMEOUT_S)
                got: Raw = text if text is not None else cell
                expect(
                    status < StatusCode.Uncertain and same(point.kind, value, got), f"{point.name}: read back {got!r}"
                )


async def recovers_by_itself(made: Bench) -> None:
    """The device restarts, or was away for long: good again without help, dialled with bounded, uneven pauses."""
    loop = asyncio.get_running_loop()
    async with hosted(made) as (host, seen):
        await asyncio.sleep(2 * POLL.period_s)
        await made.peer.restart()
        await asyncio.sleep(2 * LIMITS.backoff.min_s + SLOT_S)
        expect(host.link_states() == [LinkState.UP], "expected a link that is up soon after a restart")
        made.peer.refuse()
        away_s = loop.time()
        await asyncio.sleep(600)
        dialled = np.array([at_s for at_s, state, _ in seen.links if state is LinkState.CONNECTING and at_s > away_s])
        pauses = np.diff(dialled)
        expect(len(pauses) >= 600 / LIMITS.backoff.max_s - 2, f"expected attempts for ever, got {len(pauses)} in 600 s")
        expect(bool((pauses >= LIMITS.backoff.min_s - 1e-6).all()), f"expected pauses of at least 1 s, got {pauses}")
        expect(float(np.std(pauses[-5:])) > 0, "expected uneven pauses")
        made.peer.heal()
        back_s = loop.time()
        await asyncio.sleep(LIMITS.backoff.max_s + SLOT_S)
        expect(seen.good_after(back_s) == set(range(len(host.requests))), "expected everything good again without help")


async def a_write_has_three_outcomes(made: Bench) -> None:
    """Accepted, refused and unknown are told apart; a lost write is never repeated."""
    target = made.writable()[0]
    items = [item_of(target, made.peer.extremes(target)[0])]

    async def put() -> WriteOutcome:
        await made.open()
        [outcome] = await made.driver.write(items, LASTING, 0.5)
        return outcome

    expect((await put()).outcome is Outcome.ACCEPTED, "a device that is well: expected accepted")
    made.peer.reject(target)
    expect((await put()).outcome is Outcome.REFUSED, "a device that says no: expected refused")
    made.peer.heal()
    before = made.peer.requests
    made.peer.hang(None)
    lost = await put()
    expect(lost.outcome is Outcome.UNKNOWN, f"a device that says nothing: expected unknown, got {lost}")
    await asyncio.sleep(10)
    expect(made.peer.requests - before <= 1, "expected a write that was lost never to be repeated")
    made.peer.heal()
    made.peer.reset_on_write()
    cut = await put()
    expect(cut.outcome is Outcome.UNKNOWN, f"a connection that breaks after the write: expected unknown, got {cut}")
    made.peer.heal()
    await made.close()
    [down] = await made.driver.write(items, LASTING, 0.5)
    expect(down.outcome is Outcome.REFUSED, f"no connection: expected refused, got {down}")


async def what_may_not_be_written_is_not_sent(made: Bench) -> None:
    """A read-only point, or a permit that has ended, is refused before a byte leaves."""
    before = made.peer.requests
    for i, point in enumerate(made.points):
        if not point.access.writable:
            [outcome] = await made.driver.write([item_of(i, made.peer.held(i))], LASTING, TIMEOUT_S)
            expect(outcome.outcome is Outcome.REFUSED, f"{point.name} is read only: expected refused, got {outcome}")
    target = made.writable()[0]
    ended = Permit(1, made.clock.boot_s())
    [outcome] = await made.driver.write([item_of(target, made.peer.extremes(target)[0])], ended, TIMEOUT_S)
    expect(outcome.outcome is Outcome.REFUSED, f"the permit has ended: expected refused, got {outcome}")
    await asyncio.sleep(1)
    expect(made.peer.requests == before, f"expected no question on the wire, got {made.peer.requests - before}")


async def load_is_bounded(made: Bench) -> None:
    """Never more questions than the link's window; slots that are missed are counted, not caught up on."""
    made.peer.slow(0.3)
    made.peer.pending_max = 0
    reads = [answered(made.driver, request, 60.0) for request in made.requests * 4]
    await asyncio.gather(*reads)
    window = made.link.window
    expect(made.peer.pending_max <= window, f"expected at most {window} open questions, got {made.peer.pending_max}")
    eager = PollClass("kit", period_s=0.1, timeout_s=5.0, retries=0, bad_after_s=60.0)
    async with hosted(made, eager) as (host, _):
        await asyncio.sleep(20)
        [status] = host.status()
        expect(status.missed_slots > 50, f"expected missed slots to be counted, got {status.missed_slots}")
        made.peer.heal()
        await asyncio.sleep(5)
        before = made.peer.requests
        await asyncio.sleep(1)
        most = 12 * len(made.requests)
        expect(made.peer.requests - before <= most, "expected missed slots to be skipped, not caught up on")


BRONZE: Final[tuple[Claim, ...]] = (
    one_of_everything_is_read,
    order_and_length_are_kept,
    a_refused_point_is_bad_alone,
    loss_is_told_when_the_device_goes,
    loss_is_told_when_the_device_hangs,
    closing_is_clean,
    errors_say_where,
    schemas_are_strict,
    it_says_who_it_is,
)
SILVER: Final[tuple[Claim, ...]] = (
    one_of_everything_is_written,
    recovers_by_itself,
    a_write_has_three_outcomes,
    what_may_not_be_written_is_not_sent,
    load_is_bounded,
)
