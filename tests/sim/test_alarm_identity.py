# SPDX-License-Identifier: Apache-2.0
"""Two cabinets of the running plant are exchanged: two alarms, each naming both; a restart; put back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from config.model import AlarmRule
from config.words import Outcome, Permit, StatusCode
from drivers.base import WriteItem
from supervisor.alarms.wording import wording
from supervisor.control.alarm_view import document
from tests.sim.loop import clock
from tests.sim.test_alarms import Town, live

ONE, TWO = "21605/CAB-0001", "21605/CAB-0002"
ALARMS = [f"{ONE}/Comm_identity", f"{TWO}/Comm_identity"]
PERMIT = Permit(epoch=1, deadline_s=1e12)


def swap(town: Town, reset: bool = True) -> None:
    """The two controllers are plugged in at each other's address; without `reset` no connection notices."""
    one, two = (town.field._places[f"{name}.controller"].device for name in (ONE, TWO))
    one.units, two.units = two.units, one.units
    for device in (one, two) if reset else ():
        device.reset()


def statuses(town: Town, equipment: str) -> set[int]:
    """Of what the controller measures."""
    blocks = town.core.plant.types["CAB"].blocks.values()
    instance = town.core.plant.types["CAB"].equipment.index(equipment)
    measured = [b.start + instance for b in blocks if b.info.model.point is not None and b.info.access.readable]
    rows = np.array(measured)
    return set(town.core.table.status[rows[town.core.plant.supported[rows]]].tolist())


def texts(town: Town, name: str) -> dict[str, str]:
    condition = town.desk.book.find(name)
    assert condition is not None
    shown = document(town.desk, condition, town.desk.shown.entries[condition], clock().wall_ns(), lambda _: True)
    return shown["text"]  # type: ignore[no-any-return]


def test_two_exchanged_cabinets_are_two_alarms_that_name_both(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(60)
        assert town.standing() == [] and statuses(town, ONE) == {0}
        swap(town)
        await asyncio.sleep(20)
        assert town.standing() == ALARMS and sorted(await town.announced()) == ALARMS, "and no other"
        assert texts(town, ALARMS[0]) == {
            "fr": "Une autre armoire répond à cette adresse : CAB-0001 répond comme CAB-0002",
            "en": "Another cabinet answers at this address: CAB-0001 answers as CAB-0002",
        }
        assert any(r.text.endswith("CAB-0002 answers as CAB-0001") for r in await town.records())
        assert statuses(town, ONE) == statuses(town, TWO) == {StatusCode.BadConfigurationError}
        index = [d.name for d in town.core.plant.devices].index(f"{ONE}.controller")
        [outcome] = await town.core.host.write(index, [WriteItem(0, 0)], PERMIT, 1.0)
        assert outcome.outcome is Outcome.REFUSED
        assert f"{ONE}.controller answers as {TWO}.controller" in outcome.reason

        await town.stop()
        await town.start()
        await asyncio.sleep(30)
        assert town.standing() == ALARMS and len(await town.announced()) == 2, "nothing is announced twice"
        assert texts(town, ALARMS[1])["en"].endswith("CAB-0002 answers as CAB-0001")

        swap(town, reset=False)
        await asyncio.sleep(12)
        assert statuses(town, ONE) == statuses(town, TWO) == {0}, "all well within one check"
        for name in ALARMS:
            assert await town.ack(name) is None
        await asyncio.sleep(1)
        assert town.standing() == [] and len(await town.announced()) == 2

    live(tmp_path, story)


def test_an_alarm_without_its_value_says_what_the_rule_says() -> None:
    rule = AlarmRule.model_validate(
        {"on": "identity", "tag": "Comm", "priority": "P3", "text": {"fr": "Autre", "en": "Other"}}
    )
    assert wording(rule, ALARMS[0], None) == {"fr": "Autre", "en": "Other"}
    assert wording(rule, ALARMS[0], "serial 7")["fr"] == "Autre : CAB-0001 répond comme serial 7"
