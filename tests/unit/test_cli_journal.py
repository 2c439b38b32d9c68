# SPDX-License-Identifier: Apache-2.0
"""`vigie journal`, `note` and `verify journal` at a terminal."""

import json
import re
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from supervisor.cli import times
from supervisor.cli.alarms import local
from supervisor.cli.main import main
from tests.unit.test_cli import with_server

Output = tuple[int, str, str]
PARIS = ZoneInfo("Europe/Paris")
NOW_NS = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def vigie(capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    def run(*arguments: str) -> Output:
        try:
            code = main(arguments)
        except SystemExit as e:
            code = int(str(e.code))
        return code, *capsys.readouterr()

    return run


def test_a_note_is_found_by_tag_person_kind_and_time(tmp_path: Path, vigie: Callable[..., Output]) -> None:
    def client(folder: Path) -> None:
        state = ("--state", str(folder))
        assert (
            vigie("note", "door [b]open[/b]\x1b[2J", "--tag", "CAB-0002", *state)[1] == "noted as 4/1, 21605/CAB-0002\n"
        )
        assert vigie("note", "shift handed over", *state)[1] == "noted as 4/2\n"
        assert json.loads(vigie("note", "third", "--json", *state)[1])["sequence"] == 3
        vigie("put", "21605/CAB-0002/Level", "70", "--note", "essai", *state)
        code, out, _ = vigie("journal", *state)
        assert code == 0
        assert out.splitlines()[-1] == "5 records"
        assert re.search(r"4/1 +note +local +21605/CAB-0002 +door \[b\]open\[/b\]�\[2J", out)
        assert re.search(r"4/4 +command +local +21605/CAB-0002/Level +put 70 % \[essai\]", out)
        assert vigie("journal", "--tag", "CAB-0002", *state)[1].splitlines()[-1] == "3 records"
        assert vigie("journal", "--area", "21605", *state)[1].splitlines()[-1] == "3 records"
        assert vigie("journal", "--area", "21606", *state)[1] == "0 records\n"
        assert vigie("journal", "--tag", "CAB-0002", "--kind", "note", *state)[1].splitlines()[-1] == "1 record"
        assert vigie("journal", "--person", "anne", *state)[1] == "0 records\n"
        assert (
            vigie("journal", "--from", "1 h", "--limit", "2", *state)[1].splitlines()[-1]
            == "2 records; more with --limit"
        )
        assert vigie("journal", "--until", "1 h", *state)[1] == "0 records\n"
        found = json.loads(vigie("journal", "--json", "--limit", "0", *state)[1])
        assert [e["sequence"] for e in found["entries"]] == [1, 2, 3, 4, 5]
        assert found["more"] is False
        code, _, error = vigie("journal", "--kind", "notes", *state)
        assert (code, error[:36]) == (1, "vigie journal: kinds: expected some ")
        code, _, error = vigie("journal", "--from", "yesterday", *state)
        assert code == 1
        assert "--from: expected a time such as 2026-03-01" in error

    with_server(tmp_path, client)


def test_pages_are_turned_until_all_is_there(
    tmp_path: Path, vigie: Callable[..., Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.cli.journal._PAGE", 3)

    def client(folder: Path) -> None:
        for i in range(8):
            vigie("note", f"note {i}", "--state", str(folder))
        found = json.loads(vigie("journal", "--json", "--limit", "0", "--state", str(folder))[1])
        assert [e["text"] for e in found["entries"]] == [f"note {i}" for i in range(8)]
        found = json.loads(vigie("journal", "--json", "--limit", "4", "--state", str(folder))[1])
        assert [e["text"] for e in found["entries"]] == [f"note {i}" for i in range(4, 8)]
        assert found["more"] is True

    with_server(tmp_path, client)


def test_verify_proves_it_beside_the_server_and_finds_what_was_changed(
    tmp_path: Path, vigie: Callable[..., Output]
) -> None:
    state = ("--state", str(tmp_path))
    noted: list[str] = []

    def client(_folder: Path) -> None:
        vigie("note", "one", *state)
        code, out, _ = vigie("verify", "journal", *state)
        assert code == 0
        assert out.splitlines()[0] == "the journal is whole: 1 record, 1 name, 0 erased"
        noted.append(out.splitlines()[1].removeprefix("head "))
        vigie("note", "two", *state)

    with_server(tmp_path, client)
    code, out, _ = vigie("verify", "journal", "--head", noted[0], *state)
    assert code == 0
    db = sqlite3.connect(tmp_path / "journal" / "journal.sqlite", isolation_level=None)
    db.execute("DROP TRIGGER records_hold")
    db.execute("UPDATE records SET text = 'zwei' WHERE text = 'two'")
    db.close()
    code, out, _ = vigie("verify", "journal", *state)
    assert code == 1
    assert out.startswith(
        "THE JOURNAL IS BROKEN at 4/2: post 1: record 4/2 was changed or moved: its seal does not fit\n"
    )
    document = json.loads(vigie("verify", "journal", "--json", *state)[1])
    assert (document["whole"], document["records"], document["broken"]) == (False, 1, {"epoch": 4, "sequence": 2})
    assert document["heads"] == noted
    code, _, error = vigie("verify", "journal", "--head", "nonsense", *state)
    assert (code, "head: expected <post>/<epoch>/<sequence>" in error) == (1, True)
    code, _, error = vigie("verify", "journal", "--state", str(tmp_path / "none"))
    assert code == 1
    assert "No such file" in error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", "2026-03-01 00:00:00.000"),
        ("2026-03-01T18:30", "2026-03-01 18:30:00.000"),
        ("2026-03-01 18:30:05.25", "2026-03-01 18:30:05.250"),
        ("2026-03-01T18:30Z", "2026-03-01 19:30:00.000"),
        ("2026-07-01T18:30+00:00", "2026-07-01 20:30:00.000"),
        ("18:30", "2026-03-01 18:30:00.000"),
        (" 07:05:09 ", "2026-03-01 07:05:09.000"),
        ("30 min", "2026-03-01 12:30:00.000"),
        ("2h", "2026-03-01 11:00:00.000"),
        ("90 s", "2026-03-01 12:58:30.000"),
        ("7 d", "2026-02-22 13:00:00.000"),
    ],
)
def test_a_time_is_read_and_shown_in_the_zone_of_the_terminal(text: str, expected: str) -> None:
    assert times.shown(times.when(text, NOW_NS, PARIS), PARIS) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "25:00", "2026-13-01", "7 w", "-2 h", "1e3", "0001-01-01T00:00+23:59"]
)
def test_what_is_no_time_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        times.when(text, NOW_NS, PARIS)


