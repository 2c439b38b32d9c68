# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_machine.py
"""What a condition is: orthogonal facts, and the one letter of ISA-18.2 that follows from them.

Law of this file: frozen shapes and what can be derived from them; nothing changes here, nothing knows the time.

The *core* of a condition is its process state, its acknowledgement and its latch. Three *overlays* may lie over it
(shelved, suppressed, out of service), and an engineer may disable it. The core keeps running underneath, so every
fact is kept by itself and the letter is computed, never stored. Times are absolute [UTC ns], so that a restart is a
reload and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from config.model import SHELVING_MAX_H, SHELVING_MAX_P1_H, Priority
from config.words import NS_PER_S

SHELVING_MAX_NS: Final = SHELVING_MAX_H * 3600 * NS_PER_S
SHELVING_MAX_P1_NS: Final = SHELVING_MAX_P1_H * 3600 * NS_PER_S

BEATS: Final = 2
BEAT_NS: Final = 30 * NS_PER_S
"""A condition that rises three times within a minute chatters: twice more, each within BEAT_NS of the rise before.
Source: ISA-18.2 (IEC 62682, clause 16)."""
QUIET_NS: Final = 600 * NS_PER_S
"""How long it must not have risen to be called quiet again [ns]."""
COMMISSIONING: Final = "commissioning"
"""Why the conditions of equipment in that state of life are suppressed."""
SEVERITY: Final = {Priority.P1: 900, Priority.P2: 750, Priority.P3: 600, Priority.P4: 450}
"""OPC UA severity of each priority, 1..1000. Source: plant documentation 3.4; alarms lie above 400 (OPC 10000-9)."""


class Isa(StrEnum):
    """The flat state. Letters and names: ISA-18.2 / IEC 62682."""

    NORM = "A"
    UNACK = "B"
    ACKED = "C"
    RTNUN = "D"
    LUNACK = "E"
    LACKED = "F"
    SHLVD = "G"
    DSUPR = "H"
    OOSRV = "I"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a condition is suppressed.

    Attributes:
        rule: name of the parent condition that stands ('21605/CAB-0003/Supply_Loss'), or of the condition itself where
            its own `suppress_when` holds, or COMMISSIONING.
        topology: True for a parent, False for an expression an engineer wrote.
    """

    rule: str
    topology: bool

    @property
    def detail(self) -> str:
        """For the journal."""
        return self.rule if self.topology or self.rule == COMMISSIONING else "suppress_when"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the machine must know of an alarm rule; one object for all instances of a type.

    Attributes:
        name: of the rule within its type.
        priority, priority_extreme: at levels -1, 1 and at -2, 2.
        safety: condition class safety.
        parent: while it stands, it suppresses new annunciations of its equipment's other rules.
        fed: a parent that may itself lie under another: that of the equipment which feeds its own.
        on_delay_ns: restarts when a suppression ends [ns].
        re_alarm_ns: from acknowledgement to the next annunciation while still active [ns]; None: never.
        shelving_max_ns: longest shelving [ns].
    """

    name: str
    priority: Priority
    priority_extreme: Priority
    safety: bool = False
    latching: bool = False
    ack_required: bool = True
    confirm_required: bool = False
    parent: bool = False
    fed: bool = False
    on_delay_ns: int = 0
    re_alarm_ns: int | None = None
    shelving_max_ns: int = SHELVING_MAX_NS

    @property
    def protected(self) -> bool:
        """Never hidden by topology, never acknowledged by itself, and an overlay cannot swallow its occurrence."""
        return self.latching or self.safety or Priority.P1 in (self.priority, self.priority_extreme)

    @property
    def acks_itself(self) -> bool:
        """Whether the return to normal acknowledges (row 4). `vigie check` refuses it where it is not allowed."""
        return not self.ack_required and not self.protected

    @property
    def suppressible(self) -> bool:
        """Whether topology may hold back its annunciation. A parent says what is blind: it is held back only by the
        parent of the equipment that feeds its own, which says so for all of them.
        """
        return (self.fed or not self.parent) and not self.protected

    def priority_at(self, level: int) -> Priority:
        return self.priority_extreme if abs(level) >= 2 else self.priority

    def severity_at(self, level: int) -> int:
        """OPC UA severity, 1..1000."""
        return SEVERITY[self.priority_at(level)]


@dataclass(frozen=True, slots=True)
class State:
    """One condition. The default is a normal one.

    Attributes:
        process: the condition itself holds (delays and deadband are over); last known while not evaluable.
        level: -2 low low, -1 low, 1 high, 2 high high (other kinds of rule: 1); kept after the return, 0 at rest.
        last_level: level before the present one (Part 9: LastSeverity).
        acked, confirmed: no duty left of this kind.
        latched: has been in alarm and has not been reset.
        evaluable: the inputs are usable; False is shown UNKNOWN.
        evaluable_ns: since when that is so: 'last known since' [UTC ns]; 0: since before anyone looked.
        enabled: False only by an engineer.
        annunciated: this rise has been before the operator, who still has to do with it; topology leaves it alone.
        silenced: the sound of this occurrence was stopped. Not an acknowledgement.
        shelved_until_ns: absolute end of shelving; None: not shelved.
        one_shot: shelving also ends at the return to normal.
        causes: what suppresses it now.
        release_ns: suppressed until then although no cause is left (on-delay restart, or a parent about to
            decide); staged release may take a little longer; None: no such wait.
        work_order: why it is out of service; None: in service.
        review_ns: when being out of service must be looked at again.
        raised_ns, returned_ns, acked_ns: last time each of it happened; 0: never.
        occurrence_ns: identity of the present occurrence: the time of its annunciation, made unique within the
            condition. An acknowledgement names the occurrence it has seen.
        beats: quick rises after the rise before, nobody having acknowledged it since.
        re_alarms: annunciations repeated since the condition rose (Part 9: ReAlarmRepeatCount).
    """

    process: bool = False
    level: int = 0
    last_level: int = 0
    acked: bool = True
    confirmed: bool = True
    latched: bool = False
    evaluable: bool = True
    evaluable_ns: int = 0
    enabled: bool = True
    annunciated: bool = False
    silenced: bool = False
    shelved_until_ns: int | None = None
    one_shot: bool = False
    causes: frozenset[Cause] = frozenset()
    release_ns: int | None = None
    work_order: str | None = None
    review_ns: int | None = None
    raised_ns: int = 0
    returned_ns: int = 0
    acked_ns: int = 0
    occurrence_ns: int = 0
    re_alarms: int = 0
    beats: int = 0

    @property
    def active(self) -> bool:
        """Part 9 ActiveState: a latched alarm stays active until it is reset (`process` is ProcessActive)."""
        return self.process or self.latched

    @property
    def shelved(self) -> bool:
        return self.shelved_until_ns is not None

    @property
    def suppressed(self) -> bool:
        return bool(self.causes) or self.release_ns is not None

    @property
    def out_of_service(self) -> bool:
        return self.work_order is not None

    @property
    def chatters(self) -> bool:
        """It comes and goes faster than anybody can acknowledge it."""
        return self.beats >= BEATS

    @property
    def overlaid(self) -> bool:
        """Something keeps it from being annunciated."""
        return self.shelved or self.suppressed or self.out_of_service or not self.enabled

    @property
    def sounding(self) -> bool:
        return self.flat is Isa.UNACK and not self.silenced

    @property
    def core(self) -> Isa:
        """A..F: what the condition is underneath its overlays."""
        if self.process:
            return Isa.ACKED if self.acked else Isa.UNACK
        if self.latched:
            return Isa.LACKED if self.acked else Isa.LUNACK
        return Isa.NORM if self.acked else Isa.RTNUN

    @property
    def flat(self) -> Isa:
        """The one state shown where there is room for one: disabled, then I, H, G, then the core (row 27)."""
        if not self.enabled:
            return Isa.DISABLED
        if self.out_of_service:
            return Isa.OOSRV
        if self.suppressed:
            return Isa.DSUPR
        return Isa.SHLVD if self.shelved else self.core

    @property
    def retain(self) -> bool:
        """Part 9 Retain: it still concerns the operator. No overlay takes that away; only `disable` does."""
        return self.enabled and (self.active or not self.acked or not self.confirmed)

    @property
    def at_rest(self) -> bool:
        """Nothing to remember: the condition needs no object."""
        return not (self.active or self.overlaid) and self.acked and self.confirmed


REST: Final = State()
"""Every condition that is at rest."""


def check_invariants(state: State, rule: Rule) -> None:
    """What must hold of every state the machine makes.

    Raises:
        AssertionError: it does not; the text names the law that is broken.
    """
    laws = {
        "one-shot shelving has an absolute end": not state.one_shot or state.shelved,
        "a wait for release has no cause left": state.release_ns is None or not state.causes,
        "what waits for its release is in alarm": state.release_ns is None or state.process or not state.enabled,
        "topology never holds back what is protected": rule.suppressible or not any(c.topology for c in state.causes),
        "topology leaves alone what was annunciated": not (state.annunciated and any(c.topology for c in state.causes)),
        "only a latching rule latches": rule.latching or not state.latched,
        "a duty belongs to an occurrence": state.acked or state.occurrence_ns > 0,
        "what is unacknowledged or in alarm is retained": state.retain
        or not state.enabled
        or (state.acked and not state.active),
        "a condition in alarm has a level": not state.process or state.level != 0,
        "out of service has a review date": (state.work_order is None) == (state.review_ns is None),
    }
    broken = [law for law, holds in laws.items() if not holds]
    if broken:
        raise AssertionError(f"rule {rule.name}: {'; '.join(broken)}: {state}")
