# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_foreign.py
"""Being a foreign device of a BBMD: the life of the registration as a table. Source: ASHRAE 135, J.2.6, J.5.2.

Law of this file: pure; instants are arguments. Who asks is `foreign`'s.

    any      --asked----->  same       asked again after ASK_S, then twice as long, up to ASK_MAX_S
    asked    --granted--->  standing   due at half its time to live, and given up at its end
    asked    --refused--->  refused    asked again after REFUSED_S
    any      --forgotten->  wanted     the BBMD refused what it owes the registered: due at once, but ASK_S apart

Granted or refused while nothing was asked changes nothing: who can forge that could keep us from ever asking again.
A BBMD keeps an entry 30 s longer than its time to live; renewing at half leaves time for a few lost datagrams.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

ASK_S: Final = 5.0
ASK_MAX_S: Final = 60.0
REFUSED_S: Final = 60.0


class State(StrEnum):
    WANTED = "wanted"
    STANDING = "standing"
    REFUSED = "refused"


class Event(StrEnum):
    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Registration:
    """With one BBMD.

    Attributes:
        due_s: when it is to be asked next [s of the loop].
        expires_s: until when it stands, only in `standing` [s].
        asked_s: when it was asked last [s].
        silences: questions since the last answer.
    """

    state: State = State.WANTED
    due_s: float = 0.0
    expires_s: float = 0.0
    asked_s: float = -ASK_S
    silences: int = 0

    def stands(self, now_s: float) -> bool:
        """True while the BBMD sends us what is broadcast."""
        return self.state is State.STANDING and now_s < self.expires_s


def step(before: Registration, event: Event, now_s: float, ttl_s: float) -> Registration:
    """What becomes of it."""
    match event:
        case Event.ASKED:
            pause_s = min(ASK_S * 2**before.silences, ASK_MAX_S)
            state = before.state if before.stands(now_s) or before.state is State.REFUSED else State.WANTED
            silences = min(before.silences + 1, 16)
            return replace(before, state=state, due_s=now_s + pause_s, asked_s=now_s, silences=silences)
        case Event.GRANTED | Event.REFUSED if before.silences == 0:
            return before
        case Event.GRANTED:
            return Registration(State.STANDING, now_s + ttl_s / 2, now_s + ttl_s, before.asked_s)
        case Event.REFUSED:
            return Registration(State.REFUSED, now_s + REFUSED_S, 0.0, before.asked_s)
        case Event.FORGOTTEN:
            return Registration(State.WANTED, max(now_s, before.asked_s + ASK_S), 0.0, before.asked_s)