def test_an_hour_that_comes_twice_says_which_of_the_two() -> None:
    """S5: 25 October 2026, 02:00 to 03:00 in Paris."""
    first = times.when("2026-10-25T00:30Z", NOW_NS, PARIS)
    hours = [first + k * 1_800_000_000_000 for k in range(-2, 4)]
    assert [times.shown(ns, PARIS)[11:] for ns in hours] == [
        "01:30:00.000", "02:00:00.000 CEST", "02:30:00.000 CEST",
        "02:00:00.000 CET", "02:30:00.000 CET", "03:00:00.000",
    ]  # fmt: skip
    assert [times.utc(ns)[11:] for ns in hours[2:5]] == ["00:30:00.000Z", "01:00:00.000Z", "01:30:00.000Z"]
    assert times.shown(times.when("2026-03-29T01:00Z", NOW_NS, PARIS), PARIS)[11:] == "03:00:00.000", "none comes twice"


def test_an_alarm_of_that_hour_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        assert local("2026-10-25T00:30:00Z") == "25.10. 02:30:00 CEST"
        assert local("2026-10-25T01:30:00Z", date=True) == "2026-10-25 02:30:00 CET"
        assert local("2026-10-25T02:00:00Z") == "25.10. 03:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_time_no_calendar_holds_is_shown_as_its_number() -> None:
    assert times.shown(2**63 - 1, PARIS).startswith("2262-")
    assert times.shown(-(2**70)) == f"{-(2**70)} ns"
