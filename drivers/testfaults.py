# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit, tests/unit/test_testkit.py (a claim that cannot fail is no claim)
"""What every driver must survive: the claims of the kit's highest level, the whole list of faults.

Law of this file: as of `testclaims`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import numpy as np

from config.words import Batch, Outcome, StatusCode
from drivers.base import DriverError
from drivers.peer import Raw
from drivers.testbench import LASTING, LIMITS, TIMEOUT_S, Bench, expect, hosted, same
from drivers.testclaims import SLOT_S, Claim, check_values, item_of


async def a_late_answer_is_nobodys(made: Bench) -> None:
    """An answer that comes after its question was given up is never taken for the next one."""
    for round_ in range(3):
        made.distinct(0)
        made.peer.hang(1.5)
        for request in made.requests[:1]:
            try:
                await made.driver.read(request, 1.0)
                raise AssertionError("expected an error from a device that answers late")
            except DriverError:
                pass
        made.peer.heal()
        await made.open()
        held = made.distinct(1)  # the late answer says what was before
        if round_:
            made.peer.slow(0.3)
            await asyncio.sleep(0.4)  # it arrives while the next question is open
        check_values(made, held, await made.read())
        made.peer.heal()
        await asyncio.sleep(2)
        check_values(made, held, await made.read_patiently())


async def noise_is_survived(made: Bench) -> None:
    """Garbled, truncated and doubled answers: a typed error or a bad status, no wrong value, and well again soon."""
    await _spoilt(made, (made.peer.garble, made.peer.truncate, made.peer.duplicate) * 4)


async def an_answer_to_another_question_is_nobodys(made: Bench) -> None:
    """Another question's answer, or another device's: no wrong value is Good, no write is accepted by it."""
    await _spoilt(made, (made.peer.misdirect,) * 4)
    for target in made.writable()[:1]:
        item = item_of(target, made.peer.extremes(target)[0])
        made.peer.misdirect()
        [outcome] = await made.driver.write([item], LASTING, TIMEOUT_S)
        expect(outcome.outcome is not Outcome.ACCEPTED, "expected a write not to be accepted by another one's answer")
        made.peer.heal()
        await made.read_patiently()


async def one_seat_is_enough(made: Bench) -> None:
    """A gateway that takes one client only: after every loss the old connection is gone before the next is made."""
    loop = asyncio.get_running_loop()
    everything = set(range(len(made.requests)))
    async with hosted(made) as (_, seen):
        for lose in (made.peer.reset, made.peer.garble, lambda: made.peer.hang(None), made.peer.restart) * 2:
            made.peer.one_client()
            if asyncio.iscoroutine(waiting := lose()):
                await waiting
            await asyncio.sleep(60)
            made.peer.heal()
            made.peer.one_client()
            healed_s = loop.time()
            await asyncio.sleep(LIMITS.backoff.max_s + SLOT_S)
            expect(seen.good_after(healed_s) == everything, "expected everything good again on the one seat")
        expect(made.peer.turned_away == 0, f"expected never a second connection, {made.peer.turned_away} were reset")


async def _spoilt(made: Bench, spoils: Sequence[Callable[[], None]]) -> None:
    """Answers spoilt one by one: what is read as Good is what is held."""
    for spoil in spoils:
        held = made.distinct()
        spoil()
        try:
            seen = await made.read()
        except DriverError:
            seen = {}
        for i, (got, status) in seen.items():
            honest = status >= StatusCode.Bad or same(made.points[i].kind, held[i], got)
            expect(honest, f"{made.points[i].name} after {spoil.__name__}: {held[i]!r} held, {got!r} read as Good")
        made.peer.heal()
        check_values(made, held, await made.read_patiently())


async def cancelling_is_survived(made: Bench) -> None:
    """A read, a write or an opening that is cancelled at any moment leaves the next one well."""
    target = made.writable()[0]
    item = item_of(target, made.peer.extremes(target)[0])
    made.peer.slow(0.2)
    for after_s in (0.0, 0.05, 0.1999, 0.2, 0.25):
        for work in (
            lambda: made.driver.read(made.requests[0], TIMEOUT_S),
            lambda: made.driver.write([item], LASTING, TIMEOUT_S),
            lambda: made.driver.read_points([made.polled()[0]], TIMEOUT_S),
        ):
            task = asyncio.ensure_future(work())
            await asyncio.sleep(after_s)
            task.cancel()
            await asyncio.wait([task])
            held = made.distinct(1)
            check_values(made, held, await made.read_patiently())
    await made.close()
    opening = asyncio.ensure_future(made.link.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    await made.read_patiently()


async def time_never_goes_back(made: Bench) -> None:
    """Source times of a point never go back and never come from the future."""
    before_ns = np.zeros(len(made.points), np.int64)
    for _ in range(20):
        for request in made.requests:
            batch = await made.driver.read(request, TIMEOUT_S)
            expect(bool((batch.source_ns >= before_ns[batch.rows]).all()), "expected source times that never go back")
            expect(bool((batch.source_ns > 0).all()), "expected a source time on every value")
            expect(bool((batch.source_ns <= made.clock.wall_ns()).all()), "expected no source time from the future")
            before_ns[batch.rows] = batch.source_ns
        await asyncio.sleep(0.1)


async def an_hour_of_faults_is_survived(made: Bench) -> None:
    """An hour of random faults under the host: nothing wrong is ever Good, and all is good again afterwards."""
    chance, loop = Random(1), asyncio.get_running_loop()
    knobs: tuple[Callable[[], object], ...] = (
        made.peer.garble, made.peer.truncate, made.peer.duplicate, made.peer.reset, made.peer.refuse,
        lambda: made.peer.hang(None), lambda: made.peer.hang(1.2), lambda: made.peer.slow(0.2), made.peer.restart,
    )  # fmt: skip
    held = made.distinct()
    async with hosted(made) as (host, seen):
        end_s = loop.time() + 3600
        while loop.time() < end_s:
            if asyncio.iscoroutine(waiting := chance.choice(knobs)()):
                await waiting
            await asyncio.sleep(chance.uniform(0.1, 20))
            made.peer.heal()
            await asyncio.sleep(chance.uniform(0.1, 10))
        healed_s = loop.time()
        await asyncio.sleep(LIMITS.backoff.max_s + SLOT_S)
        expect(seen.good_after(healed_s) == set(range(len(host.requests))), "expected everything good after the hour")
        expect(math.isfinite(host.status()[0].round_trip_mean_s), "expected a round trip")
        _nothing_wrong_is_good(made, held, [batch for _, batch in seen.batches])


def _nothing_wrong_is_good(made: Bench, held: dict[int, Raw], batches: Sequence[Batch]) -> None:
    """What came as Good is what was held; only what differs in its bits is looked at one by one."""
    cells = np.array([0 if isinstance(raw := held.get(i, 0), str) else raw for i in range(len(made.points))], np.int64)
    good = int(StatusCode.Uncertain)
    for batch in batches:
        texts = batch.texts or {}
        differs = batch.cells != cells[batch.rows]
        differs[list(texts)] = True
        for k in np.flatnonzero(differs & (batch.statuses < good)).tolist():
            row = int(batch.rows[k])
            point, got = made.points[row], texts.get(k, int(batch.cells[k]))
            expect(same(point.kind, held[row], got), f"{point.name}: {got!r} came as Good, {held[row]!r} was held")


GOLD: Final[tuple[Claim, ...]] = (
    a_late_answer_is_nobodys,
    noise_is_survived,
    an_answer_to_another_question_is_nobodys,
    one_seat_is_enough,
    cancelling_is_survived,
    time_never_goes_back,
    an_hour_of_faults_is_survived,
)
