# SPDX-License-Identifier: Apache-2.0
"""A cabinet's controller is replaced in the running plant: accepted by hand, its counters go on, over a restart too."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from config.model import Role
from config.words import StatusCode
from drivers.modbus.memory import Memory
from historian.base import JournalError, Query, RecordKind
from supervisor.control.operations import Refused, Server, carry_out
from supervisor.people import User
from supervisor.replacing import FILE, CannotReplace, Replacer, Wish
from tests.sim.loop import clock
from tests.sim.test_alarm_identity import ONE, swap
from tests.sim.test_alarms import Town, live

ENERGY = f"{ONE}/E_act"
LEA, OLIVIER = User("lea", Role.ENGINEER), User("olivier", Role.OPERATOR)


def replacer(town: Town, folder: Path) -> Replacer:
    return Replacer(town.core.table, town.core.host, town.journal, clock(), folder, town.offload.run)


def energy(town: Town) -> tuple[float, int]:
    row = town.core.plant.row(ENERGY)
    assert row is not None
    value = town.core.table.last_value(row)
    assert isinstance(value, float)
    return value, int(town.core.table.status[row])


def new_controller(town: Town, name: str, kwh: float) -> Memory:
    """Another controller at the same address, with a meter of its own."""
    device = town.field._places[f"{ONE}.controller"].device
    old = device.units[1]
    made = Memory(0)
    for table in ("holding", "input", "coil", "discrete_input"):
        setattr(made, table, old.table(table).copy())
    made.identification = {0: "Other", 1: "CAB", 2: "2", 6: name}
    device.units[1] = made
    reads(made, kwh)
    device.reset()
    return made


def reads(memory: Memory, kwh: float) -> None:
    """E_act: uint64 at input 16, in Wh."""
    memory.input[16:20] = np.frombuffer(round(kwh * 1000).to_bytes(8), ">u2")


def test_a_new_controller_is_accepted_and_its_energy_goes_on(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(60)
        last, _ = energy(town)
        memory = new_controller(town, "CAB-9001", 3.0)
        await asyncio.sleep(20)
        before, status = energy(town)  # a last answer of the old one may have been under way
        assert status == StatusCode.BadConfigurationError, "nothing of a stranger is believed"
        assert before == pytest.approx(last, abs=0.1)

        done = await replacer(town, tmp_path).replace(LEA, "desk 1", Wish(ONE, "controller burnt"))
        assert done["before"] == {"application": "CAB-0001"} and done["now"] == {"application": "CAB-9001"}
        assert done["counters"]["E_act"]["shown"] == before and done["counters"]["E_act"]["first"] == 3.0
        await asyncio.sleep(12)
        assert energy(town) == (pytest.approx(before), 0), "no step"
        reads(memory, 5.5)
        await asyncio.sleep(12)
        assert energy(town)[0] == pytest.approx(before + 2.5) and town.core.host.identities.wrong == {}
        found = await town.journal.query(Query(kinds=frozenset({RecordKind.CONFIG})))
        [record] = [e.record for e in found.entries]
        assert (record.user, record.subject) == ("lea", ONE)
        assert "replaced: controller burnt; application CAB-0001 -> application CAB-9001" in record.text

        await town.stop()  # the inventory still says CAB-0001
        restore = Replacer.restore
        await town.start()
        await restore(replacer(town, tmp_path))
        assert set(town.core.table.splices.untold.values()) == {record.time_ns}, "the history is asked if it knows"
        await asyncio.sleep(20)
        assert energy(town) == (pytest.approx(before + 2.5), 0)
        assert town.core.host.identities.wrong == {}

    live(tmp_path, story)


def test_a_meter_behind_a_controller_that_stays(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(60)
        hand = replacer(town, tmp_path)
        with pytest.raises(CannotReplace, match=r"is who it should be .* no counter was given"):
            await hand.replace(LEA, "x", Wish(ONE, "new meter"))
        with pytest.raises(CannotReplace, match=r"'V1' is no counter of .*expected one of .*E_act"):
            await hand.replace(LEA, "x", Wish(ONE, "new meter", finals={"V1": 1.0}))
        shown, _ = energy(town)
        done = await hand.replace(LEA, "x", Wish(ONE, "new meter", finals={"E_act": 88231.7}, firsts={"E_act": 12.0}))
        assert done["counters"]["E_act"]["offset"] == pytest.approx(88219.7) and done["now"] == done["before"]
        await asyncio.sleep(12)
        assert energy(town)[0] == pytest.approx(shown + 88219.7, abs=1.0), "what it counted since it was put in counts"

    live(tmp_path, story)


def test_exchanged_ones_rights_reasons_and_a_journal_that_refuses(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(30)
        swap(town)
        await asyncio.sleep(20)
        hand = replacer(town, tmp_path)
        with pytest.raises(CannotReplace, match=r"21605/CAB-0002.controller, which has a place of its own"):
            await hand.replace(LEA, "x", Wish(ONE, "?"))
        swap(town)
        new_controller(town, "CAB-9001", 3.0)
        await asyncio.sleep(20)

        def stop(why: str) -> None: ...

        async def ask(user: User, **more: object) -> None:
            server = Server(
                town.core.table, None, town.journal, clock(), dict, town.core.host.status, str, replacer=hand
            )  # type: ignore[arg-type]
            await carry_out(server, user, "x", {"op": "replace", "equipment": ONE, **more})

        with pytest.raises(Refused, match=r"olivier .* may not replace"):
            await ask(OLIVIER, reason="why not")
        with pytest.raises(Refused, match="may not replace"):
            await ask(User("far", Role.ENGINEER, areas=frozenset({"21000"})), reason="why not")
        with pytest.raises(Refused, match="reason: expected why"):
            await ask(LEA, reason=" ")
        with pytest.raises(Refused, match="finals: expected at most 100 numbers"):
            await ask(LEA, reason="x", finals={"E_act": "many"})

        async def full(_: object) -> None:
            raise JournalError("the disk is full")

        append, town.journal.append = town.journal.append, full  # type: ignore[method-assign,assignment]
        with pytest.raises(Refused, match="nothing was done, it cannot be kept: the disk is full"):
            await ask(LEA, reason="x")
        town.journal.append = append  # type: ignore[method-assign]
        assert not (tmp_path / FILE).exists() and ONE in str(town.core.host.identities.wrong)
        await ask(LEA, reason="x")
        kept = json.loads((tmp_path / FILE).read_text())
        assert kept["identities"][f"{ONE}.controller"]["accepted"] == {"application": "CAB-9001"}
        await asyncio.sleep(12)
        assert not town.core.host.identities.wrong

    live(tmp_path, story)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        (tmp_path / FILE).write_text('{"identities": []')
        with pytest.raises(ValueError, match=r"is damaged .* counters will fall"):
            await replacer(town, tmp_path).restore()

    live(tmp_path, story)


def test_a_second_replacement_and_an_inventory_that_has_caught_up(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(60)
        hand = replacer(town, tmp_path)
        before, _ = energy(town)
        for name, kwh in (("CAB-9001", 3.0), ("CAB-9002", 700.0)):
            new_controller(town, name, kwh)
            await asyncio.sleep(20)
            await hand.replace(LEA, "x", Wish(ONE, "again"))
            await asyncio.sleep(12)
            assert energy(town) == (pytest.approx(before), 0), "each time where the last one ended"
        kept = json.loads((tmp_path / FILE).read_text())["identities"][f"{ONE}.controller"]
        assert kept == {"instead_of": {"application": "CAB-0001"}, "accepted": {"application": "CAB-9002"}}
        index = [d.name for d in town.core.plant.devices].index(f"{ONE}.controller")
        assert not town.core.host.accept(index, {"application": "CAB-0001"}, {"application": "CAB-9999"}), (
            "what was accepted instead of another declaration is forgotten"
        )
        assert town.core.host.declared(index) == {"application": "CAB-9002"}

    live(tmp_path, story)
