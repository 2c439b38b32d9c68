# SPDX-License-Identifier: Apache-2.0
"""The alarm commands in a terminal: what an operator reads, does, and is told when it cannot be done."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.model import AlarmRule
from config.words import cell_of
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.desk import AlarmDesk
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.rules import RuleBook
from supervisor.cli.main import main
from supervisor.cli.status import alarms_line
from supervisor.cli.view import alarm_lines, page
from supervisor.control.door import ControlDoor
from supervisor.control.operations import Server
from supervisor.people import People
from supervisor.tags.locality import Locality
from tests.post import Post, set_value, with_post
from tests.unit.test_status_document import document
from tests.unit.test_view import CONNECT

TEXT = {"fr": "Niveau haut", "en": "Level high"}
RULES = {
    "Level_high": {"on": "limit", "tag": "Level", "high": 80, "priority": "P2", "text": TEXT, "owner_desk": "lighting"},
    "Fb_on": {"on": "discrete", "tag": "Fb", "equals": True, "priority": "P4", "text": TEXT},
}
Lines = Callable[..., tuple[int, list[str]]]


def in_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], client: Callable[[Lines], None]) -> None:
    """Both cabinets' level is high; the CLI runs in a thread against a real door."""

    def vigie(*arguments: str) -> tuple[int, list[str]]:
        code = main([*arguments, "--state", str(tmp_path)])
        captured = capsys.readouterr()
        return code, (captured.out + captured.err).splitlines()

    async def scenario(post: Post) -> None:
        rules = {"CAB": {name: AlarmRule.model_validate(rule) for name, rule in RULES.items()}}
        engine = AlarmEngine(Conditions(RuleBook(post.plant, rules), Locality(47.3, 5.0, "Europe/Paris")))
        desk = AlarmDesk(engine, post.journal, post.clock, post.offload.run)
        await desk.restore()
        desk.start()
        info = post.plant.types["CAB"].blocks["Level"].info
        for i in (1, 2):
            set_value(post.table, post.row(f"{i}/Level"), cell_of(info.kind, 80.5 + i))
            set_value(post.table, post.row(f"{i}/Fb"), 0)
        desk.watch(post.table, post.clock.wall_ns())
        while desk.writer.waiting:
            await asyncio.sleep(0.01)
        server = Server(
            table=post.table,
            commands=post.commands,
            journal=post.journal,
            clock=post.clock,
            status=document,
            devices=lambda: [],
            stop=lambda _why: None,
            alarms=desk,
        )
        door = ControlDoor(server, People(), post.offload.run)
        await door.open(tmp_path)
        try:
            await asyncio.to_thread(client, vigie)
        finally:
            await door.close()
            await desk.close()

    with_post(tmp_path, scenario, real=True)


def test_an_operator_reads_acknowledges_and_shelves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def client(vigie: Lines) -> None:
        code, lines = vigie("alarms")
        assert code == 0 and lines[-1] == "2 alarms" and "équipement" in lines[0]
        (first,) = [line for line in lines if "CAB-0001" in line]
        for part in ("▲ 2", "à acquitter", "Niveau haut", "81.5 % / 80", "lighting"):
            assert part in first, part
        event = first.split()[-1]
        assert vigie("ack", event, "--note", "vu") == (0, ["acknowledged  21605/CAB-0001/Level_high"])
        code, lines = vigie("ack", event)
        assert code == 1 and lines[0].startswith("REFUSED  21605/CAB-0001/Level_high: ")
        code, lines = vigie("alarms", "--lang", "en", "CAB-0001")
        assert "acknowledged" in lines[2] and "Level high [vu]" in lines[2] and lines[2].split()[-2] == "local"
        code, lines = vigie("shelve", "CAB-0002/Level_high", "--for", "1 h", "--reason", "travaux")
        assert code == 0 and lines[0].startswith("shelved  21605/CAB-0002/Level_high until ")
        assert vigie("alarms")[1][-1] == "1 alarm"
        code, lines = vigie("alarms", "--shelved")
        assert "en veille jusqu'à" in lines[2] and "(local)" in lines[2]
        assert vigie("unshelve", "CAB-0002/Level_high") == (0, ["unshelved  21605/CAB-0002/Level_high"])
        code, lines = vigie("alarms", "--history")
        assert [line.split()[3] for line in lines[2:]] == ["alarm", "alarm", "acknowledged", "shelved", "unshelved"]
        assert vigie("ack", "*")[0] == 0 and vigie("ack", "*") == (1, ["nothing there to be acknowledged"])

    in_terminal(tmp_path, capsys, client)


