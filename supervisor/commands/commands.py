# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_commands.py, tests/unit/test_command_endings.py
"""Commands: the only way a byte leaves for the field.

Law of this file: no byte before its record is on the disk; no second attempt; every command ends with a verdict, and
the verdict is written down too. What may happen is `life`'s table, who may ask is `gates`'s, one is carried out in
`command`; here they are admitted, counted and ended.

One task per command, so that a caller who goes away (an HMI that closes its session) does not stop a command
half way. Commands for one device run one after the other until the device has read back; waiting for an effect holds
nobody up. At most `in_flight_max` commands live at a time; the next is refused and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from config.words import Batch, Clock, StatusCode, Verdict
from historian.base import Journal, JournalError, Plain, Record, RecordKind
from supervisor.commands import values
from supervisor.commands.command import Command, FieldHost, Shop
from supervisor.commands.gates import Refusal, Wiring, check
from supervisor.commands.life import ENDINGS, Cause, Life, Step, step
from supervisor.commands.permit import PermitSource
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.tags.table import TagTable

log = logging.getLogger(__name__)

IN_FLIGHT_MAX: Final = 256
EXPIRES_S: Final = 10.0  # a wish from before a long pause must not come true by surprise
NOTE_LENGTH_MAX: Final = 500
# An intruder who hammers on a closed gate must not fill the journal: further refusals of a user are only counted.
REFUSALS_PER_MINUTE_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class PutResult:
    """How a command ended.

    Attributes:
        status: what an OPC UA Write answers.
        reason: one sentence with the evidence, or with what is wrong.
    """

    status: StatusCode
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class CommandsStatus:
    """For `/status`: commands alive of at most `in_flight_max`; ended since start by verdict and by cause."""

    in_flight: int
    in_flight_max: int
    verdicts: dict[str, int]
    causes: dict[str, int]
    refusals_not_journalled: int
    verdicts_not_journalled: int


class Commands:
    """The command path of one plant.

    Args:
        journal: where each command is written before a byte leaves and after its end.
        permits: asked right before each write; the driver checks the deadline again, last before the socket.
        seen: takes what was read back, so that readers see it before the next poll (`Inbox.batch`).
        expires_s: how long a command may wait for its device [s].
    """

    def __init__(
        self,
        plant: Plant,
        table: TagTable,
        host: FieldHost,
        journal: Journal,
        permits: PermitSource,
        clock: Clock,
        seen: Callable[[Batch], None] = lambda _batch: None,
        in_flight_max: int = IN_FLIGHT_MAX,
        expires_s: float = EXPIRES_S,
    ) -> None:
        self._shop = Shop(plant, table, host, journal, permits, clock, seen)
        self._wiring = Wiring(plant)
        self._in_flight_max = in_flight_max
        self._expires_s = expires_s
        self._tasks: dict[asyncio.Task[None], Command] = {}
        self._stopping = False
        self._causes: Counter[Cause] = Counter()
        self._refusals: Counter[str] = Counter()
        self._refusals_from_s = float("-inf")
        self._refusals_not_journalled = 0
        self._verdicts_not_journalled = 0

    async def put(self, user: User, row: int, value: values.Asked, origin: str, note: str = "") -> PutResult:
        """Command one tag and wait for its verdict.

        Args:
            row: row of the tag in this plant's generation.
            value: typed, or text as a person writes it (`values.engineering`).
            origin: the door it came through: 'opcua 192.0.2.7:51123', 'control', 'calendar'.
            note: the person's own words, cut at 500 characters.
        """
        checked = check(self._shop.plant, self._wiring, user, row, value)
        if not isinstance(checked, Refusal):
            checked = self._room() or checked
        if isinstance(checked, Refusal):
            return await self._refuse(user, row, value, origin, checked)
        command = Command(self._shop, user, checked, origin, note[:NOTE_LENGTH_MAX], self._expires_s)
        task = asyncio.create_task(command.run(), name=f"command {checked.name}")
        self._tasks[task] = command
        task.add_done_callback(lambda t: self._done(t, command))
        await asyncio.shield(task)
        return _result(command.life, checked.name, command.reason)

    def _done(self, task: asyncio.Task[None], command: Command) -> None:
        self._tasks.pop(task, None)
        if command.life.cause is not None:
            self._causes[command.life.cause] += 1
        if not command.verdict_journalled:
            self._verdicts_not_journalled += 1

    def _room(self) -> Refusal | None:
        if self._stopping:
            return Refusal(Cause.STOPPING, "the server is stopping; no byte left")
        if len(self._tasks) >= self._in_flight_max:
            return Refusal(Cause.TOO_MANY, f"{self._in_flight_max} commands are under way; ask again in a moment")
        if not self._shop.permits.current().valid(self._shop.clock.boot_s()):
            return Refusal(Cause.NO_PERMIT, "this post holds no valid permit to command the field; no byte left")
        return None

    async def _refuse(self, user: User, row: int, asked: values.Asked, origin: str, refusal: Refusal) -> PutResult:
        plant = self._shop.plant
        name = plant.name(row) if 0 <= row < plant.rows else f"row {row}"
        result = _result(step(Life(0.0, 0.0), refusal.cause, 0.0), name, refusal.sentence)
        self._causes[refusal.cause] += 1
        if not self._may_journal_refusal(user):
            self._refusals_not_journalled += 1
            return result
        data: dict[str, Plain] = {"origin": origin[:200], "asked": str(asked)[:200], "cause": refusal.cause.value}
        text = f"refused: {refusal.sentence}"[:2000]
        record = Record(self._shop.clock.wall_ns(), RecordKind.COMMAND, user.name, name, text, data)
        try:
            await self._shop.journal.append([record])
        except JournalError as e:
            self._refusals_not_journalled += 1
            log.error("refusal of %s not journalled: %s", name, e)
        return result

    def _may_journal_refusal(self, user: User) -> bool:
        now = self._shop.clock.boot_s()
        if now - self._refusals_from_s >= 60:
            self._refusals_from_s = now
            self._refusals.clear()
        self._refusals[user.name] += 1
        return self._refusals[user.name] <= REFUSALS_PER_MINUTE_MAX

    def status(self) -> CommandsStatus:
        verdicts = {v.value: 0 for v in Verdict}
        for cause, n in self._causes.items():
            verdicts[ENDINGS[cause].verdict.value] += n
        return CommandsStatus(
            in_flight=len(self._tasks),
            in_flight_max=self._in_flight_max,
            verdicts=verdicts,
            causes={cause.value: n for cause, n in sorted(self._causes.items())},
            refusals_not_journalled=self._refusals_not_journalled,
            verdicts_not_journalled=self._verdicts_not_journalled,
        )

    async def close(self, grace_s: float = 2.0) -> None:
        """Take no more commands, give those under way `grace_s`, then end them as unknown. Idempotent.

        The journal must still be open: every verdict is written.
        """
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task, command in list(self._tasks.items()):
            if command.life.step is not Step.ENDED:  # the others write their verdicts down, and are waited for
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _result(life: Life, name: str, sentence: str) -> PutResult:
    return PutResult(life.ending.status, life.ending.verdict, f"{name}: {life.ending.verdict}: {sentence}")
