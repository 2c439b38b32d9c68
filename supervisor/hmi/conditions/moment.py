# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_fields.py
"""A condition at one moment: what happened to it, and how it stood afterwards.

Law of this file: data only, and nobody changes it once it is made; it holds rows of the alarm engine. What is said of
it is `fields.py`'s matter, who hears of it `condition.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from historian.base import Plain
from supervisor.alarms.state import State
from supervisor.hmi.conditions.kind import Expiring, Kind


@dataclass(frozen=True, slots=True)
class Remark:
    """The last thing somebody said, or did without a word. `ns` 0: nobody did yet."""

    user: str = ""
    comment: str = ""
    ns: int = 0


NO_REMARK = Remark()


@dataclass(slots=True, eq=False)  # not frozen: that costs four microseconds an event, and a storm has thousands
class Moment:
    """One moment of a condition.

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
    def equipment(self) -> str:
        return self.name.rpartition("/")[0]
