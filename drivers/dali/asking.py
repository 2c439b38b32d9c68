# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_driver.py, tests/kit/test_dali.py
"""The questions of `plan`, frame by frame: what a gear or its line answers to each.

Law of this file: frames and their meaning. A value that was not answered is `None` with a reason; a gear that answers
nothing at all raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from drivers.base import Busy, DeviceSilent, NoTurn
from drivers.dali import banks, curve, lunatone
from drivers.dali import frames as f
from drivers.dali.link import Job, LunatoneLink, sound
from drivers.dali.plan import Question
from drivers.dali.schedule import Rank

Values = dict[str, float | None]

PIECE_S: Final = 3.0
"""Longest piece of a count of the line; its state is asked every 5 s."""


class Asker:
    """Asks for one gear, or for the line, on a link.

    Attributes:
        why: value -> why the last question had no answer for it.
        waited_s: how long questions have waited for the bus [s].
    """

    def __init__(self, link: LunatoneLink, gear: int | None, dimming: curve.Curve) -> None:
        self._link, self._gear, self._curve = link, gear, dimming
        self._loop = asyncio.get_running_loop()
        self.why: dict[str, str] = {}
        self.waited_s = 0.0
        self._sorts: dict[str, Callable[[Job, Question], Awaitable[Values]]] = {
            "level": self._level,
            "status": self._status,
            "failures": self._failures,
            "faults": self._faults,
            "bank": self._bank,
            "bus": self._bus,
            "found": self._found,
            "group": self._group,
        }

    async def ask(self, question: Question, timeout_s: float, gives_way: bool = False) -> Values:
        """The values of a question, by name.

        Raises:
            LinkDown, DeviceSilent, Busy; NoTurn: only if it gives way to what is more urgent.
        """
        for name in question.values:
            self.why.pop(name, None)
        with self._link.job(question.rank, timeout_s, gives_way=gives_way) as job:
            try:
                return await self._sorts[question.sort](job, question)
            finally:
                self.waited_s += job.waited_s

    def _lacks(self, name: str, why: str) -> None:
        self.why[name] = why

    @property
    def _target(self) -> f.Target:
        return f.Target(gear=self._gear)

    # --- a gear

    async def _byte(self, job: Job, code: int, names: tuple[str, ...], what: str) -> int | None:
        """The byte a gear answers to a query; None: it lives, but does not answer this.

        Raises:
            DeviceSilent: it does not live.
        """
        reply = await job.query(f.command(self._target, code))
        if reply.answer is not None:
            self._link.line.answered(self._gear or 0, self._loop.time())
            return reply.answer
        why = "several gear answered at once" if reply.collided else f"it does not answer {what}"
        await self._lives(job)
        for name in names:
            self._lacks(name, why)
        return None

    async def _lives(self, job: Job) -> None:
        reply = await job.query(f.command(self._target, f.QUERY_PRESENT))
        if reply.answer is None and not reply.collided:
            raise DeviceSilent(f"gear {self._gear} does not answer on the bus")
        self._link.line.answered(self._gear or 0, self._loop.time())

    async def _level(self, job: Job, question: Question) -> Values:
        level = await self._byte(job, f.QUERY_ACTUAL_LEVEL, question.values, "QUERY ACTUAL LEVEL")
        if level is None:
            return dict.fromkeys(question.values)
        if level == curve.MASK:
            for name in question.values:
                self._lacks(name, "the gear does not know its level: lamp failed or starting (MASK)")
            return dict.fromkeys(question.values)
        line = self._link.line
        line.told_level(self._gear or 0, self._loop.time())
        target = line.targets.get(self._gear or 0, level)
        return {
            "level": curve.percent(level, self._curve),
            "arc_level": level,
            "level_set": curve.percent(target, self._curve),
            "arc_level_set": target,
        }

    async def _status(self, job: Job, question: Question) -> Values:
        status = await self._byte(job, f.QUERY_STATUS, question.values, "QUERY STATUS")
        return _bits(question, status, f.STATUS_BITS)

    async def _failures(self, job: Job, question: Question) -> Values:
        with self._unmeddled():
            await job.tell((f.ENABLE_DEVICE_TYPE, f.LED), ties=True)
            status = await self._byte(job, f.LED_FAILURE_STATUS, question.values, "the LED failure status")
        return _bits(question, status, f.FAILURE_BITS)

    async def _faults(self, job: Job, question: Question) -> Values:
        """All, then its groups, then itself; see `faults`."""
        faults, begun_s = self._link.line.faults, self._loop.time()
        while (whom := faults.ask(self._gear or 0, begun_s)) != "well":
            if whom.gear is not None:
                return await self._status(job, question)
            failed = False
            for code in (f.QUERY_LAMP_FAILURE, f.QUERY_GEAR_FAILURE):
                reply = await job.query(f.command(whom, code))
                failed = failed or reply.answer is not None or reply.collided
            faults.told(whom, failed, self._loop.time())
        return dict.fromkeys(question.values, 0)

    @contextmanager
    def _unmeddled(self) -> Iterator[None]:
        """What comes of several frames is believed only if no other master has changed what they go by.

        Raises:
            Busy: one has; the numbers may be another bank's.
        """
        line, before = self._link.line, self._link.line.meddled
        yield
        if line is self._link.line and line.meddled != before:
            raise Busy("another master's frame came between the question's own")

    async def _bank(self, job: Job, question: Question) -> Values:
        """As `_fields`, undisturbed."""
        with self._unmeddled():
            return await self._fields(job, question)

    async def _fields(self, job: Job, question: Question) -> Values:
        """Fields of one memory bank, its numbers held still if it can."""
        bank = question.number
        await job.tell((f.DTR1, bank))
        if bank in (202, 203, 204):
            await job.tell((f.DTR0, 2))
            await job.tell(f.command(self._target, f.ENABLE_WRITE), twice=True, ties=True)
            await job.tell((f.WRITE_MEMORY, f.LATCH))
        found: Values = {}
        at = -1
        any_answer = False
        for name in sorted(question.values, key=lambda n: banks.FIELDS[n].first):
            field = banks.FIELDS[name]
            if at != field.first:
                await job.tell((f.DTR0, field.first))
            data = await self._locations(job, field.first, field.last)
            any_answer = any_answer or data[0] is not None
            at = field.first + len(data)
            try:
                found[name] = banks.decode(field, data)
            except banks.NotKnown as error:
                found[name] = None
                self._lacks(name, str(error))
        if not any_answer:
            await self._lives(job)
        self._link.line.answered(self._gear or 0, self._loop.time())
        return found

    async def nameplate(self, names: Iterable[str], timeout_s: float) -> dict[str, str]:
        """What the gear says of itself in bank 0; names as in `banks.NAMEPLATE`.

        Raises:
            LinkDown; DeviceSilent: it does not live; Busy.
        """
        said: dict[str, str] = {}
        with self._link.job(Rank.LEVEL, timeout_s) as job, self._unmeddled():
            await job.tell((f.DTR1, 0))
            for name in names:
                first, last = banks.NAMEPLATE[name]
                await job.tell((f.DTR0, first))
                said[name] = banks.nameplate(await self._locations(job, first, last))
            if not any(said.values()):
                await self._lives(job)
        return {name: text for name, text in said.items() if text}

    async def _locations(self, job: Job, first: int, last: int) -> list[int | None]:
        """The bytes of a field, up to the first that is not there."""
        data: list[int | None] = []
        for _ in range(first, last + 1):
            reply = await job.query(f.command(self._target, f.READ_MEMORY), holds=True)
            data.append(reply.answer)
            if reply.answer is None:
                break
        return data

    # --- the line

    async def _bus(self, job: Job, question: Question) -> Values:
        reply = await job.send(f.command(f.ALL, f.QUERY_PRESENT), answer=True)
        line, schedule = self._link.line, self._link.turns.schedule
        if reply.result not in (lunatone.NO_VOLTAGE, lunatone.COLLISION, lunatone.DISTURBED):
            sound(reply)  # anything else that was not sent tells nothing of the bus
        if line.cycle_s is None:
            self._lacks("cycle_time", "no gear was asked twice yet")
        if line.scene is None:
            self._lacks("scene", "no scene was asked for since the connection stands")
        return {
            "bus_fault": float(reply.result in (lunatone.NO_VOLTAGE, lunatone.DISTURBED)),
            "power_supply": float(reply.result != lunatone.NO_VOLTAGE),
            "bus_load": schedule.load(self._loop.time()),
            "cycle_time": line.cycle_s,
            "scene": line.scene,
        }

    async def _found(self, job: Job, question: Question) -> Values:
        await self._count(job)
        return {"found": len(self._link.line.faults.groups)}

    async def _count(self, job: Job) -> None:
        """Ask all short addresses which groups they are in: who answers is there.

        Raises:
            NoTurn: it goes on there next time; a hundred questions are not to keep the line's state waiting.
        """
        line, until_s = self._link.line, self._loop.time() + PIECE_S
        while (gear := line.counted_to) <= self._link.device.gear_max:
            if job.gives_way and self._loop.time() > until_s:
                raise NoTurn("the line is being counted")
            target = f.Target(gear=gear)
            low = await job.query(f.command(target, f.QUERY_GROUPS_0_7))
            groups = None
            if low.answer is not None:
                high = await job.query(f.command(target, f.QUERY_GROUPS_8_15))
                groups = low.answer | (high.answer or 0) << 8
                line.answered(gear, self._loop.time())
            line.count(gear, groups)
        line.count_is_over()

    async def _group(self, job: Job, question: Question) -> Values:
        """The level of a group's first member that answers."""
        line = self._link.line
        if not line.counted:
            await self._count(job)
        for gear in line.members(question.number):
            reply = await job.query(f.command(f.Target(gear=gear), f.QUERY_ACTUAL_LEVEL))
            if reply.answer is not None and reply.answer != curve.MASK:
                return {"group_level": curve.percent(reply.answer, self._curve)}
        self._lacks("group_level", f"no gear of group {question.number} tells its level")
        return {"group_level": None}


def _bits(question: Question, byte: int | None, bits: Mapping[str, int]) -> Values:
    return {name: None if byte is None else byte >> bits[name] & 1 for name in question.values}
