# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_fields.py
"""A condition at one moment, as an event: its type, who may hear of it, and its fields when somebody asks for them.

Law of this file: what `Event` demands, answered from the moment (`moment.py`) and the table of fields (`fields.py`).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from supervisor.hmi.conditions.fields import FIELDS, own
from supervisor.hmi.conditions.moment import Moment
from supervisor.hmi.events.event import notifiers_of
from supervisor.hmi.events.value import Id, Value


@dataclass(slots=True, eq=False)
class ConditionEvent(Moment):
    """One event of a condition."""

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

    def field(self, name: str, locale: str) -> Value | None:
        made = FIELDS.get(name)
        return None if made is None else made(self, locale)

    def seen(self, now_ns: int) -> ConditionEvent:
        """The same event, looked at now: what is left of a shelving is told from now."""
        return replace(self, seen_ns=now_ns) if self.state.shelved else self


def where_heard(name: str) -> tuple[str, ...]:
    """Notifiers of the condition of that name."""
    return notifiers_of(name.rpartition("/")[0])
