# SPDX-License-Identifier: Apache-2.0
"""The control socket: who may ask what, bounded, over a real Unix socket with the blocking client of the CLI."""

import asyncio
import dataclasses
import json
import os
import pwd
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.model import Role
from config.words import LinkState, StatusCode
from drivers.status import DeviceStatus
from historian.base import Record, RecordKind
from supervisor.control import door as door_module
from supervisor.control import operations, search
from supervisor.control.client import ControlClient, find_state_dir
from supervisor.control.door import LINE_LENGTH_MAX, ControlDoor
from supervisor.control.operations import Refused, Server, carry_out
from supervisor.control.readings import reading
from supervisor.control.search import find_rows, no_such_tag
from supervisor.failure import Failure
from supervisor.people import People, User
from supervisor.rights import Rights, Sight
from tests.plants import TypeSpec, make_plant, tag
from tests.post import ANNE, EVE, LEA, Post, plant, set_value, with_post

NAN = float("nan")
DEVICE = DeviceStatus(
    "21605/CAB-0001.controller", "modbus", LinkState.UP, "up 3 s", 0, 5, 4, 1, 0, False, 0.01, 0.02, 2.0, NAN
)


def server_of(post: Post, stopped: list[str] | None = None) -> Server:
    async def told(most: int | None) -> dict[str, Any]:
        return {"site": post.plant.site} | ({} if most is None else {"devices_max": most})

    return Server(
        table=post.table,
        commands=post.commands,
        journal=post.journal,
        clock=post.clock,
        status=told,
        devices=lambda: [DEVICE],
        stop=(stopped if stopped is not None else []).append,
    )


def with_door(
    tmp_path: Path, client: Callable[[Path], None], people: People | None = None, stopped: list[str] | None = None
) -> None:
    """Run a blocking client in a thread against a real door."""

    async def scenario(post: Post) -> None:
        door = ControlDoor(server_of(post, stopped), people or People(), post.offload.run)
        await door.open(tmp_path)
        try:
            await asyncio.to_thread(client, tmp_path)
        finally:
            await door.close()
            await door.close()
        assert not (tmp_path / "control.sock").exists()

    with_post(tmp_path, scenario, real=True)


def as_me(role: Role) -> People:
    people = People()
    people.add(User("moi", role), None, unix_user=pwd.getpwuid(os.geteuid()).pw_name)
    return people


# --- the socket -------------------------------------------------------------------------------------------------------


def test_a_person_reads_and_commands_through_the_socket(tmp_path: Path) -> None:
    def client(folder: Path) -> None:
        assert stat.S_IMODE((folder / "control.sock").stat().st_mode) == 0o660
        with ControlClient(folder) as control:
            assert control.call("status") == {"site": "hand"}
            assert control.call("status", devices=12) == {"site": "hand", "devices_max": 12}
            answer = control.call("put", tag="21605/CAB-0001/Level", value="42", note="essai")
            assert answer["verdict"] == "confirmed"
            (entry, verdict) = control.call("journal", n=5)["entries"]
            assert entry["user"] == "moi"
            assert entry["data"]["origin"].startswith("control ")
            assert verdict["data"]["command"] == entry["sequence"]
            assert control.call("put", tag="21605/CAB-0001/Level", value=101)["status"] == "BadOutOfRange"

    with_door(tmp_path, client, as_me(Role.OPERATOR))


def test_the_server_s_own_login_is_an_engineer_where_nobody_names_it(tmp_path: Path) -> None:
    stopped: list[str] = []

    def client(folder: Path) -> None:
        with ControlClient(folder) as control:
            assert control.call("stop") == {"stopping": True}

    with_door(tmp_path, client, stopped=stopped)
    assert stopped == ["asked by local through the control socket"]


def test_a_role_limits_what_may_be_asked(tmp_path: Path) -> None:
    def client(folder: Path) -> None:
        with ControlClient(folder) as control:
            for operation in ("stop", "journal"):
                with pytest.raises(Failure, match=rf"moi \(viewer\) may not {operation}"):
                    control.call(operation)
            assert control.call("put", tag="21605/CAB-0001/Level", value=1)["status"] == "BadUserAccessDenied"

    with_door(tmp_path, client, as_me(Role.VIEWER))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another login")
def test_an_unknown_login_is_turned_away_with_what_to_do(tmp_path: Path) -> None:
    """The other login connects in a child process; the kernel says who it is, whatever it claims."""

    def client(folder: Path) -> None:
        os.chmod(folder / "control.sock", 0o666)
        for parent in (folder, *folder.parents):
            if parent != Path("/") and not stat.S_IMODE(parent.stat().st_mode) & 0o001:
                os.chmod(parent, stat.S_IMODE(parent.stat().st_mode) | 0o011)
        here, there = os.pipe()
        if (child := os.fork()) == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(str(folder / "control.sock"))
                    os.write(there, s.recv(4096))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        answer = json.loads(os.read(here, 4096))
        os.close(here)
        os.close(there)
        assert not answer["ok"]
        assert "login 'nobody' is no user of this site" in answer["error"]

    with_door(tmp_path, client, as_me(Role.ENGINEER))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"hello\n", "expected one line of JSON"),
        (b"\xff\xfe\n", "expected one line of JSON"),
        (b"[" * 60000 + b"\n", "expected one line of JSON"),
        (b"[]\n", "expected {"),
        (b"{}\n", "expected {"),
        (
            b'{"op": "rm"}\n',
            "op: expected one of status, tags, read, put, devices, probe, replace, history, journal, note, ",
        ),
        (b'{"op": "read", "names": []}\n', "names: expected a list of 1..1000 tags"),
        (b'{"op": "read", "names": [7]}\n', "names: expected texts"),
        (b'{"op": "read", "names": ["21605/CAB-0001/Lvl"]}\n', "did you mean '21605/CAB-0001/Level'?"),
        (b'{"op": "put", "tag": "21605/CAB-0001/Level", "value": [1]}\n', "value: expected a text"),
        (
            b'{"op": "put", "tag": "21605/CAB-0001/Level", "value": 1, "note": "%b"}\n' % (b"x" * 501),
            "note: expected at most 500 characters, got 501; nothing was commanded",
        ),
        (b'{"op": "tags", "limit": 1e9}\n', "limit: expected a whole number 0..1000"),
        (b'{"op": "tags", "quality": "fine"}\n', "quality: expected one of any, good"),
        (b'{"op": "journal", "n": true}\n', "n: expected a whole number 0..1000"),
    ],
)
def test_a_wrong_request_gets_one_sentence_and_the_connection_lives_on(tmp_path: Path, line: bytes, error: str) -> None:
    def client(folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(folder / "control.sock"))
            file = s.makefile("rb")
            s.sendall(line)
            answer = json.loads(file.readline())
            assert not answer["ok"]
            assert error in answer["error"]
            s.sendall(b'{"op": "status"}\n')
            assert json.loads(file.readline())["ok"]
            file.close()

    with_door(tmp_path, client)


