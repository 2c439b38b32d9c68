# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_command_life.py
"""The life of one command, from the wish to the verdict.

Law of this file: pure. A table of steps, a table of endings, and one function; time is an argument; no I/O, no tags.

    asked --passed--> checked --recorded--> recorded --accepted--> answered --equal--> held --effect--> ended
                                                                            `-unreadable-^

`asked`: someone wants it. `checked`: every gate let it through and it waits for its device. `recorded`: it stands in
the journal, durable; from here on a byte may leave. `answered`: the device said yes. `held`: the device reads back what
was written (or cannot be read). Every step ends early by one of the causes that `_ALLOWED` names for it; a cause that
is not allowed there is a bug and raises. The ending table says what each cause means for the person who asked:

    confirmed  the device accepted, reads back, and the feedback tag (where the type names one) follows
    refused    nothing was done, or the device itself says that it does not hold what was asked
    unknown    a byte left and nobody can say what it did; look before asking again
    expired    it waited longer than it was meant to live; no byte left
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from config.words import StatusCode, Verdict


class Step(StrEnum):
    """How far a command has come."""

    ASKED = "asked"
    CHECKED = "checked"
    RECORDED = "recorded"
    ANSWERED = "answered"
    HELD = "held"
    ENDED = "ended"


class Event(StrEnum):
    """What moves a command on."""

    PASSED = "every gate passed"
    RECORDED = "journal record durable"
    ACCEPTED = "device accepted"
    EQUAL = "read back equal"
    UNREADABLE = "nothing to read back"
    TICK = "time passed"


class Cause(StrEnum):
    """Why a command ended."""

    CONFIRMED = "confirmed"
    UNKNOWN_TAG = "no such tag"
    NO_RIGHTS = "no rights"
    NOT_WRITABLE = "not writable"
    NOT_SUPPORTED = "not supported"
    OUT_OF_SERVICE = "out of service"
    WRONG_TYPE = "wrong type"
    OUT_OF_RANGE = "out of range"
    TWO_STEP = "two steps needed"
    TOO_MANY = "too many commands"
    NO_PERMIT = "no permit"
    LINK_DOWN = "link down"
    STOPPING = "server stopping"
    NOT_RECORDED = "not journalled"
    EXPIRED = "expired"
    DEVICE_REFUSED = "device refused"
    ANSWER_LOST = "answer lost"
    DIFFERS = "reads back another value"
    READ_BACK_LOST = "read-back lost"
    EFFECT_MISSING = "effect not seen"
    ABANDONED = "server stopped"
    BUG = "internal error"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a cause means: the verdict, and the status code an OPC UA Write answers with."""

    verdict: Verdict
    status: StatusCode


_REFUSED, _UNKNOWN = Verdict.REFUSED, Verdict.UNKNOWN

# Uncertain is not used: many clients take every result that is not Bad for success, and "unknown" is not success.
# BadTimeout is what gateways answer when the field did not; BadRequestTimeout: it was too late before it began.
ENDINGS: Final[dict[Cause, Ending]] = {
    Cause.CONFIRMED: Ending(Verdict.CONFIRMED, StatusCode.Good),
    Cause.UNKNOWN_TAG: Ending(_REFUSED, StatusCode.BadNodeIdUnknown),
    Cause.NO_RIGHTS: Ending(_REFUSED, StatusCode.BadUserAccessDenied),
    Cause.NOT_WRITABLE: Ending(_REFUSED, StatusCode.BadNotWritable),
    Cause.NOT_SUPPORTED: Ending(_REFUSED, StatusCode.BadNotSupported),
    Cause.OUT_OF_SERVICE: Ending(_REFUSED, StatusCode.BadOutOfService),
    Cause.WRONG_TYPE: Ending(_REFUSED, StatusCode.BadTypeMismatch),
    Cause.OUT_OF_RANGE: Ending(_REFUSED, StatusCode.BadOutOfRange),
    Cause.TWO_STEP: Ending(_REFUSED, StatusCode.BadInvalidState),
    Cause.TOO_MANY: Ending(_REFUSED, StatusCode.BadResourceUnavailable),
    Cause.NO_PERMIT: Ending(_REFUSED, StatusCode.BadInvalidState),
    Cause.LINK_DOWN: Ending(_REFUSED, StatusCode.BadNotConnected),
    Cause.STOPPING: Ending(_REFUSED, StatusCode.BadInvalidState),
    Cause.NOT_RECORDED: Ending(_REFUSED, StatusCode.BadResourceUnavailable),
    Cause.EXPIRED: Ending(Verdict.EXPIRED, StatusCode.BadRequestTimeout),
    Cause.DEVICE_REFUSED: Ending(_REFUSED, StatusCode.BadDeviceFailure),
    Cause.ANSWER_LOST: Ending(_UNKNOWN, StatusCode.BadTimeout),
    Cause.DIFFERS: Ending(_REFUSED, StatusCode.BadDeviceFailure),
    Cause.READ_BACK_LOST: Ending(_UNKNOWN, StatusCode.BadTimeout),
    Cause.EFFECT_MISSING: Ending(_UNKNOWN, StatusCode.BadTimeout),
    Cause.ABANDONED: Ending(_UNKNOWN, StatusCode.BadTimeout),
    Cause.BUG: Ending(_UNKNOWN, StatusCode.BadInternalError),
}

