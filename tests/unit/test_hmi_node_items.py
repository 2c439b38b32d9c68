# SPDX-License-Identifier: Apache-2.0
"""Watched attributes, one object an item: queues, marks, modes and deadbands as for values of tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.ua.ua_binary import struct_from_binary

from supervisor.hmi.entrance.login import ANONYMOUS
from supervisor.hmi.model.nodes import Asker
from supervisor.hmi.publishing.columns import Trigger
from supervisor.hmi.publishing.node_items import NodeItems, Watched
from supervisor.hmi.publishing.notices import Changes
from supervisor.hmi.publishing.queues import OVERFLOW

REPORTING, SAMPLING, DISABLED = ua.MonitoringMode.Reporting, ua.MonitoringMode.Sampling, ua.MonitoringMode.Disabled


@dataclass
class Attribute:
    """An attribute that changes when the test says so; it reads like `reading.Reading`."""

    value: Any = 0
    code: int = 0
    asked: list[ua.ReadValueId] = field(default_factory=list)

    def read(self, wanted: ua.ReadValueId, asker: Asker) -> ua.DataValue:
        self.asked.append(wanted)
        return ua.DataValue(ua.Variant(self.value), ua.StatusCode(ua.UInt32(self.code)))


def watched(attribute: Attribute, **settings: Any) -> tuple[NodeItems, list[int]]:
    fired: list[int] = []
    items = NodeItems(attribute, Asker(ANONYMOUS), fired.extend)  # type: ignore[arg-type]
    defaults = {"mode": REPORTING, "stamps": 3, "trigger": Trigger.VALUE, "period_s": 1.0, "size": 3, "oldest": True}
    items.create(1, Watched(ua.ReadValueId(), 7, **{**defaults, **settings}), 0.0)
    return items, fired


def follow(items: NodeItems, attribute: Attribute, values: list[Any], start_s: float = 1.0) -> None:
    """One value for each sampling interval."""
    for i, value in enumerate(values):
        attribute.value = value
        for number in items.due(start_s + i):
            items.sample(number, start_s + i)


def shown(changes: Changes) -> list[tuple[Any, int]]:
    buffer, found = Buffer(changes.items), []
    for _ in range(changes.count):
        told = struct_from_binary(ua.MonitoredItemNotification, buffer)
        assert told.ClientHandle == 7
        found.append((told.Value.Value.Value, told.Value.StatusCode.value))
    return found


@pytest.mark.parametrize(
    ("size", "oldest", "expected"),
    [
        (3, True, [(2, OVERFLOW), (3, 0), (4, 0)]),
        (3, False, [(0, 0), (1, 0), (4, OVERFLOW)]),
        (1, False, [(4, 0)]),
        (9, True, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]),
    ],
)
def test_figure_17_queue_overflow(size: int, oldest: bool, expected: list[tuple[int, int]]) -> None:
    """OPC 10000-4, 5.13.1.5."""
    attribute = Attribute()
    items, _ = watched(attribute, size=size, oldest=oldest)
    follow(items, attribute, [1, 2, 3, 4])
    assert items.pending() and shown(items.take(99)) == expected and not items.pending()


def test_it_is_read_once_an_interval_and_not_before() -> None:
    attribute = Attribute()
    items, _ = watched(attribute, period_s=2.0)
    assert items.due_s == 2.0 and not list(items.due(1.9)) and list(items.due(2.0)) == [1]
    items.sample(1, 2.0)
    assert items.due_s == 4.0
    items.sample(1, 11.0)  # late: what was missed is not made up for
    assert items.due_s >= 12.0 and len(attribute.asked) == 3


def test_a_deadband_is_against_the_sample_queued_last() -> None:
    attribute = Attribute()
    items, _ = watched(attribute, size=9, band=1.0)
    follow(items, attribute, [1, 2, 1, 0])
    assert [value for value, _ in shown(items.take(99))] == [0, 2, 0]


def test_modes_keep_lose_and_release() -> None:
    attribute = Attribute()
    items, fired = watched(attribute, mode=SAMPLING)
    items[1].triggers = True
    follow(items, attribute, [1])
    assert fired == [1] and not items.pending()
    items.release([1, 99])
    assert [value for value, _ in shown(items.take(99))] == [0, 1]
    follow(items, attribute, [2], 2.0)
    assert not items.pending()
    items.set_mode(1, DISABLED, 3.0)
    follow(items, attribute, [5], 4.0)
    items.set_mode(1, REPORTING, 5.0)
    assert shown(items.take(99)) == [(5, 0)]


def test_a_smaller_queue_keeps_what_fits() -> None:
    attribute = Attribute()
    items, _ = watched(attribute, size=5)
    follow(items, attribute, [1, 2, 3])
    items.modify(1, Watched(ua.ReadValueId(), 7, REPORTING, 3, Trigger.VALUE, 1.0, 2, True))
    assert shown(items.take(99)) == [(2, OVERFLOW), (3, 0)]


def test_what_cannot_be_read_is_not_watched() -> None:
    with pytest.raises(ServiceError):
        watched(Attribute(code=int(ua.StatusCodes.BadAttributeIdInvalid)))
    items, _ = watched(Attribute(code=int(ua.StatusCodes.BadNoCommunication)))  # bad for now, not for ever
    assert len(items) == 1