def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def client(vigie: Lines) -> None:
        assert vigie("ack", "CAB-0009/*") == (
            1, ["vigie ack: no alarm matches 'CAB-0009/*'; 'vigie alarms' shows those that stand"],
        )  # fmt: skip
        code, lines = vigie("shelve", "CAB-0002/Level_hi", "--for", "1 h", "--reason", "x")
        assert code == 1 and "did you mean 'CAB-0002/Level_high'?" in lines[0]
        code, lines = vigie("shelve", "CAB-0002/Level_high", "--for", "20 h", "--reason", "x")
        assert code == 1 and "up to 12 h" in lines[0]

    in_terminal(tmp_path, capsys, client)
    for wrong in (["--for", "soon", "--reason", "x"], ["--for", "1 h"], ["--reason", "x"]):
        with pytest.raises(SystemExit):
            main(["shelve", "CAB-0002/Level_high", *wrong])


def test_scripts_get_json_and_a_report_its_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def client(vigie: Lines) -> None:
        code, lines = vigie("alarms", "--json", "--limit", "1")
        answer = json.loads("\n".join(lines))
        assert (code, answer["total"], len(answer["alarms"])) == (0, 2, 1)
        assert vigie("alarms", "--limit", "1")[1][-1] == "1 of 2 alarms; narrow PATTERN"
        code, lines = vigie("report", "alarms")
        text = "\n".join(lines)
        for part in (
            "announced  2: ▲ 2: 2", "at most 2", "50.0%", "chattering: none", "more than a day: 0", "upsets: none",
            "hidden by people: 0 shelved, 0 out of service, 0 disabled; now 0 shelved", "without the right to: 0",
        ):  # fmt: skip
            assert part in text, part
        assert ["lighting", "2", "2.0", "2"] in [line.split()[:4] for line in lines], "each desk"
        assert ["21605", "2", "2.0", "2"] in [line.split()[:4] for line in lines], "each area"
        code, lines = vigie("report", "alarms", "--json", "--days", "7")
        assert json.loads("\n".join(lines))["annunciated"] == 2

    in_terminal(tmp_path, capsys, client)


def alarm(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": "21605/CAB-0003/Supply_Loss", "event": "1/5/12", "priority": "P2", "state": "B", "known": False,
        "raised": "2026-01-05T18:00:00.000Z", "equipment": "CAB-0003", "text": {"fr": "Sans tension", "en": "x"},
        "comment": None, "chattering": False, "children": {"suppressed": ["a", "b"], "unknown": 3, "standing": []},
    }  # fmt: skip
    return made | changes


def test_the_demo_s_screen_shows_the_counts_and_the_newest(tmp_path: Path) -> None:
    from rich.console import Console

    counts = {"active": 3, "unacked": 1, "shelved": 0, "suppressed": 7, "out_of_service": 0, "unevaluable": 1}
    assert alarms_line(counts) == "3 active, 1 to acknowledge, 0 shelved, 7 suppressed, 1 rule unknown"
    (line,) = alarm_lines([alarm()])
    assert line.startswith("▲ 2  ") and "CAB-0003  Sans tension +2  (à acquitter ?; vigie ack 1/5/12)" in line
    console = Console(width=160, height=50, record=True, file=io.StringIO())
    console.print(page(CONNECT, document() | {"alarms": counts}, [alarm()]))
    text = console.export_text()
    assert "alarms    3 active, 1 to acknowledge" in text and "Sans tension +2" in text
