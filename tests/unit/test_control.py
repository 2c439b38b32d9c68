# SPDX-License-Identifier: Apache-2.0
"""The control socket: who may ask what, bounded, over a real Unix socket with the blocking client of the CLI."""

import asyncio
import json
import os
import pwd
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from supervisor.control import door as door_module
from supervisor.control.client import ControlClient, find_state_dir
from supervisor.control.door import LINE_LENGTH_MAX, ControlDoor
from supervisor.failure import Failure
from supervisor.people import People, User
from tests.control import server_of
from tests.post import Post, with_post


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
        (b'{"op": "shelve", "seconds": 1%b}\n' % (b"0" * 400), "finite and of at most 20 digits"),
        (b'{"op": "shelve", "seconds": 1e400}\n', "finite and of at most 20 digits"),
        (b'{"op": "put", "value": NaN}\n', "finite and of at most 20 digits"),
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
