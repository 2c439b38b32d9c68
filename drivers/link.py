# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_link.py
"""The life of a link and of a device on it, as two tables.

Law of this file: no I/O, no asyncio, no clock, no random. Time and chance are arguments; effects are data that the
shell (`drivers.connection`, `drivers.device`) performs. A pair that is not in the table is a bug of the shell and
raises with both names.

Theory. A link that is wanted is always on its way up: `connecting` -> `up`, or after a failure `backing_off` for a
time that doubles from `backoff_min_s` to `backoff_max_s`, halved at most by chance so that a street of cabinets does
not come back in step. Failures are forgotten only when a device has *answered*: a gateway that accepts connections
and says nothing is as dead as one that refuses them, and must not be dialled every second.

A device that is silent `demote_after` slots in a row is `demoted`: asked rarely, so that it takes no time from its
neighbours, and again as usual from its first answer on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from config.words import LinkState


class Event(StrEnum):
    """What can happen to a link."""

    START = "start"
    OPENED = "opened"
    ANSWERED = "answered"
    FAILED = "failed"
    LOST = "lost"
    DUE = "due"
    STOP = "stop"


class Effect(StrEnum):
    """What the shell has to do."""

    OPEN = "open"
    WAIT = "wait"
    CLOSE = "close"
    TELL_UP = "tell_up"
    TELL_DOWN = "tell_down"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Bounds of the pause between two attempts.

    Attributes:
        min_s: shortest pause [s]; the first is between `min_s` and 2 x `min_s`.
        max_s: longest pause [s].
    """

    min_s: float = 1.0
    max_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.min_s <= self.max_s:
            raise ValueError(f"expected 0 < min_s <= max_s, got {self.min_s} and {self.max_s}")

    def pause_s(self, attempt: int, chance: float) -> float:
        """Pause after the `attempt`-th failure in a row (1..), `chance` in 0..1 [s]."""
        longest = min(self.max_s, self.min_s * 2.0 ** min(attempt, 62))
        return max(self.min_s, longest * (1.0 - chance / 2.0))


@dataclass(frozen=True, slots=True)
class Link:
    """State of one link. Times, not counters, so that every question about it has an answer at any instant.

    Attributes:
        since_s: when it came up, or when it was last not down (start of the present outage) [s].
        failures: attempts and losses in a row since a device last answered.
        due_s: when the next attempt begins, in `backing_off` only [s].
        reason: why it is not up, one sentence without subject; empty while up.
    """

    state: LinkState = LinkState.DOWN
    since_s: float = 0.0
    failures: int = 0
    due_s: float = 0.0
    reason: str = "not started"


Step = tuple[LinkState, tuple[Effect, ...]]
_D, _C, _U, _B = LinkState.DOWN, LinkState.CONNECTING, LinkState.UP, LinkState.BACKING_OFF

TABLE: Final[dict[tuple[LinkState, Event], Step]] = {
    (_D, Event.START): (_C, (Effect.OPEN,)),
    (_C, Event.OPENED): (_U, (Effect.TELL_UP,)),
    (_C, Event.FAILED): (_B, (Effect.CLOSE, Effect.TELL_DOWN, Effect.WAIT)),
    (_C, Event.LOST): (_C, ()),  # the attempt itself will fail and say why
    (_U, Event.ANSWERED): (_U, ()),
    (_U, Event.LOST): (_B, (Effect.CLOSE, Effect.TELL_DOWN, Effect.WAIT)),
    (_B, Event.LOST): (_B, ()),  # the same loss told twice: by the transport and by a request that was under way
    (_B, Event.ANSWERED): (_B, ()),  # an answer that arrived together with the end
    (_B, Event.DUE): (_C, (Effect.OPEN,)),
    (_C, Event.ANSWERED): (_C, ()),
    (_C, Event.STOP): (_D, (Effect.CLOSE, Effect.TELL_DOWN)),
    (_U, Event.STOP): (_D, (Effect.CLOSE, Effect.TELL_DOWN)),
    (_B, Event.STOP): (_D, (Effect.CLOSE, Effect.TELL_DOWN)),
    (_D, Event.STOP): (_D, ()),
    (_D, Event.OPENED): (_D, (Effect.CLOSE,)),  # stopped during the attempt
    (_D, Event.FAILED): (_D, ()),
    (_D, Event.LOST): (_D, ()),
    (_D, Event.DUE): (_D, ()),
    (_D, Event.ANSWERED): (_D, ()),
}


