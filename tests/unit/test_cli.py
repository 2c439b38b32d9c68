# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, its exit codes, what it imports, and every error as one sentence."""

import asyncio
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.words import StatusCode
from drivers.status import ExchangeStatus, Probed
from supervisor.cli import main as main_module
from supervisor.cli.main import COMMANDS, check_package, main
from supervisor.control.door import ControlDoor
from supervisor.control.operations import Server
from supervisor.failure import Failure
from supervisor.people import People, password_matches
from tests.config.case import PLANT
from tests.post import Post, set_value, with_post
from tests.sites import DEVICES, TAGS
from tests.unit.test_status_document import DEVICE, document

Output = tuple[int, str, str]


async def told(_devices_max: int | None) -> dict[str, Any]:
    """How this server is."""
    return document()


async def probed(index: int, timeout_s: float) -> Probed:
    """The one device of this server: half of it answers, and somebody else."""
    exchanges = (
        ExchangeStatus("holding 100..124", "state", 20, True, 2.0, 2.1, ()),
        ExchangeStatus("input 0..9", "measure", 5, False, 10.0, float("nan"), ("d: V1 at input 3: exception 2",)),
    )
    device = replace(DEVICE, declared="serial 142", impostor="d answers as e (expected serial 142, got serial 143)")
    return Probed(device, exchanges, "serial 143", "", 0.0123)


def with_server(tmp_path: Path, client: Callable[[Path], None]) -> None:
    """Run the blocking CLI in a thread against a real door."""

    async def scenario(post: Post) -> None:
        set_value(post.table, post.row("1/Level"), int(np.float64(42.5).view(np.int64)))
        set_value(post.table, post.row("1/Cmd"), 1)
        set_value(post.table, post.row("1/Level"), 0, StatusCode.BadNoCommunication)
        server = Server(
            table=post.table,
            commands=post.commands,
            journal=post.journal,
            clock=post.clock,
            status=told,
            devices=lambda: [DEVICE],
            stop=lambda _why: None,
            probe=probed,
        )
        door = ControlDoor(server, People(), post.offload.run)
        await door.open(tmp_path)
        try:
            await asyncio.to_thread(client, tmp_path)
        finally:
            await door.close()

    with_post(tmp_path, scenario, real=True)


