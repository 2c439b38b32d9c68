# SPDX-License-Identifier: Apache-2.0
"""The server as an operator meets it: real processes, real sockets, kill -9, a full disk, a port in use."""

from __future__ import annotations

import json
import resource
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from tests.sites import TAGS
from tests.system.node_kit import node_reads
from tests.system.opcua_kit import client_certificate
from tests.system.server_kit import Process, Server, running, site_of_its_own, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

CABINET = "21605/CAB-0001"
GOOD, UNCERTAIN, LOST = "Good", "UncertainNoCommunicationLastUsableValue", "BadNoCommunication"


def everything_answers(server: Server) -> bool:
    status = server.status()
    return status["tags"]["good"] > 880 and all_up(status)


def all_up(status: dict[str, Any]) -> bool:
    return all(d["link"] == "up" for d in status["devices"])


def test_make_demo_as_a_newcomer(tmp_path: Path) -> None:
    """One command: values over encrypted OPC UA equal the registers a foreign Modbus client reads."""
    state = tmp_path / "state"
    with running(Server(state, "demo")) as demo:
        assert isinstance(demo, Server)
        until("every device answers", lambda: everything_answers(demo))
        assert stat.S_IMODE((state / "connect.json").stat().st_mode) == 0o600
        assert demo.status()["tags"]["total"] == TAGS
        code, said = demo.vigie("simulate", "sennecey", "--turn", "*", "freeze")
        assert code == 0, said
        registers = _registers(json.loads((state / "field.json").read_text()))
        names = [f"21605/CAB-{i:04d}/V{phase}" for i in range(1, 18) for phase in (1, 2, 3)]
        expected = [registers[name] for name in names]
        until("a poll after the field stood still", lambda: _read_opcua(demo, names, tmp_path) == expected)
        _node_reads_the_same(demo, registers, tmp_path)
        code, said = demo.vigie("put", f"{CABINET}/DimSet", "70", "--note", "essai")
        assert code == 0 and "confirmed" in said, said
        code, said = demo.end(signal.SIGINT)
        assert code == 0, said
        assert not (state / "connect.json").exists()


def _registers(field: dict[str, tuple[str, int]]) -> dict[str, float]:
    values = {}
    for device, (host, port) in field.items():
        if "/CAB-" not in device:
            continue
        with ModbusTcpClient(host, port=port) as client:
            read = client.read_input_registers(0, count=3, device_id=1)
            for phase, raw in enumerate(read.registers, start=1):
                values[f"{device.rpartition('.')[0]}/V{phase}"] = round(raw * 0.1, 3)
    return values


def _read_opcua(server: Server, names: list[str], folder: Path) -> list[float]:
    import asyncio

    from asyncua import Client
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

    async def read() -> list[float]:
        certificate, key = client_certificate(folder / "client")
        client = Client(server.connect["endpoint"], timeout=20)
        user = next(u for u in server.connect["users"] if u["role"] == "viewer")
        client.set_user(user["name"])
        client.set_password(user["password"])
        client.application_uri = "urn:vigie:test:client"
        await client.set_security(SecurityPolicyBasic256Sha256, str(certificate), str(key))
        async with client:
            nodes = [client.get_node(f"ns=2;s={name}") for name in names]
            return [round(v, 3) for v in await client.read_values(nodes)]

    return asyncio.run(read())


def _node_reads_the_same(server: Server, registers: dict[str, float], folder: Path) -> None:
    """A second client, by other people in another language."""
    user = next(u for u in server.connect["users"] if u["role"] == "viewer")
    names = sorted(registers)[:6]
    identity = client_certificate(folder / "node-client")
    login = user["name"], user["password"]
    seen = node_reads(server.connect["endpoint"], [*names, f"{CABINET}/LampsOut"], login, identity, folder / "node-pki")
    assert {name: round(seen[name]["value"], 3) for name in names} == {name: registers[name] for name in names}
    assert seen[f"{CABINET}/LampsOut"] == {"value": None, "type": "Null", "status": "BadNotSupported"}


def test_a_killed_server_remembers_a_full_disk_is_said_and_a_killed_field_turns_null_and_comes_back(
    tmp_path: Path,
) -> None:
    site, state = str(site_of_its_own(tmp_path)), tmp_path / "state"
    field_arguments = ("simulate", site, "--state", str(tmp_path / "field"))
    with running(Process(*field_arguments)) as field:
        _remembers(site, state)
        with running(Server(state, "run", site)) as server:
            assert isinstance(server, Server)
            assert server.status()["epoch"] == 3
            assert server.status()["errors"] == []
            until("every device is up", lambda: all_up(server.status()))
            _full_disk(server)
            field.end(signal.SIGKILL)
            _is_told(server)
            with running(Process(*field_arguments)):
                until("every device is up again without help", lambda: all_up(server.status()))
                until("good again", lambda: _not_good(server) is None)


