# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py, tests/kit
"""The shell around one write, and around the reading back that proves it: in their turn, before any poll.

Law of this file: no decision about the field but whether a byte may leave. Nothing is ever put twice. What a driver or
its library does, an outcome comes out; of what was begun and not answered the connection keeps a note
(`Connection.unanswered`), so that it can be called back when the permit ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from config.words import Clock, Outcome, Permit
from drivers.base import DriverError, WriteItem, WriteOutcome
from drivers.connection import passes
from drivers.device import Device

log = logging.getLogger("vigie.field")


async def put(
    target: Device,
    items: Sequence[WriteItem],
    permit: Permit,
    timeout_s: float,
    clock: Clock,
    refusal: Callable[[], str],
) -> Sequence[WriteOutcome]:
    """As `drivers.host.Host.write`.

    Args:
        refusal: why nothing can be put to it at this instant; empty if it can.
    """
    if not items:
        return []
    if reason := refusal():
        return _all(items, Outcome.REFUSED, f"{reason}; no byte left")
    turns = target.connection.turns
    try:
        async with asyncio.timeout(timeout_s):
            ticket = await turns.enter(first=True)
    except TimeoutError:
        reason = f"{target.name}: the link was busy for {timeout_s:g} s; no byte left"
        return _all(items, Outcome.REFUSED, reason)
    try:
        if reason := refusal():
            return _all(items, Outcome.REFUSED, f"{reason}; no byte left")
        if not permit.valid(clock.boot_s()):
            return _all(items, Outcome.REFUSED, f"{target.name}: the permit to write has ended; no byte left")
        return await _noted(target, items, permit, timeout_s)
    finally:
        turns.leave(ticket)


async def _noted(
    target: Device, items: Sequence[WriteItem], permit: Permit, timeout_s: float
) -> Sequence[WriteOutcome]:
    """Let it leave; the connection knows meanwhile that it may hold a write, and afterwards if nobody answered."""
    link, outcomes = target.connection, None
    link.writing += 1
    try:
        outcomes = await _leave(target, items, permit, timeout_s)
        return outcomes
    finally:
        link.writing -= 1
        if outcomes is None or any(o.outcome is Outcome.UNKNOWN for o in outcomes):
            link.unanswered = link.generation


async def _leave(
    target: Device, items: Sequence[WriteItem], permit: Permit, timeout_s: float
) -> Sequence[WriteOutcome]:
    try:
        outcomes = await target.driver.write(items, permit, timeout_s)
    except DriverError as error:
        return _unknown(target, items, str(error))
    except BaseException as error:
        if passes(error):
            raise
        log.error("%s: fault in the driver while writing", target.name, exc_info=error)
        return _unknown(target, items, f"fault in the driver while writing ({type(error).__name__}: {error})")
    if len(outcomes) != len(items):
        said = f"fault in the driver: expected {len(items)} outcomes, got {len(outcomes)}"
        return _unknown(target, items, said)
    return outcomes


async def read_back(target: Device, points: Sequence[int], timeout_s: float) -> Sequence[tuple[int, int, str | None]]:
    """As `drivers.host.Host.read_back`, of a device that can be asked."""
    turns = target.connection.turns
    try:
        async with asyncio.timeout(timeout_s):
            ticket = await turns.enter(first=True)
    except TimeoutError:
        raise DriverError(f"{target.name}: the link was busy for {timeout_s:g} s") from None
    try:
        return await target.driver.read_points(points, timeout_s)
    finally:
        turns.leave(ticket)


def _unknown(target: Device, items: Sequence[WriteItem], said: str) -> list[WriteOutcome]:
    return _all(items, Outcome.UNKNOWN, f"{target.name}: {said}; whether it was carried out is unknown")


def _all(items: Sequence[WriteItem], outcome: Outcome, reason: str) -> list[WriteOutcome]:
    return [WriteOutcome(outcome, reason)] * len(items)