_NEXT: Final[dict[tuple[Step, Event], Step]] = {
    (Step.ASKED, Event.PASSED): Step.CHECKED,
    (Step.CHECKED, Event.RECORDED): Step.RECORDED,
    (Step.RECORDED, Event.ACCEPTED): Step.ANSWERED,
    (Step.ANSWERED, Event.EQUAL): Step.HELD,
    (Step.ANSWERED, Event.UNREADABLE): Step.HELD,
}

_GATES: Final = frozenset(
    {
        Cause.UNKNOWN_TAG,
        Cause.NO_RIGHTS,
        Cause.NOT_WRITABLE,
        Cause.NOT_SUPPORTED,
        Cause.OUT_OF_SERVICE,
        Cause.WRONG_TYPE,
        Cause.OUT_OF_RANGE,
        Cause.TWO_STEP,
        Cause.TOO_MANY,
    }
)
_UNSENT: Final = frozenset({Cause.NO_PERMIT, Cause.LINK_DOWN, Cause.STOPPING, Cause.EXPIRED})

_ALLOWED: Final[dict[Step, frozenset[Cause]]] = {
    Step.ASKED: _GATES | _UNSENT,
    Step.CHECKED: _UNSENT | {Cause.NOT_RECORDED, Cause.BUG},
    Step.RECORDED: _UNSENT | {Cause.DEVICE_REFUSED, Cause.ANSWER_LOST, Cause.ABANDONED, Cause.BUG},
    Step.ANSWERED: frozenset({Cause.DIFFERS, Cause.READ_BACK_LOST, Cause.ABANDONED, Cause.BUG}),
    Step.HELD: frozenset({Cause.CONFIRMED, Cause.EFFECT_MISSING, Cause.ABANDONED, Cause.BUG}),
    Step.ENDED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Life:
    """State of one command. Times are of the caller's clock [s].

    Attributes:
        expires_s: no byte may leave at or after this instant.
        effect_within_s: how long the effect may take once the device holds the value.
        effect_until_s: when that ends; inf until then.
        cause: why it ended; None while it lives.
    """

    expires_s: float
    effect_within_s: float
    step: Step = Step.ASKED
    effect_until_s: float = float("inf")
    cause: Cause | None = None

    @property
    def ending(self) -> Ending:
        """What it came to.

        Raises:
            ValueError: it still lives.
        """
        if self.cause is None:
            raise ValueError(f"a command that is '{self.step}' has no ending yet")
        return ENDINGS[self.cause]


def step(life: Life, event: Event | Cause, now_s: float) -> Life:
    """The command after `event` at `now_s`. A `Cause` as event ends it.

    Raises:
        ValueError: such a thing cannot happen at this step; a bug of the caller.
    """
    if isinstance(event, Cause):
        if event not in _ALLOWED[life.step]:
            raise ValueError(f"a command that is '{life.step}' cannot end by '{event}'")
        return replace(life, step=Step.ENDED, cause=event)
    if event is Event.TICK:
        return _tick(life, now_s)
    if (to := _NEXT.get((life.step, event))) is None:
        raise ValueError(f"a command that is '{life.step}' cannot meet '{event}'")
    if to is Step.HELD:
        return replace(life, step=to, effect_until_s=now_s + life.effect_within_s)
    return replace(life, step=to)


def _tick(life: Life, now_s: float) -> Life:
    if life.step in (Step.ASKED, Step.CHECKED, Step.RECORDED) and now_s >= life.expires_s:
        return replace(life, step=Step.ENDED, cause=Cause.EXPIRED)
    if life.step is Step.HELD and now_s >= life.effect_until_s:
        return replace(life, step=Step.ENDED, cause=Cause.EFFECT_MISSING)
    return life


def check_invariants(life: Life) -> None:
    """Raises AssertionError if `life` is not one that `step` can have made."""
    if (life.step is Step.ENDED) != (life.cause is not None):
        raise AssertionError(f"step {life.step} with cause {life.cause}")
    if life.step in (Step.ASKED, Step.CHECKED, Step.RECORDED, Step.ANSWERED) and life.effect_until_s != float("inf"):
        raise AssertionError("the effect is awaited before the device holds the value")
    if life.cause in (Cause.CONFIRMED, Cause.EFFECT_MISSING) and life.effect_until_s == float("inf"):
        raise AssertionError(f"{life.cause} without having been held")
