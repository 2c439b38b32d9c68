# SPDX-License-Identifier: Apache-2.0
"""Commands: gates, evidence, and that no byte leaves before its record is on the disk."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.model import Role
from config.words import Outcome, StatusCode, Verdict
from drivers.base import DeviceSilent, LinkDown, WriteItem, WriteOutcome
from historian.base import JournalFull
from supervisor.commands import values
from supervisor.commands.commands import REFUSALS_PER_MINUTE_MAX
from supervisor.people import User
from tests.post import ANNE, EVE, LEA, NAMES, Post, plant, set_value, with_post


def test_a_command_is_confirmed_by_its_effect_and_stands_twice_in_the_journal(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        async def count() -> int:
            return len(await post.records())

        post.field.journalled = count
        assert await post.put("1/Cmd", True, note="test of the line") == (
            Verdict.CONFIRMED,
            "Good",
            "21605/CAB-0001/Cmd: confirmed: accepted, reads back true, Fb true after 0.6 s",
        )
        assert post.field.records_at_write == [1], "the record was durable before the byte left"
        before, after = await post.records()
        assert before.record.kind == "command"
        assert before.record.user == "anne"
        assert before.record.subject == "21605/CAB-0001/Cmd"
        assert before.record.text == "put true"
        assert before.record.data == {"origin": "test", "value": True, "epoch": 4, "note": "test of the line"}
        assert after.record.kind == "verdict"
        assert after.record.data["command"] == before.position.sequence
        assert after.record.data["verdict"] == "confirmed"

    with_post(tmp_path, scenario)


def test_values_reach_the_device_unscaled_and_typed(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        assert (await post.put("1/Level", "70.0"))[0] is Verdict.CONFIRMED
        assert (await post.put("1/Mode", "off"))[2].endswith("accepted, reads back off")
        assert (await post.put("1/Text", "été"))[0] is Verdict.CONFIRMED
        assert (await post.put("1/Until", "2026-03-01T18:30:00Z"))[2].endswith("reads back 2026-03-01T18:30:00.000Z")
        raws = list(post.field.raw.values())
        assert np.int64(raws[0][0]).view(np.float64) == pytest.approx(700)
        assert raws[1] == (2, None)
        assert [b.rows.tolist() for b in post.seen] == [
            [post.row(f"1/{n}")] for n in ("Level", "Mode", "Text", "Until")
        ]
        assert post.seen[2].texts == {0: "été"}
        assert raws[2][1] == "été"

    with_post(tmp_path, scenario)


def test_an_act_is_confirmed_by_the_device_alone_and_never_read_back(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.read_error = DeviceSilent("must not be asked")
        verdict, _, reason = await post.put("1/Reset", True)
        assert verdict is Verdict.CONFIRMED
        assert "cannot be read back" in reason

    with_post(tmp_path, scenario)


@pytest.mark.parametrize(
    ("name", "value", "user", "status", "sentence"),
    [
        ("1/Cmd", True, EVE, "BadUserAccessDenied", "eve (viewer) may not command equipment of area 21605"),
        ("1/Cmd", True, User("bob", Role.OPERATOR, frozenset({"21231"})), "BadUserAccessDenied", "of area 21605"),
        ("1/Fb", True, ANNE, "BadNotWritable", "read-only"),
        ("1/Calc", 1.0, ANNE, "BadNotWritable", "read-only"),
        ("1/Lux", 1.0, ANNE, "BadNotSupported", "this equipment does not have it"),
        ("1/Cmd", 1, ANNE, "BadTypeMismatch", "expected true or false, got 1"),
        ("1/Level", 101, ANNE, "BadOutOfRange", "expected 0..100 %, got 101 %"),
    ],
)
def test_a_gate_refuses_with_its_reason_and_no_byte_leaves(
    tmp_path: Path, name: str, value: values.Asked, user: User, status: str, sentence: str
) -> None:
    async def scenario(post: Post) -> None:
        verdict, got, reason = await post.put(name, value, user)
        assert (verdict, got) == (Verdict.REFUSED, status)
        assert sentence in reason
        assert post.field.left == []
        (entry,) = await post.records()
        assert entry.record.text == reason.partition(": ")[2]
        assert entry.record.data["asked"] == str(value)

    with_post(tmp_path, scenario)


def test_an_unknown_row_is_no_tag(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        for row in (-1, post.plant.rows):
            result = await post.commands.put(ANNE, row, True, "test")
            assert result.status is StatusCode.BadNodeIdUnknown

    with_post(tmp_path, scenario)


@pytest.mark.parametrize(
    ("life", "user", "status"),
    [
        ("planned", LEA, "BadOutOfService"),
        ("retired", LEA, "BadOutOfService"),
        ("commissioning", ANNE, "BadUserAccessDenied"),
        ("commissioning", LEA, "Good"),
        ("maintenance", ANNE, "Good"),
    ],
)
def test_the_life_of_equipment_is_a_gate(tmp_path: Path, life: str, user: User, status: str) -> None:
    made = plant()
    kind = dataclasses.replace(made.types["CAB"], life=(life, "in service"))
    made = dataclasses.replace(made, types={"CAB": kind}, _where={n: (kind, i) for i, n in enumerate(NAMES)})

    async def scenario(post: Post) -> None:
        assert (await post.put("1/Cmd", True, user))[1] == status

    with_post(tmp_path, scenario, made)


@pytest.mark.parametrize(
    ("answer", "verdict", "status", "sentence"),
    [
        (
            WriteOutcome(Outcome.REFUSED, "coil 0: exception 2"),
            Verdict.REFUSED,
            "BadDeviceFailure",
            "coil 0: exception 2",
        ),
        (WriteOutcome(Outcome.UNKNOWN, "no answer in 2 s"), Verdict.UNKNOWN, "BadTimeout", "look before asking again"),
        (LinkDown("reset by peer"), Verdict.UNKNOWN, "BadTimeout", "reset by peer"),
        (RuntimeError("oops"), Verdict.UNKNOWN, "BadInternalError", "internal error: RuntimeError: oops"),
    ],
)
def test_what_the_device_said_is_the_verdict(
    tmp_path: Path, answer: WriteOutcome | Exception, verdict: Verdict, status: str, sentence: str
) -> None:
    async def scenario(post: Post) -> None:
        post.field.answer = lambda _item: answer
        got = await post.put("1/Cmd", True)
        assert got[:2] == (verdict, status)
        assert sentence in got[2]
        assert len(post.field.left) == 1, "never a second attempt"
        assert (await post.records())[-1].record.data["verdict"] == verdict.value

    with_post(tmp_path, scenario)


def test_a_device_that_accepts_and_holds_something_else_has_refused(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.keeps = lambda _cell: int(np.float64(800).view(np.int64))
        verdict, status, reason = await post.put("1/Level", 100)
        assert (verdict, status) == (Verdict.REFUSED, "BadDeviceFailure")
        assert reason.endswith("the device accepted 100 %; reads back 80 %")

    with_post(tmp_path, scenario)


def test_a_read_back_that_comes_late_is_waited_for_and_one_that_never_comes_is_unknown(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.read_error = DeviceSilent("no answer")
        asyncio.get_running_loop().call_later(0.5, setattr, post.field, "read_error", None)
        assert (await post.put("1/Level", 100))[0] is Verdict.CONFIRMED
        post.field.read_error = DeviceSilent("no answer")
        verdict, _, reason = await post.put("1/Level", 50)
        assert verdict is Verdict.UNKNOWN
        assert reason.endswith("the device accepted 50 %; read-back: no answer")

    with_post(tmp_path, scenario)


def test_an_effect_that_does_not_come_is_unknown_with_what_the_feedback_shows(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.effect_s = None
        set_value(post.table, post.row("1/Fb"), 0)
        began = asyncio.get_running_loop().time()
        assert await post.put("1/Cmd", True) == (
            Verdict.UNKNOWN,
            "BadTimeout",
            "21605/CAB-0001/Cmd: unknown: accepted, reads back true, but within 5 s no effect: Fb false",
        )
        assert 5 <= asyncio.get_running_loop().time() - began < 6
        set_value(post.table, post.row("1/Fb"), 1, StatusCode.BadNoCommunication)
        assert "no effect: Fb BadNoCommunication" in (await post.put("1/Cmd", True))[2]

    with_post(tmp_path, scenario)


def test_a_feedback_from_before_the_command_is_no_evidence(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        set_value(post.table, post.row("1/Fb"), 1)
        await asyncio.sleep(1)
        post.field.effect_s = None
        assert (await post.put("1/Cmd", True))[0] is Verdict.UNKNOWN

    with_post(tmp_path, scenario)


@pytest.mark.parametrize(("held", "verdict"), [(1, Verdict.CONFIRMED), (0, Verdict.UNKNOWN)])
def test_an_effect_that_was_there_before_is_asked_for(tmp_path: Path, held: int, verdict: Verdict) -> None:
    """The fan runs, and its feedback is told only when it changes: somebody asks for what is so already."""

    async def scenario(post: Post) -> None:
        row = post.row("1/Fb")
        set_value(post.table, row, 1)
        await asyncio.sleep(1)
        post.field.effect_s = None
        feedback = post.plant.devices[0].rows.tolist().index(row)
        post.field.raw[0, feedback] = held, None
        put = await post.put("1/Cmd", True)
        assert put[0] is verdict, put
        assert row in [int(b.rows[0]) for b in post.seen], "the table hears of it as well"

    with_post(tmp_path, scenario)


def test_a_device_known_to_be_silent_is_not_written_to(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        set_value(post.table, post.row("1/Comm"), 0)
        verdict, status, reason = await post.put("1/Cmd", True)
        assert (verdict, status) == (Verdict.REFUSED, "BadNotConnected")
        assert reason.endswith("21605/CAB-0001.controller does not answer; no byte left")
        assert post.field.left == []
        (entry,) = await post.records()
        assert entry.record.data["value"] is True, "the only record of it says what was asked"
        assert entry.record.data["command"] is None
        assert (await post.put("2/Cmd", True))[0] is Verdict.CONFIRMED

    with_post(tmp_path, scenario)


def test_without_a_permit_nothing_leaves_also_when_it_is_lost_while_waiting(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.permits.deadline_s = 0.0
        assert (await post.put("1/Cmd", True))[1] == "BadInvalidState"
        post.permits.deadline_s = float("inf")
        first = asyncio.create_task(post.put("1/Level", 10))
        second = asyncio.create_task(post.put("1/Level", 20))
        await asyncio.sleep(0.01)
        post.permits.deadline_s = 0.0
        assert (await first)[0] is Verdict.CONFIRMED, "it had left before"
        verdict, status, reason = await second
        assert (verdict, status) == (Verdict.REFUSED, "BadInvalidState")
        assert "lost its permit" in reason
        assert len(post.field.left) == 1

    with_post(tmp_path, scenario)


def test_what_cannot_be_journalled_is_not_done(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        append = post.journal.append

        async def full(_records: object) -> Any:
            raise JournalFull("journal /x: no space is left")

        post.journal.append = full  # type: ignore[method-assign]
        verdict, status, reason = await post.put("1/Cmd", True)
        assert (verdict, status) == (Verdict.REFUSED, "BadResourceUnavailable")
        assert "cannot be journalled, so it is not done: journal /x: no space is left" in reason
        assert post.field.left == []
        assert (await post.put("1/Fb", True))[1] == "BadNotWritable", "a refusal is a refusal without a record too"
        post.journal.append = append  # type: ignore[method-assign]

        def disk_fills_up(_item: WriteItem) -> WriteOutcome:
            post.journal.append = full  # type: ignore[method-assign]
            return WriteOutcome(Outcome.ACCEPTED)

        post.field.answer = disk_fills_up
        verdict, _, reason = await post.put("1/Cmd", True)
        assert verdict is Verdict.CONFIRMED
        assert "this verdict could not be journalled" in reason
        assert post.commands.status().verdicts_not_journalled == 1
        post.journal.append = append  # type: ignore[method-assign]

    with_post(tmp_path, scenario)


def test_commands_for_one_device_run_in_order_and_those_for_others_beside(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.write_s = 1.0
        began = asyncio.get_running_loop().time()
        puts = [post.put("1/Level", i) for i in range(4)] + [post.put("2/Level", i) for i in range(4)]
        results = await asyncio.gather(*puts)
        assert all(r[0] is Verdict.CONFIRMED for r in results)
        assert asyncio.get_running_loop().time() - began == pytest.approx(4.0)
        ones = [e.record.data["value"] for e in await post.records() if e.record.kind == "command"]
        assert sorted(ones[::2]) == ones[::2]
        assert [device for device, _ in post.field.left] == [0, 1] * 4

    with_post(tmp_path, scenario)


def test_hammering_on_a_closed_gate_does_not_fill_the_journal(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        for _ in range(REFUSALS_PER_MINUTE_MAX + 5):
            await post.put("1/Cmd", True, EVE)
        assert len(await post.records()) == REFUSALS_PER_MINUTE_MAX
        assert post.commands.status().refusals_not_journalled == 5
        await asyncio.sleep(61)
        await post.put("1/Cmd", True, EVE)
        assert len(await post.records()) == REFUSALS_PER_MINUTE_MAX + 1

    with_post(tmp_path, scenario)