def _remembers(site: str, state: Path) -> None:
    """Ended in order, then killed: each time it begins with what it knew."""
    slow = f"{CABINET}/E_act"  # asked once a minute: the first look after a start shows what was kept
    with running(Server(state, "run", site)) as first:
        assert isinstance(first, Server)
        until("every device answers", lambda: everything_answers(first))
        counted = until("the meter was read", lambda: first.read(slow)[slow]["value"])
        code, said = first.end(signal.SIGTERM)
        assert code == 0, said
    with running(Server(state, "run", site)) as second:
        assert isinstance(second, Server)
        assert second.status()["epoch"] == 2
        assert second.read(slow)[slow]["value"] >= counted, "last values are there before the field is asked"
        until("every device is up", lambda: all_up(second.status()))
        second.end(signal.SIGKILL)


def _full_disk(server: Server) -> None:
    """It is said, commands are refused, polling goes on."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, hard))
    code, said = server.vigie("put", f"{CABINET}/K1_Cmd", "true")
    assert code == 1 and "refused" in said and "journal" in said, said
    assert any("journal" in error for error in server.status()["errors"])
    until("the tag says it", lambda: server.read("21605/SYS-0001/HistOK")["21605/SYS-0001/HistOK"]["value"] is False)
    applied = server.status()["scan"]["values_applied"]
    until("polling goes on", lambda: server.status()["scan"]["values_applied"] > applied + 100)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    code, said = server.vigie("put", f"{CABINET}/K1_Cmd", "true")
    assert code == 0, said
    until("and it is over", lambda: server.status()["errors"] == [])


def _is_told(server: Server) -> None:
    """That the field does not answer: by quality, by `Comm`, by a refused command, by `vigie probe`."""
    first = until("not good any more", lambda: _not_good(server))
    assert first in (UNCERTAIN, LOST)
    lost = until("bad and null", lambda: _lost(server))
    assert lost["value"] is None, "never an old number as true"
    assert "last_usable" in lost, "what was last known stands beside the null"
    comm = server.read(f"{CABINET}/Comm")[f"{CABINET}/Comm"]
    assert (comm["value"], comm["status"]) == (False, GOOD), "that it does not answer is a fact"
    code, said = server.vigie("put", f"{CABINET}/K1_Cmd", "true")
    assert code == 1 and "refused" in said and "no byte left" in said, said
    code, said = server.vigie("probe", "CAB-0001")
    assert code == 1 and "CAB-0001.controller down" in said, said


def _not_good(server: Server) -> str | None:
    status = server.read(f"{CABINET}/K1_Fb")[f"{CABINET}/K1_Fb"]["status"]
    return None if status == GOOD else str(status)


def _lost(server: Server) -> dict[str, object] | None:
    reading = server.read(f"{CABINET}/K1_Fb")[f"{CABINET}/K1_Fb"]
    return reading if reading["status"] == LOST else None


def refusal(tmp_path: Path, *arguments: str, state: Path | None = None) -> str:
    """What a server that does not start says: one line, exit 1."""
    process = Process(*arguments, "--state", str(state or tmp_path / "state"))
    with running(process):
        said = process.words().strip()
    assert process.process.returncode == 1, said
    return said.splitlines()[-1]


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    site = str(site_of_its_own(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refusal(tmp_path, "run", site, "--port", port, "--http-port", "0")
        assert port in said and "--port" in said, said
        said = refusal(tmp_path, "run", site, "--port", "0", "--http-port", port)
        assert port in said and "--http-port" in said, said


def test_a_state_folder_of_another_site_and_an_unreadable_certificate_are_one_sentence(tmp_path: Path) -> None:
    site = str(site_of_its_own(tmp_path))
    own = tmp_path / "state" / "pki" / "own"
    own.mkdir(parents=True)
    certificate, key = client_certificate(tmp_path / "client")
    (own / "certificate.der").write_bytes(certificate.read_bytes()[:100])
    (own / "key.pem").write_bytes(key.read_bytes())
    said = refusal(tmp_path, "run", site, "--port", "0", "--http-port", "0")
    assert "certificate" in said, said
    (tmp_path / "state" / "site").write_text("longvic\n")
    said = refusal(tmp_path, "run", site, "--port", "0", "--http-port", "0")
    assert "holds the state of site 'longvic', not of 'sennecey'" in said, said


def test_two_servers_of_one_folder(tmp_path: Path) -> None:
    site, state = str(site_of_its_own(tmp_path)), tmp_path / "state"
    with running(Server(state, "run", site)) as server:
        said = refusal(tmp_path, "run", site, "--port", "0", "--http-port", "0", state=state)
        assert f"another Vigie server (process {server.pid})" in said, said


def test_broken_files_start_nothing(tmp_path: Path) -> None:
    site = site_of_its_own(tmp_path)
    text = (site / "site.yaml").read_text()
    (site / "site.yaml").write_text(text.replace("scan:", "scann:"))
    said = refusal(tmp_path, "run", str(site))
    assert said.endswith("nothing was started.")
    assert not (tmp_path / "state").exists()
