# SPDX-License-Identifier: Apache-2.0
"""`vigie demo` as a person uses it: real processes, a terminal, commands beside it, faults, every kind of end."""

import json
import os
import pty
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from historian.base import RecordKind
from historian.journal.reading import ChainReader
from historian.journal.verify import verify
from tests.sites import DEVICES
from tests.system.server_kit import PATIENCE_S, ROOT, VIGIE, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
PORTS = ("--port", "0", "--http-port", "0")


def vigie(state: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*VIGIE, *arguments, "--state", str(state)], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def demo(state: Path, stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A demo that is ready: it answers and every cabinet was read."""
    log = state.with_suffix(".out")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*VIGIE, "demo", "--state", str(state), *PORTS],
            cwd=ROOT,
            stdout=stdout or file,
            stderr=file,
            env={**os.environ, "TERM": "xterm"},
        )
    try:
        until(
            "the demo answers", lambda: process.poll() is not None or f"{DEVICES} answer" in vigie(state, "status")[1]
        )
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0, log.read_text()


def children(pid: int) -> list[int]:
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_person_commands_the_demo_and_breaks_a_device(tmp_path: Path) -> None:
    state = tmp_path / "d"
    with demo(state):
        code, said = vigie(state, "put", "21605/CAB-0003/K1_Cmd", "true", "--note", "essai")
        assert code == 0, said
        assert re.search(r"confirmed: accepted, reads back true, K1_Fb true after \d", said)
        assert vigie(state, "put", "21605/CAB-0003/Program", "100")[1].endswith("expected 0..99, got 100\n")
        assert "hang" in vigie(state, "simulate", "sennecey", "--turn", "CAB-0003", "hang 60 s")[1]
        code, said = vigie(state, "put", "21605/CAB-0003/DimSet", "40")
        assert code == 1
        assert ": unknown: " in said or "no byte left" in said
        until("K1_Fb is Bad", lambda: "BadNoCommunication" in vigie(state, "read", "21605/CAB-0003/K1_Fb")[1])
        assert re.search(r"K1_Fb +null .* true, \S+ s old", vigie(state, "read", "21605/CAB-0003/K1_Fb")[1])
        until("Comm is false", lambda: "false" in vigie(state, "read", "21605/CAB-0003/Comm")[1])
        code, said = vigie(state, "put", "21605/CAB-0003/DimSet", "40")
        assert (code, said.rpartition(": ")[2]) == (1, "21605/CAB-0003.controller does not answer; no byte left\n")
        assert vigie(state, "probe", "CAB-0003")[0] == 1
        assert vigie(state, "probe", "CAB-0004")[0] == 0
        vigie(state, "simulate", "sennecey", "--turn", "CAB-0003", "ok")
        until("it is Good again", lambda: " Good " in vigie(state, "read", "21605/CAB-0003/K1_Fb")[1])
        assert vigie(state, "put", "21605/CAB-0003/DimSet", "40")[0] == 0
        assert vigie(state, "note", "the crew is on site", "--tag", "CAB-0003")[0] == 0
        code, said = vigie(state, "journal", "--tag", "CAB-0003", "--kind", "note,command")
        assert (code, said.splitlines()[-1]) == (0, "5 records"), said
        assert "the crew is on site" in said.splitlines()[-2]
        code, said = vigie(state, "verify", "journal")
        assert (code, said[:21]) == (0, "the journal is whole:"), said
    assert verify(state / "journal").whole
    reader = ChainReader(state / "journal" / "journal.sqlite", 1)
    records = [e.record for e in reader.tail(1000)]
    reader.close()
    assert any(r.data.get("note") == "essai" for r in records)
    kinds = [r.kind for r in records]
    assert kinds.count(RecordKind.COMMAND) == 4, "what reached its turn, and what a gate refused"
    assert kinds.count(RecordKind.VERDICT) == 4, "what was carried out, and what its silent device kept from beginning"


def passwords(state: Path) -> set[str]:
    connect = state / "connect.json"
    assert stat.S_IMODE(connect.stat().st_mode) == 0o600
    return {user["password"] for user in json.loads(connect.read_text())["users"]}


def test_a_killed_demo_takes_its_field_along_and_the_next_one_has_a_screen_and_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "d"
    with demo(state) as process:
        first = passwords(state)
        code, said = vigie(state, "demo", *PORTS)
        assert (code, said) == (
            1,
            f"{DEVICES} simulated devices of sennecey start ...\n"
            "vigie demo: the field simulator ended: the field of sennecey cannot be simulated: "
            f"another field simulator runs in {state}; stop it first\n",
        )
        (field,) = children(process.pid)
        process.kill()
        process.wait(PATIENCE_S)
        until("the field has ended", lambda: not alive(field))
        assert "login     operator" in (tmp_path / "d.out").read_text()
    master, slave = pty.openpty()
    with demo(state, stdout=slave) as process:
        os.close(slave)
        assert len(passwords(state) | first) == 6, "fresh at every start"
        (field,) = children(process.pid)
        shown = _seen(master, f"{DEVICES} answer")
        assert b"\x1b[?1049h" in shown, "a screen of its own"
        assert b"operator" in shown
        process.send_signal(signal.SIGTERM)
        shown = _seen(master)
        assert b"\x1b[?1049l" in shown, "the terminal's own screen again"
        assert b"\x1b[?25h" in shown, "and its cursor"
        assert process.wait(PATIENCE_S) == 0
        assert not alive(field)
    os.close(master)
    assert {"connect.json", "control.sock", "field.json", "field.sock"}.isdisjoint(p.name for p in state.iterdir())


def _seen(terminal: int, text: str = "") -> bytes:
    """What a terminal was sent, up to a text, or all until its other end is closed."""
    shown = b""
    try:
        while not text or text.encode() not in shown:
            shown += os.read(terminal, 65536)
    except OSError:
        assert not text, "the terminal was closed: EIO"
    return shown
