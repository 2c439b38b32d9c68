# SPDX-License-Identifier: Apache-2.0
"""Server-made tags: Comm is a fact and always Good; what the post cannot measure is never made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from config.words import StatusCode
from drivers.base import DeviceSpec, PollClass
from supervisor.plant.plant import Plant
from supervisor.tags.freshness import Freshness
from supervisor.tags.pool import StringPool
from supervisor.tags.system import SystemTags
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
POLL = PollClass("state", period_s=1.0, timeout_s=0.2, retries=1, bad_after_s=3.0)


def plant_of_two_cabinets_and_a_post() -> Plant:
    plant = make_plant(
        {
            "CAB": TypeSpec({"V1": tag("Float"), "Comm": replace(tag("Boolean"), system="comm")}),
            "SYS": TypeSpec(
                {"CPU": replace(tag("Float"), system="host.cpu"), "NTP": replace(tag("Float"), system="clock.offset")}
            ),
        },
        {"CAB": ["a/CAB-0001", "a/CAB-0002"], "SYS": ["a/SYS-0001"]},
    )
    comm = plant.types["CAB"].blocks["Comm"].start
    devices = tuple(
        DeviceSpec(f"cab{i}", "none", None, (), np.zeros(0, np.int64), {}, np.array([comm + i])) for i in range(2)
    )
    return replace(plant, devices=devices)


def test_comm_is_waiting_then_one_then_zero_and_good() -> None:
    plant = plant_of_two_cabinets_and_a_post()
    table = TagTable(plant, StringPool(), now_ns=0)
    freshness = Freshness([np.array([0]), np.array([1])], [POLL] * 2, [0, 1], 2, boot_ns=0)
    tags = SystemTags(plant, lambda: {"host.cpu": 12.5, "clock.offset": None})
    first, second = plant.row("a/CAB-0001/Comm"), plant.row("a/CAB-0002/Comm")
    assert first is not None and second is not None

    def sample(now_s: float) -> None:
        freshness.judge(int(now_s * S))
        if (batch := tags.sample(table, freshness, int(now_s * S))) is not None:
            table.put(batch.rows, batch.cells, batch.statuses, batch.source_ns)

    sample(0.5)
    assert table.status[first] == StatusCode.BadWaitingForInitialData
    freshness.seen(0, S)
    sample(1.0)
    assert (table.value(first), table.status[first]) == (True, StatusCode.Good)
    assert table.status[second] == StatusCode.BadWaitingForInitialData, "nothing is known of the second one yet"
    freshness.missed([0])
    sample(4.0)
    assert (table.value(first), table.status[first]) == (False, StatusCode.Good), "that it does not answer is a fact"
    assert (table.value(second), table.status[second]) == (False, StatusCode.Good)


def test_a_measurement_that_cannot_be_had_is_null() -> None:
    plant = plant_of_two_cabinets_and_a_post()
    table = TagTable(plant, StringPool(), now_ns=0)
    freshness = Freshness([], [], [], 2, boot_ns=0)
    batch = SystemTags(plant, lambda: {"host.cpu": 12.5, "clock.offset": None}).sample(table, freshness, S)
    assert batch is not None
    table.put(batch.rows, batch.cells, batch.statuses, batch.source_ns)
    cpu, ntp = plant.row("a/SYS-0001/CPU"), plant.row("a/SYS-0001/NTP")
    assert cpu is not None and ntp is not None
    assert table.value(cpu) == 12.5
    assert (table.value(ntp), table.status[ntp]) == (None, StatusCode.BadResourceUnavailable)


def test_a_parameter_is_good_from_the_start_whatever_was_kept_of_it() -> None:
    plant = make_plant(
        {
            "CAB": TypeSpec(
                {
                    "Lamps": replace(tag("Int32"), parameter="lamps"),
                    "Load": replace(tag("Float"), parameter="load"),
                    "Post": replace(tag("String"), parameter="post"),
                    "Big": replace(tag("Boolean"), parameter="big"),
                },
                {
                    "lamps": np.array([40, 12], np.int64),
                    "load": np.array([5.5, 2.0]),
                    "post": np.array(["Mirande", "Stade"], object),
                    "big": np.array([True, False], np.bool_),
                },
            )
        },
        {"CAB": ["a/CAB-0001", "a/CAB-0002"]},
    )
    table = TagTable(plant, StringPool(), now_ns=0)
    freshness = Freshness([], [], [], 0, boot_ns=0)
    tags = SystemTags(plant, dict)
    kept = plant.row("a/CAB-0001/Load")
    assert kept is not None
    table.put(np.array([kept]), np.array([7]), np.array([StatusCode.UncertainLastUsableValue], np.uint32), 1)
    batch = tags.sample(table, freshness, 5 * S)
    assert batch is not None
    table.put(batch.rows, batch.cells, batch.statuses, batch.source_ns)
    read = {name: table.value(plant.row(f"a/CAB-0001/{name}") or 0) for name in ("Lamps", "Load", "Post", "Big")}
    assert read == {"Lamps": 40, "Load": 5.5, "Post": "Mirande", "Big": True}
    assert not table.status.any() and set(table.source_ns.tolist()) == {5 * S}
    assert tags.sample(table, freshness, 6 * S) is None, "it does not change, so it is told once"