def step(
    link: Link, event: Event, now_s: float, backoff: Backoff, chance: float = 0.0, reason: str = ""
) -> tuple[Link, tuple[Effect, ...]]:
    """One event: the next state and what the shell has to do, in order.

    Args:
        now_s: any clock that does not go back [s].
        chance: drawn by the shell for FAILED and LOST, 0..1.
        reason: for FAILED, LOST and STOP: why, without subject ('no reply within 1 s').
    Raises:
        ValueError: the pair is not in the table: a bug of the caller.
    """
    try:
        state, effects = TABLE[link.state, event]
    except KeyError:
        raise ValueError(f"event {event.value} cannot happen to a link that is {link.state.value}") from None
    if event is Event.ANSWERED:
        return (replace(link, failures=0) if state is LinkState.UP else link), effects
    if state is link.state:
        return link, effects
    return _moved(link, state, now_s, backoff, chance, reason), effects


def _moved(link: Link, state: LinkState, now_s: float, backoff: Backoff, chance: float, reason: str) -> Link:
    if state is LinkState.UP:
        return replace(link, state=state, since_s=now_s, due_s=0.0, reason="")
    if state is LinkState.CONNECTING:
        first = link.state is LinkState.DOWN
        return replace(
            link, state=state, due_s=0.0, since_s=now_s if first else link.since_s, reason="" if first else link.reason
        )
    since_s = now_s if link.state is LinkState.UP else link.since_s
    if state is LinkState.DOWN:
        return Link(state, since_s, 0, 0.0, reason or "stopped")
    failures = link.failures + 1
    return Link(state, since_s, failures, now_s + backoff.pause_s(failures, chance), reason or "lost")


def faults(link: Link) -> list[str]:
    """Broken invariants of one state, none if all is well. Asked after every step in tests."""
    down = link.state in (LinkState.DOWN, LinkState.BACKING_OFF)
    rules = (
        ((link.due_s > 0.0) == (link.state is LinkState.BACKING_OFF), "just a link that backs off has a next attempt"),
        (link.state is not LinkState.BACKING_OFF or link.failures >= 1, "nothing backs off without a failure"),
        (not down or link.reason != "", "a link that is down has a reason"),
        (link.state is not LinkState.UP or link.reason == "", "a link that is up has none"),
        (link.state is not LinkState.DOWN or link.failures == 0, "a stopped link starts afresh"),
    )
    return [rule for kept, rule in rules if not kept]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a device on a link that stands.

    Attributes:
        silences: slots in a row without any answer.
        since_s: when it last changed between answering and silent [s].
        demoted: asked rarely.
        reason: of the last silence; empty while it answers.
    """

    silences: int = 0
    since_s: float = 0.0
    demoted: bool = False
    reason: str = ""


def answered(health: Health, now_s: float) -> Health:
    """The device answered something: asked as usual from now on."""
    return health if health.silences == 0 else Health(since_s=now_s)


def silent(health: Health, now_s: float, demote_after: int, reason: str) -> Health:
    """A whole slot passed without an answer.

    Args:
        demote_after: silent slots in a row until it is asked rarely, 1..
        reason: 'no reply within 1 s'.
    """
    silences = health.silences + 1
    since_s = now_s if health.silences == 0 else health.since_s
    return Health(silences, since_s, health.demoted or silences >= demote_after, reason)


def health_faults(health: Health, demote_after: int) -> list[str]:
    """Broken invariants of one state, none if all is well."""
    rules = (
        (health.demoted == (health.silences >= demote_after), "demoted exactly from the k-th silence on"),
        ((health.reason == "") == (health.silences == 0), "a silence has a reason"),
    )
    return [rule for kept, rule in rules if not kept]


def diagram() -> str:
    """The table as text, one line per transition that changes or does something; for the documentation."""
    lines = [
        f"{before.value:>12} --{event.value:-<9}> {after.value:<12} {', '.join(e.value for e in effects)}".rstrip()
        for (before, event), (after, effects) in TABLE.items()
        if before is not after or effects
    ]
    return "\n".join(lines)
