# SPDX-License-Identifier: Apache-2.0
"""The demo's screen: where to connect, what is silent, what to try; and nothing that a terminal would obey."""

import io
import shlex
from pathlib import Path

import pytest

from config.words import LinkState
from supervisor.cli.demo import hints
from supervisor.cli.view import connect_lines, draws, one_line, page
from supervisor.status import count_devices
from tests.sites import sennecey
from tests.unit.test_status_document import document

CONNECT = {
    "endpoint": "opc.tcp://127.0.0.1:4840",
    "insecure_endpoint": "opc.tcp://127.0.0.1:4841",
    "http": "http://127.0.0.1:9840",
    "users": [{"name": "operator", "password": "pw", "role": "operator"}],
    "server_certificate": "x",
}


@pytest.mark.parametrize(("terminal", "screen"), [("xterm", True), ("dumb", False), (None, False)])
def test_a_screen_is_for_terminals_that_can_draw(terminal: str | None, screen: bool) -> None:
    from rich.console import Console

    environment = {"TERM": terminal or "xterm"}
    assert draws(Console(force_terminal=terminal is not None, file=io.StringIO(), _environ=environment)) is screen


def test_the_screen_shows_where_to_connect_and_what_is_silent() -> None:
    from rich.console import Console

    console = Console(width=160, height=50, record=True, file=io.StringIO())
    console.print(page(CONNECT, document("journal /x: no space is left"), hints=["try: vigie tags"]))
    text = console.export_text()
    for part in ("opc.tcp://127.0.0.1:4840", "operator  pw", "20 good", "ERROR", "no reply", "try: vigie tags"):
        assert part in text
    assert "1: 0 answer, 1 do not (modbus 0 of 1)" in text
    assert one_line(document()) == (
        "20 tags: 20 good, 0 uncertain, 0 bad; 1 device, 1 silent (d); scan 1.2 ms, 2 missed"
    )
    assert connect_lines(CONNECT)[1].startswith("insecure  opc.tcp://127.0.0.1:4841")


def test_devices_that_answer_are_counted_not_listed() -> None:
    from rich.console import Console

    well = document()
    well["devices"][0]["link"] = "up"
    well["device_counts"] = count_devices([("modbus", LinkState.UP)] * 850 + [("dali", LinkState.UP)] * 40)
    console = Console(width=160, height=50, record=True, file=io.StringIO())
    console.print(page(CONNECT, well))
    text = console.export_text()
    assert "890: 890 answer, 0 do not (dali 40, modbus 850)" in text
    assert "round trip" not in text and "more" not in text


def test_what_to_try_can_be_copied_as_it_stands(tmp_path: Path) -> None:
    site = sennecey()
    tried = hints(site, "sennecey", tmp_path / "a b")
    units = {f"{unit.area}/{unit.name}" for units in site.equipment.values() for unit in units}
    words = [shlex.split(line.partition("   ")[0]) for line in tried[1:]]
    assert all(line[-2:] == ["--state", str(tmp_path / "a b")] for line in words)
    assert words[1][1:4] == ["put", "21605/CAB-0003/K1_Cmd", "true"] and "21605/CAB-0003" in units
    assert words[3][1:5] == ["simulate", "sennecey", "--turn", "21605/FDR-0001"] and "21605/FDR-0001" in units


def test_text_from_a_device_is_never_markup_nor_terminal_control() -> None:
    from rich.console import Console

    from supervisor.cli.ask import plain

    console = Console(file=io.StringIO(), record=True)
    console.print(plain("[red]hot[/red] \x1b[2J"))
    assert console.export_text() == "[red]hot[/red] �[2J\n"
