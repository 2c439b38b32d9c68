# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_fields.py
"""A condition at one moment, as an event: what happened to it, and how it stood afterwards.

Law of this file: nobody changes one once it is made; it holds rows of the alarm engine and makes no field before
somebody asks (`fields`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from historian.base import Plain
from supervisor.alarms.state import State
from supervisor.hmi.conditions.fields import FIELDS, own
from supervisor.hmi.conditions.kind import Expiring, Kind
from supervisor.hmi.events.event import notifiers_of
from supervisor.hmi.events.value import Id, Value


@dataclass(frozen=True, slots=True)
class Remark:
    """The last thing somebody said, or did without a word. `ns` 0: nobody did yet."""

    user: str = ""
    comment: str = ""
    ns: int = 0


NO_REMARK = Remark()


@dataclass(slots=True, eq=False)  # not frozen: that costs four microseconds an event, and a storm has thousands
class ConditionEvent:
    """One event of a condition.

    Attributes:
        number: of the condition in this generation.
        name: its ConditionId: '21605/CAB-0003/V'.
        id: EventId.
        time_ns: when it happened, by the field's clock where the field tells [UTC ns].
        receive_ns: when the server knew.
        what: what happened, in the journal's word.
        limit_of: the limit of a condition at a level.
        quality: StatusCode of its inputs.
        recorded: False while the journal does not take it; it will come again with another EventId.
        expiring: the certificate that an alarm on certificates is about.
        seen_ns: the moment for which durations to come are told; that of the event, or of a refresh.
    """

    kind: Kind
    number: int
    name: str
    id: bytes
    state: State
    time_ns: int
    receive_ns: int
    what: str
    limit_of: Callable[[int, int], float | None]
    notifiers: tuple[str, ...]
    domain: tuple[str, str] | None
    value: Plain = None
    quality: int = 0
    first: bool = False
    recorded: bool = True
    remark: Remark = NO_REMARK
    expiring: Expiring | None = None
    seen_ns: int = 0

    @property
    def type(self) -> Id:
        return self.kind.type

    @property
    def personal(self) -> bool:
        return self.kind.personal

    @property
    def bypasses_where(self) -> bool:
        return False

    @property
    def alike(self) -> Hashable:
        said = self.what, self.quality, self.first, self.recorded, self.remark, self.expiring
        return self.kind.block.index, self.receive_ns, self.state, said

    @property
    def own(self) -> frozenset[str]:
        return own(self.kind)

    @property
    def equipment(self) -> str:
        return self.name.rpartition("/")[0]

    def field(self, name: str, locale: str) -> Value | None:
        made = FIELDS.get(name)
        return None if made is None else made(self, locale)

    def seen(self, now_ns: int) -> ConditionEvent:
        """The same event, looked at now: what is left of a shelving is told from now."""
        return replace(self, seen_ns=now_ns) if self.state.shelved else self


def where_heard(name: str) -> tuple[str, ...]:
    """Notifiers of the condition of that name."""
    return notifiers_of(name.rpartition("/")[0])