def test_a_line_without_end_closes_the_connection(tmp_path: Path) -> None:
    def client(folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(folder / "control.sock"))
            s.sendall(b"x" * (LINE_LENGTH_MAX + 1))
            said = b""
            try:
                while part := s.recv(4096):
                    said += part
            except ConnectionResetError:
                pass
            assert b"a request has at most 65536 bytes" in said

    with_door(tmp_path, client)


def test_connections_are_bounded_and_silent_ones_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(door_module, "IDLE_S", 0.3)

    def client(folder: Path) -> None:
        first, second, third = (socket.socket(socket.AF_UNIX) for _ in range(3))
        for s in (first, second):
            s.connect(str(folder / "control.sock"))
            s.sendall(b'{"op": "status"}\n')
            assert b"ok" in s.recv(100)
        third.connect(str(folder / "control.sock"))
        assert b"2 connections are open" in third.recv(1000)
        assert first.recv(100) == b"", "idle: ended by the server"
        for s in (first, second, third):
            s.close()

    with_door(tmp_path, client)


def test_a_client_that_hangs_up_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    def client(folder: Path) -> None:
        for part in (b"", b'{"op": "sta', b'{"op": "put", "tag": "21605/CAB-0001/Cmd", "value": true}\n'):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(folder / "control.sock"))
                s.sendall(part)
        with ControlClient(folder) as control:
            assert control.call("status")

    with_door(tmp_path, client)


def test_closing_ends_open_connections_and_the_client_says_so(tmp_path: Path) -> None:
    connected = threading.Event()
    told: list[str] = []

    def client(folder: Path) -> None:
        with ControlClient(folder) as control:
            try:
                while True:
                    control.call("status")
                    connected.set()
            except Failure as e:
                told.append(str(e))

    async def scenario(post: Post) -> None:
        door = ControlDoor(server_of(post), People(), post.offload.run)
        await door.open(tmp_path)
        waiting = asyncio.create_task(asyncio.to_thread(client, tmp_path))
        await asyncio.to_thread(connected.wait)
        await door.close()
        await waiting

    with_post(tmp_path, scenario, real=True)
    assert "ended the connection" in told[0]


@pytest.mark.parametrize("ends_by", ["its own slowness", "the server's stop"])
def test_a_client_that_does_not_read_keeps_neither_its_place_nor_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_by: str
) -> None:
    """`vigie tags`, stopped with Ctrl-Z in the middle of a long answer."""
    monkeypatch.setattr(door_module, "IDLE_S", 0.1 if ends_by == "its own slowness" else 60.0)
    monkeypatch.setattr(door_module, "LAST_WORD_S", 0.1)
    answer, second_answer, asked = door_module._answer, asyncio.Event(), list[object]()

    async def told(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
        asked.append(document)
        if len(asked) == 2:  # 400 kB lie there unread by now: more than socket and writer hold
            second_answer.set()
        await answer(writer, document)

    monkeypatch.setattr(door_module, "_answer", told)
    question = json.dumps({"op": "read", "names": ["21605/CAB-0001/Cmd"] * 1000}).encode() + b"\n"

    async def scenario(post: Post) -> None:
        door = ControlDoor(server_of(post), People(), post.offload.run)
        await door.open(tmp_path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "control.sock"))
            client.sendall(question * 3)
            await second_answer.wait()
            while ends_by == "its own slowness" and door._connections:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(10):
                await door.close()
        assert not [task for task in asyncio.all_tasks() if "_connected" in repr(task)], "nothing of it is left"

    with_post(tmp_path, scenario, real=True)


def test_no_server_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no server runs with the state folder"):
        ControlClient(tmp_path)
    assert find_state_dir(tmp_path) == tmp_path


def test_the_only_server_around_is_found_without_being_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / "var" / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "control.sock").touch()  # left behind by a server that died
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        for s, folder in ((one, folders[0]), (two, folders[1])):
            (folder / "control.sock").unlink()
            s.bind(str(folder / "control.sock"))
        one.listen()
        assert find_state_dir(None) == Path("var/a")
        two.listen()
        with pytest.raises(Failure, match="several servers run here: var/a, var/b"):
            find_state_dir(None)


def test_a_path_too_long_for_a_socket_is_one_sentence(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        door = ControlDoor(server_of(post), People(), post.offload.run)
        with pytest.raises(Failure, match="a socket's path has at most 107 bytes"):
            await door.open(tmp_path / ("x" * 120))

    with_post(tmp_path, scenario, real=True)


# --- what is answered -------------------------------------------------------------------------------------------------


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
