# SPDX-License-Identifier: Apache-2.0
"""`vigie certs` in a terminal: through the running server, named in the journal, and on the files without one."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.model import Role
from historian.base import Query, RecordKind
from supervisor.cli.main import main
from supervisor.control.certs import Certs
from supervisor.control.door import ControlDoor
from supervisor.hmi.entrance.certificates import put, take_offline_notes
from supervisor.hmi.entrance.pki import own_identity
from supervisor.hmi.entrance.trust import thumbprint
from supervisor.people import People, User
from tests.certificates import make
from tests.post import Post, with_post
from tests.unit.test_control import server_of

NOW = datetime.now(UTC)
LEAF = make("client", NOW)
DIGITS = thumbprint(LEAF.certificate)
Vigie = Callable[..., tuple[int, str]]


def terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> Vigie:
    def vigie(*arguments: str) -> tuple[int, str]:
        code = main(["certs", *arguments, "--state", str(folder)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return vigie


def make_pki(folder: Path) -> Path:
    own_identity(folder / "pki", "urn:post:vigie:test", "127.0.0.1", "post", int(NOW.timestamp()) * 10**9)
    put(folder / "pki", LEAF.certificate, "trusted")
    put(folder / "pki", LEAF.certificate, "rejected")
    return folder / "pki"


def with_server(tmp_path: Path, client: Callable[[], None], role: Role, renewals: list[bool]) -> list[tuple[str, str]]:
    """Run `client` in a thread against a door; returns (user, text) of the configuration records."""
    pki = make_pki(tmp_path)
    records: list[tuple[str, str]] = []

    async def renewed(new_key: bool) -> None:
        renewals.append(new_key)

    async def scenario(post: Post) -> None:
        people = People()
        people.add(User("moi", role), None, unix_user=pwd.getpwuid(os.geteuid()).pw_name)
        server = server_of(post)
        server.certs = Certs(pki, post.journal, post.offload.run, renewed)
        door = ControlDoor(server, people, post.offload.run)
        await door.open(tmp_path)
        try:
            await asyncio.to_thread(client)
        finally:
            await door.close()
        found = await post.journal.query(Query(kinds=frozenset({RecordKind.CONFIG}), limit=100))
        records.extend((e.record.user, e.record.text) for e in found.entries)

    with_post(tmp_path, scenario, real=True)
    return records


def test_a_client_is_let_in_and_put_out_in_ones_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vigie = terminal(tmp_path, capsys)

    def client() -> None:
        code, said = vigie()
        assert code == 0 and DIGITS in said and "turned away" in said and "own" in said
        assert vigie("trust", DIGITS[:10]) == (0, f"trusted  {DIGITS}  CN=client\n")
        code, said = vigie("show", DIGITS, "--json")
        assert json.loads(said)["folder"] == "trusted"
        assert vigie("revoke", DIGITS[:10])[0] == 0
        assert json.loads(vigie("show", DIGITS, "--json")[1])["folder"] == "revoked"
        code, said = vigie("trust", "0" * 40)
        assert code == 1 and "vigie certs` lists them all" in said

    records = with_server(tmp_path, client, Role.SECURITY, [])
    what = f"certificate {DIGITS} of CN=client"
    assert records == [("moi", f"{what}: trusted"), ("moi", f"{what}: revoked")]


def test_the_server_takes_up_its_new_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vigie, renewals = terminal(tmp_path, capsys), list[bool]()

    def client() -> None:
        assert vigie("renew")[1].startswith("renewed  ")
        assert vigie("renew", "--new-key")[0] == 0
        code, said = vigie("request")
        assert code == 0 and said.startswith("-----BEGIN CERTIFICATE REQUEST-----")
        (tmp_path / "wrong.pem").write_bytes(LEAF.pem)
        code, said = vigie("install", str(tmp_path / "wrong.pem"))
        assert code == 1 and "belongs neither" in said

    with_server(tmp_path, client, Role.ENGINEER, renewals)
    assert renewals == [False, True]


def test_an_operator_may_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vigie = terminal(tmp_path, capsys)

    def client() -> None:
        code, said = vigie("trust", DIGITS)
        assert code == 1 and "moi (operator) may not certs" in said

    assert with_server(tmp_path, client, Role.OPERATOR, []) == []


def test_without_a_server_the_files_are_changed_and_the_journal_is_told_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vigie, pki = terminal(tmp_path, capsys), make_pki(tmp_path)
    (tmp_path / "client.pem").write_bytes(LEAF.pem)
    assert vigie("trust", str(tmp_path / "client.pem"))[0] == 0
    assert json.loads(vigie("--json")[1])["trusted"][0]["thumbprint"] == DIGITS
    ((_, login, text),) = take_offline_notes(pki)
    assert login and text == f"certificate {DIGITS} of CN=client: trusted"
    assert vigie("trust")[0] == 1
    code, said = terminal(tmp_path / "nowhere", capsys)()
    assert code == 1 and "there is no" in said
