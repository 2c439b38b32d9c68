# SPDX-License-Identifier: Apache-2.0
"""What the control door answers: readings, lists, hints, and to whom."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.model import Role
from config.words import StatusCode
from historian.base import Record, RecordKind
from supervisor.control import operations, search
from supervisor.control.operations import Refused, carry_out
from supervisor.control.readings import reading
from supervisor.control.search import find_rows, no_such_tag
from supervisor.people import User
from supervisor.rights import Rights, Sight
from tests.control import DEVICE, server_of
from tests.plants import TypeSpec, make_plant, tag
from tests.post import ANNE, EVE, LEA, Post, plant, set_value, with_post


def in_post(tmp_path: Path, scenario: Callable[[Post], Awaitable[None]], **kw: Any) -> None:
    with_post(tmp_path, scenario, **kw)


def test_a_bad_tag_is_null_with_its_last_usable_value_beside_it(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        row = post.row("1/Level")
        set_value(post.table, row, int(np.float64(42.5).view(np.int64)))
        await asyncio.sleep(10)
        set_value(post.table, row, 0, StatusCode.BadNoCommunication)
        await asyncio.sleep(5)
        (tag,) = (await carry_out(server_of(post), ANNE, "t", {"op": "read", "names": ["21605/CAB-0001/Level"]}))[
            "tags"
        ]
        assert tag["value"] is None
        assert (tag["status"], tag["unit"], tag["age_s"]) == ("BadNoCommunication", "%", 5.0)
        assert tag["last_usable"] == {"value": 42.5, "source_time": "2026-01-05T00:00:00.000Z", "age_s": 15.0}

    in_post(tmp_path, scenario)


def test_a_tag_that_was_never_good_has_no_last_usable_value(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        (tag,) = (await carry_out(server_of(post), ANNE, "t", {"op": "read", "names": ["21605/CAB-0001/Lux"]}))["tags"]
        assert (tag["value"], tag["status"]) == (None, "BadNotSupported")
        assert "last_usable" not in tag

    in_post(tmp_path, scenario)


def test_values_are_shown_as_people_write_them(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        set_value(post.table, post.row("1/Mode"), 2)
        set_value(post.table, post.row("1/Until"), 1772389800_000_000_000)
        set_value(post.table, post.row("1/Cmd"), 1)
        names = [f"21605/CAB-0001/{n}" for n in ("Mode", "Until", "Cmd")]
        tags = (await carry_out(server_of(post), ANNE, "t", {"op": "read", "names": names}))["tags"]
        assert [t["value"] for t in tags] == ["off", "2026-03-01T18:30:00.000Z", True]

    in_post(tmp_path, scenario)


def test_personal_data_is_withheld(tmp_path: Path) -> None:
    made = plant()
    kind = made.types["CAB"]
    block = dataclasses.replace(kind.blocks["Text"], info=dataclasses.replace(kind.blocks["Text"].info, personal=True))
    blocks = tuple(block if b.index == block.index else b for b in made.blocks)

    async def scenario(post: Post) -> None:
        set_value(post.table, block.start, 0)
        withheld = reading(post.table, block.start, LEA, 0)
        assert (withheld["value"], withheld["status"]) == (None, "BadUserAccessDenied")
        assert reading(post.table, block.start, User("s", Role.SECURITY), 0)["value"] == ""

    in_post(tmp_path, scenario, made=dataclasses.replace(made, blocks=blocks))


def test_a_long_list_comes_in_pages_and_by_quality(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        server = server_of(post)
        seen: list[str] = []
        after: int | None = 0
        while after is not None:
            page = await carry_out(server, EVE, "t", {"op": "tags", "limit": 7, "after": after})
            assert page["total"] == 20
            seen += [t["name"] for t in page["tags"]]
            after = page["next"]
        assert seen == list(post.plant.names())
        set_value(post.table, post.row("2/Cmd"), 1)
        good = await carry_out(server, EVE, "t", {"op": "tags", "pattern": "CAB-*/Cmd", "quality": "good"})
        assert [t["name"] for t in good["tags"]] == ["21605/CAB-0002/Cmd"]
        bad = await carry_out(server, EVE, "t", {"op": "tags", "pattern": "Cmd", "quality": "bad"})
        assert [t["name"] for t in bad["tags"]] == ["21605/CAB-0001/Cmd"]

    in_post(tmp_path, scenario)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("21605/CAB-0001/Cmd", ["21605/CAB-0001/Cmd"]),
        ("CAB-000?/Cmd", ["21605/CAB-0001/Cmd", "21605/CAB-0002/Cmd"]),
        ("*/CAB-0002/C*", ["21605/CAB-0002/Cmd", "21605/CAB-0002/Comm", "21605/CAB-0002/Calc"]),
        ("Lux", ["21605/CAB-0001/Lux", "21605/CAB-0002/Lux"]),
        ("21605/CAB-0001/", None),
        ("CAB-0002", None),
        ("21606/*/*", []),
        ("[", []),
        ("lux", []),
    ],
)
def test_a_pattern_means_what_a_person_means(pattern: str, names: list[str] | None) -> None:
    made = plant()
    found = [made.name(int(r)) for r in find_rows(made, pattern)]
    if names is None:
        assert len(found) == 10
        assert len({n.split("/")[1] for n in found}) == 1
    else:
        assert found == names


def test_one_word_is_an_equipment_or_a_tag_and_each_row_is_found_once() -> None:
    assert find_rows(plant(), "*").tolist() == list(range(plant().rows))


def test_an_unknown_tag_gets_a_hint() -> None:
    made = plant()
    sight = Sight(made, ANNE)
    assert no_such_tag(made, "21605/CAB-0001/Levl", sight) == (
        "no tag '21605/CAB-0001/Levl'; did you mean '21605/CAB-0001/Level'?"
    )
    assert no_such_tag(made, "21605/CAB-001/Level", sight).endswith("did you mean '21605/CAB-0001/Level'?")
    assert no_such_tag(made, "zzz", sight) == "no tag 'zzz'"


def test_devices_are_told_with_null_for_what_was_not_measured(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        answer = await carry_out(server_of(post), EVE, "t", {"op": "devices", "name": "CAB-0001"})
        (device,) = answer["devices"]
        assert device["round_trip_last_s"] == 0.01
        assert device["achieved_s"] is None
        assert (await carry_out(server_of(post), EVE, "t", {"op": "devices", "name": "CAB-9"}))["total"] == 0
        with pytest.raises(Refused, match="name: expected a text"):
            await carry_out(server_of(post), EVE, "t", {"op": "devices", "name": "x" * 2000})

    in_post(tmp_path, scenario)


def test_what_somebody_may_not_see_is_not_there_for_them(tmp_path: Path) -> None:
    """The same verdict as at the OPC UA door: no list holds it, no name finds it."""
    blind = User("bob", Role.OPERATOR, sees=frozenset({"21231"}))

    async def scenario(post: Post) -> None:
        server = server_of(post)
        assert (await carry_out(server, LEA, "test", {"op": "tags"}))["total"] > 0
        assert (await carry_out(server, blind, "test", {"op": "tags"}))["total"] == 0
        for request in (
            {"op": "read", "names": ["21605/CAB-0001/Level"]},
            {"op": "put", "tag": "21605/CAB-0001/Level"},
        ):
            with pytest.raises(Refused, match=r"no tag '21605/CAB-0001/Level'$"):
                await carry_out(server, blind, "test", {**request, "value": 1})

    with_post(tmp_path, scenario)


def test_what_a_person_may_not_see_is_not_there_on_this_door_either(tmp_path: Path) -> None:
    """Two cabinets, the second maintained by a company: tags, hints, devices, status, journal and notes, by person."""
    cabinets = plant().types["CAB"]
    made = dataclasses.replace(plant(), types={"CAB": dataclasses.replace(cabinets, maintained_by=("", "Elec"))})
    made._where.update({path: (made.types["CAB"], i) for i, path in enumerate(made.types["CAB"].equipment)})
    worker = User("wanda", Role.ENGINEER, None, "Elec", limited=True)
    abroad = User("ida", Role.OPERATOR, sees=frozenset({"21000"}))
    other = dataclasses.replace(DEVICE, name="21605/CAB-0002.controller")

    async def told(_most: int | None) -> dict[str, Any]:
        return {"devices": [{"name": d.name} for d in (DEVICE, other)]}

    async def scenario(post: Post) -> None:
        server = server_of(post)
        server.table.plant = made
        server.rights = Rights(made)
        server.devices = lambda: [DEVICE, other]
        server.status = told

        async def ask(user: User, op: str, **arguments: Any) -> Any:
            return await carry_out(server, user, "control test", {"op": op, **arguments})

        async def names(user: User, op: str) -> list[str]:
            return [d["name"] for d in (await ask(user, op))["devices"]]

        for op in ("devices", "status"):
            assert await names(LEA, op) == [DEVICE.name, other.name]
            assert await names(worker, op) == [other.name]
            assert await names(abroad, op) == []
        for name in ("21605/CAB-0001/Level", "21605/CAB-0001/Levl", "21605/CAB-001/Level"):
            for user in (worker, abroad):
                with pytest.raises(Refused) as refused:
                    await ask(user, "read", names=[name])
                assert "CAB-0001/Level'?" not in str(refused.value) or "CAB-0002" in str(refused.value)
        with pytest.raises(Refused, match="did you mean '21605/CAB-0001/Level'"):
            await ask(LEA, "read", names=["21605/CAB-0001/Levl"])

        for subject in ("21605/CAB-0001", "21605/CAB-0002/Level", "21605/CAB-0009", "21605", ""):
            await post.journal.append([Record(5, RecordKind.NOTE, "lea", subject, f"of {subject}", {})])
        await post.journal.append([Record(6, RecordKind.LOGIN, "lea", "", "logged in", {})])
        await post.journal.append([Record(7, RecordKind.NOTE, "wanda", "21605/CAB-0001", "what I did myself", {})])

        async def texts(user: User, **arguments: Any) -> list[str]:
            return [e["text"] for e in (await ask(user, "journal", **arguments))["entries"]]

        assert len(await texts(LEA)) == 7
        assert await texts(worker) == ["of 21605/CAB-0002/Level", "of ", "what I did myself"]
        assert await texts(abroad) == ["of ", "logged in"]
        assert await texts(worker, n=1) == ["what I did myself"]
        assert (await ask(worker, "journal", n=1))["more"] and not (await ask(worker, "journal", n=3))["more"]
        with pytest.raises(Refused, match="no area, equipment or tag '21605/CAB-0001'"):
            await ask(worker, "note", text="x", subject="21605/CAB-0001")
        assert (await ask(worker, "note", text="x", subject="CAB-0002"))["subject"] == "21605/CAB-0002"
        for op in ("stop", "certs"):  # the server's own matters
            with pytest.raises(Refused, match="may not"):
                await ask(worker, op)

    with_post(tmp_path, scenario)


def test_looking_for_what_one_may_see_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PAGES_MAX", 2)
    monkeypatch.setattr(operations, "RECORDS_MAX", 5)
    abroad = User("ida", Role.OPERATOR, sees=frozenset({"21000"}))

    async def scenario(post: Post) -> None:
        about = "21605/CAB-0001"
        await post.journal.append([Record(1, RecordKind.NOTE, "lea", "", "old", {})])
        await post.journal.append([Record(2, RecordKind.NOTE, "lea", about, str(i), {}) for i in range(12)])
        with pytest.raises(Refused, match="nothing for you among the newest 10 records"):
            await carry_out(server_of(post), abroad, "control test", {"op": "journal", "n": 1})
        answer = await carry_out(server_of(post), abroad, "control test", {"op": "journal", "n": 1, "before": 5})
        assert [e["text"] for e in answer["entries"]] == ["old"]

    with_post(tmp_path, scenario)


def test_a_hint_looks_at_few_names_and_first_at_those_of_the_same_area(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is scanned meanwhile: a large city's 3,500 names took 140 ms."""
    names = [f"{area}/CAB-{n:04d}" for area in ("21605", "21231") for n in range(1, 1500)]
    plant = make_plant({"CAB": TypeSpec({"V1": tag("Float")})}, {"CAB": names})
    compared: list[int] = []
    real = search.difflib.get_close_matches
    monkeypatch.setattr(
        search.difflib, "get_close_matches", lambda word, of, n: compared.append(len(of)) or real(word, of, n)
    )
    sight = Sight(plant, LEA)
    assert no_such_tag(plant, "21231/CAB-00012/V1", sight).endswith("did you mean '21231/CAB-0012/V1'?")
    assert no_such_tag(plant, "CAB-0012/V1", sight).endswith("did you mean '21605/CAB-0012/V1'?")
    assert compared == [search.NEAR_MAX, search.NEAR_MAX]