@pytest.fixture
def vigie(capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    def run(*arguments: str) -> Output:
        try:
            code = main(arguments)
        except SystemExit as e:  # argparse
            code = int(str(e.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# --- the frame --------------------------------------------------------------------------------------------------------


def test_every_command_has_a_help_that_speaks_to_its_user(vigie: Callable[..., Output]) -> None:
    code, overview, _ = vigie("--help")
    assert code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", overview, re.M)
        code, text, _ = vigie(name, "--help")
        assert code == 0
        assert text.startswith(f"usage: vigie {name}")
        assert len(text.splitlines()) > 6, name


def test_wrong_usage_is_exit_code_2(vigie: Callable[..., Output]) -> None:
    assert vigie()[0] == 2
    code, _, error = vigie("chek")
    assert code == 2
    assert "no command 'chek'; expected one of demo, run, check" in error
    assert vigie("check")[0] == 2
    assert vigie("run", "sennecey", "--port", "70000")[0] == 2
    assert "expected a port 0..65535, got http" in vigie("run", "sennecey", "--http-port", "http")[2]
    for seconds in ("nan", "-5", "0", "inf", "soon"):
        code, _, error = vigie("run", "sennecey", "--for", seconds)
        assert code == 2
        assert f"expected more than 0 seconds, got {seconds}" in error
    assert vigie("tags", "--bad", "--good")[0] == 2


def test_the_version_is_told(vigie: Callable[..., Output]) -> None:
    assert vigie("--version")[1].startswith("vigie ")


@pytest.mark.parametrize("arguments", [("check", "sennecey"), ("plan", "sennecey", "sennecey"), ("schema", "site")])
def test_what_needs_no_server_loads_none_of_its_libraries(arguments: tuple[str, ...]) -> None:
    script = (
        "import sys; from supervisor.cli.main import main; code = main(sys.argv[1:]);"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'asyncua', 'pyarrow', 'twisted', 'uvloop', 'rich', 'prometheus_client'}), code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_supervisord_in_the_same_environment_is_one_sentence(
    vigie: Callable[..., Output], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_package()
    info = tmp_path / "supervisor-4.3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.3.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.metadata.version("supervisor") == "4.3.0"
    code, _, error = vigie("check", "sennecey")
    assert code == 1
    assert "supervisord 4.3.0 is installed in this Python environment" in error
    assert len(error.splitlines()) == 1


def test_a_foreign_package_of_our_name_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(main_module.supervisor, "__file__", str(tmp_path / "supervisor" / "__init__.py"))
    with pytest.raises(Failure, match="the Python package 'supervisor' comes from"):
        check_package()


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m supervisor.cli.main schema type | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[0] == "{"


@pytest.mark.parametrize(("where", "said"), [("a closed pipe", ""), ("/dev/full", "No space left on device")])
def test_output_that_cannot_be_written_is_told_once_and_before_the_exit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, said: str
) -> None:
    """What is short lies in a buffer until the end, where Python would tell a person of an ignored exception."""
    if where == "a closed pipe":
        reader, fd = os.pipe()
        os.close(reader)
    else:
        fd = os.open(where, os.O_WRONLY)
    with open(fd, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["--help"]) == 1
    assert said in capsys.readouterr().err


def test_closed_streams_do_not_give_their_numbers_to_files() -> None:
    """`vigie run <&- >&- 2>&-`: or the first file opened is number 1, and what is printed goes into it."""
    script = (
        "import os, sys; from supervisor.cli.main import main; code = main(['--version']);"
        "sys.exit(code or [os.readlink(f'/proc/self/fd/{n}') for n in range(3)] != ['/dev/null'] * 3)"
    )
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script]
    assert subprocess.run(command, check=False).returncode == 0


# --- sites ------------------------------------------------------------------------------------------------------------


def test_check_says_what_was_found_or_everything_that_is_wrong(vigie: Callable[..., Output], tmp_path: Path) -> None:
    code, out, _ = vigie("check", "sennecey")
    assert code == 0
    assert re.fullmatch(rf"sennecey: \d+ equipment, {TAGS:,} tags, {DEVICES} devices, .*; no problems\n", out)
    (tmp_path / "site.yaml").write_text("site: [\n")
    code, out, _ = vigie("check", str(tmp_path))
    assert code == 1
    assert out.splitlines()[-1] == "1 problem; nothing was started."
    assert out.startswith(f"{tmp_path}/site.yaml:")


def test_check_names_whose_password_is_weakly_hashed(vigie: Callable[..., Output]) -> None:
    code, out, _ = vigie("check", str(PLANT))
    assert code == 0 and "no problems\nboris: weakly hashed, by an earlier release; make a new hash" in out


def test_run_starts_nothing_on_a_broken_site(vigie: Callable[..., Output], tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: x\n")
    code, out, error = vigie("run", str(tmp_path), "--state", str(tmp_path / "state"))
    assert code == 1
    assert out == ""
    assert error.rstrip().endswith("nothing was started.")
    assert not (tmp_path / "state").exists()


def test_plan_of_a_site_against_itself_changes_nothing(vigie: Callable[..., Output]) -> None:
    assert vigie("plan", "sennecey", "sennecey") == (
        0,
        f"{TAGS:,} tags keep their history, 0 are new, 0 end; {DEVICES} devices are not touched\n",
        "",
    )
    assert json.loads(vigie("plan", "sennecey", "sennecey", "--json")[1])["rows_kept"] == TAGS


@pytest.mark.parametrize("kind", ["site", "type", "inventory", "users"])
def test_schema_prints_json(vigie: Callable[..., Output], kind: str) -> None:
    code, out, _ = vigie("schema", kind)
    assert code == 0
    assert json.loads(out)["title"] == f"Vigie: {kind}"


def test_passwd_makes_a_hash_of_what_is_long_enough(
    vigie: Callable[..., Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    code, out, _ = vigie("passwd", "anne", "--stdin")
    assert code == 0
    found = re.fullmatch(r'password_hash: "(.*)"  # anne\n', out)
    assert found
    assert password_matches("correct horse battery", found[1])
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert vigie("passwd", "anne", "--stdin") == (
        1,
        "",
        "vigie passwd: expected a password of at least 12 characters, got 5\n",
    )


def test_simulate_turn_without_a_simulator_is_one_sentence(vigie: Callable[..., Output], tmp_path: Path) -> None:
    code, _, error = vigie("simulate", "sennecey", "--state", str(tmp_path), "--turn", "CAB-0003", "ok")
    assert code == 1
    assert "no field simulator answers" in error


# --- a running server -------------------------------------------------------------------------------------------------


def test_read_shows_the_last_usable_value_beside_a_bad_one(tmp_path: Path, vigie: Callable[..., Output]) -> None:
    def client(folder: Path) -> None:
        code, out, _ = vigie("read", "21605/CAB-0001/Level", "21605/CAB-0001/Cmd", "--state", str(folder))
        assert code == 0
        level, cmd = (line for line in out.splitlines() if "CAB-0001" in line)
        assert re.search(r"Level +null +BadNoCommunication .* 42.5 %, \d+\.\d s old", level)
        assert re.search(r"Cmd +true +Good ", cmd)
        code, out, _ = vigie("read", "21605/CAB-0001/Level", "--state", str(folder), "--json")
        assert json.loads(out)["tags"][0]["last_usable"]["value"] == 42.5
        code, _, error = vigie("read", "21605/CAB-0001/Lvl", "--state", str(folder))
        assert code == 1
        assert error == "vigie read: no tag '21605/CAB-0001/Lvl'; did you mean '21605/CAB-0001/Level'?\n"

    with_server(tmp_path, client)


def test_put_prints_the_verdict_with_its_evidence(tmp_path: Path, vigie: Callable[..., Output]) -> None:
    def client(folder: Path) -> None:
        state = ("--state", str(folder))
        code, out, _ = vigie("put", "21605/CAB-0002/Level", "70", "--note", "essai", *state)
        assert (code, out) == (0, "21605/CAB-0002/Level: confirmed: accepted, reads back 70 %\n")
        code, out, _ = vigie("put", "21605/CAB-0002/Level", *state, "--json", "--", "-5")
        assert code == 1
        assert json.loads(out)["status"] == "BadOutOfRange"

    with_server(tmp_path, client)


def test_tags_are_listed_by_pattern_and_quality(tmp_path: Path, vigie: Callable[..., Output]) -> None:
    def client(folder: Path) -> None:
        state = ("--state", str(folder))
        code, out, _ = vigie("tags", "CAB-*/Cmd", *state)
        assert code == 0
        assert out.splitlines()[-1] == "2 tags"
        assert vigie("tags", "CAB-*/Cmd", "--good", *state)[1].splitlines()[-1] == "1 tag"
        assert vigie("tags", "nothing", *state)[1] == "0 tags\n"
        out = vigie("tags", "--limit", "3", *state)[1]
        assert out.splitlines()[-1] == "3 of 20 tags; more with --limit"
        assert len(json.loads(vigie("tags", "--limit", "0", "--json", *state)[1])["tags"]) == 20

    with_server(tmp_path, client)


def test_status_and_probe_tell_what_is_wrong(tmp_path: Path, vigie: Callable[..., Output]) -> None:
    def client(folder: Path) -> None:
        state = ("--state", str(folder))
        code, out, _ = vigie("status", *state)
        assert code == 0
        assert "tags      20: 20 good, 0 uncertain, 0 bad" in out
        assert re.search(r"^d +modbus +backing_off .* no reply$", out, re.M)
        code, out, _ = vigie("probe", "d", *state)
        assert code == 1
        assert "state       d down 5 s: no reply" in out
        assert "2.0 s wanted, - achieved, 2 slots missed" in out
        assert "refused     x" in out
        assert "must be     serial 142" in out and "says now    serial 143, after 12.3 ms" in out
        assert "questions   1 of 2 answered, 25 points, 1 refused" in out
        assert "    answered   holding 100..124: 20 points; state, every 2.0 s, 2.1 s achieved" in out
        assert "    NO ANSWER  input 0..9: 5 points, 1 refused; measure, every 10 s, - achieved" in out
        code, out, _ = vigie("probe", "d", "--json", *state)
        assert code == 1 and json.loads(out)["devices"][0]["now"]["said"] == "serial 143"
        assert vigie("probe", "zz", *state)[2] == (
            "vigie probe: no device is called 'zz'; 'vigie status --all' lists them\n"
        )

    with_server(tmp_path, client)


def test_replace_needs_a_reason_and_readings(tmp_path: Path, vigie: Callable[..., Output]) -> None:
    assert vigie("replace", "21605/CAB-0001")[0] == 2
    code, _, error = vigie("replace", "21605/CAB-0001", "--reason", "x", "--final", "E_act=much")
    assert code == 2 and "expected TAG=READING such as E_act=88231.7, got 'E_act=much'" in error

    def client(folder: Path) -> None:
        code, _, error = vigie("replace", "21605/CAB-0099", "--reason", "x", "--state", str(folder))
        assert (code, error) == (1, "vigie replace: no equipment '21605/CAB-0099'\n")

    with_server(tmp_path, client)


@pytest.mark.parametrize("command", [("status",), ("tags",), ("read", "x"), ("put", "x", "1"), ("probe", "x")])
def test_no_server_is_one_sentence(vigie: Callable[..., Output], tmp_path: Path, command: tuple[str, ...]) -> None:
    code, out, error = vigie(*command, "--state", str(tmp_path))
    assert (code, out) == (1, "")
    assert "no server runs with the state folder" in error
    assert len(error.splitlines()) == 1
