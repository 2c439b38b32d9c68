# SPDX-License-Identifier: Apache-2.0
"""Stories of one alarm: rules, events one second apart, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from config.model import Priority
from supervisor.alarms.events import Acknowledge, Confirm, Effect, Event, Remove, Shelve
from supervisor.alarms.machine import step
from supervisor.alarms.state import REST, Cause, Isa, Rule, State, check_invariants

S: Final = 1_000_000_000
H: Final = 3600 * S
T0: Final = 1_750_000_000 * S

PLAIN: Final = Rule("MainSw_open", Priority.P2, Priority.P2)
LIMIT: Final = Rule("V1_limits", Priority.P3, Priority.P2, on_delay_ns=60 * S)
LATCHING: Final = Rule("K1_trip", Priority.P2, Priority.P2, latching=True)
SELF_ACK: Final = Rule("Program_changed", Priority.P4, Priority.P4, ack_required=False)
TWO_STEP: Final = Rule("RCD_trip", Priority.P1, Priority.P1, safety=True, confirm_required=True)
TREATED: Final = Rule("Lamp_out", Priority.P3, Priority.P3, confirm_required=True)
SLOW_P1: Final = replace(TWO_STEP, on_delay_ns=60 * S)
REPEATING: Final = Rule("Door_open", Priority.P3, Priority.P3, re_alarm_ns=2 * H)
PARENT: Final = Rule("Supply_Loss", Priority.P2, Priority.P2, parent=True)

SUPPLY: Final = Cause("21605/CAB-0001/Supply_Loss", topology=True)
COMM: Final = Cause("21605/CAB-0001/Comm_lost", topology=True)
DESIGN: Final = Cause("21605/CAB-0001/V1_limits", topology=False)


class Ack:
    """Acknowledge whatever the present occurrence is."""


class Treated:
    """Confirm whatever the present occurrence is."""


@dataclass(frozen=True)
class After:
    """Wait so long, then the event."""

    seconds: float
    event: Event


Doing = Event | Ack | Treated | After
Story = Sequence[Doing]
WEEK: Final = T0 + 7 * 24 * H
SHELVE: Final = Shelve(2 * H, "door contact under repair")
ONE_SHOT: Final = Shelve(None, "known, returns by itself")
REMOVE: Final = Remove("WO-1234", WEEK)


def play(rule: Rule, story: Story, state: State = REST, now_ns: int = T0) -> tuple[State, tuple[Effect, ...], int]:
    """State, effects of the last event, and time after a story; events lie one second apart."""
    effects: tuple[Effect, ...] = ()
    for doing in story:
        now_ns += S
        event: Event
        if isinstance(doing, After):
            now_ns += round(doing.seconds * S)
            event = doing.event
        elif isinstance(doing, Ack):
            event = Acknowledge(state.occurrence_ns)
        elif isinstance(doing, Treated):
            event = Confirm(state.occurrence_ns)
        else:
            event = doing
        state, effects = step(state, event, now_ns, rule)
        check_invariants(state, rule)
    return state, effects, now_ns


A, B, C, D, E, F, G, HH, OO, X = Isa
