# SPDX-License-Identifier: Apache-2.0
"""`vigie test`: an engineer's alarm tests pass on the shipped site, and fail at their line when settings change."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from config.load import find_site
from config.problems import Problem
from config.testfile import read_tests
from supervisor.alarms.rehearsal import run_file
from supervisor.cli.main import main
from tests.sites import sennecey

FOLDER = find_site("sennecey")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "site")
    shutil.rmtree(tmp_path / "site" / "tests")
    (tmp_path / "site" / "tests").mkdir()
    return tmp_path / "site"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(["test", *arguments])
    captured = capsys.readouterr()
    return code, (captured.out + captured.err).splitlines()


def write(site: Path, cases: str, name: str = "x") -> None:
    head = "equipment: 21605/CAB-0001\ngiven: {K1_Trip: false, Supply_Loss: false, V1: 230}\ncases:\n"
    (site / "tests" / f"{name}.tests.yaml").write_text(head + cases)


def test_the_shipped_site_behaves_as_its_tests_say(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(capsys, "sennecey")
    assert (code, lines) == (0, ["11 cases in 2 files: all as expected"])


def test_all_that_is_not_as_expected_is_told_in_one_run(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        site,
        """\
  - name: trip
    series: {K1_Trip: falsex5 true}
    do:
      - {at: 2 s, ack: K1_Trip}
    expect:
      - {at: 10 s, alarms: [], unknown: [V1_limits], known: [RCD_Trip], announced: 0}
      - {at: 10 s, alarms: [K1_Trip], unacked: [K1_Trip], announced: 1}
""",
    )
    code, lines = run(capsys, str(site))
    assert code == 1 and lines[-1] == "5 problems; 1 case ran."
    told = [re.sub(r"^.*?tests\.yaml:(\d+):\d+: [^:]*: ", r"\1 ", line) for line in lines[:-1]]
    assert told == [
        "7 case 'trip': at 2 s: expected to ack K1_Trip, but that is not its present occurrence; look at it again",
        "9 case 'trip': at 10 s: expected none; got K1_Trip",
        "9 case 'trip': at 10 s: expected V1_limits to be unknown",
        "9 case 'trip': at 10 s: expected RCD_Trip to be known",
        "9 case 'trip': at 10 s: expected 0 announced since the start; got 1",
    ]


def test_what_cannot_be_run_says_so_with_a_hint(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        site,
        """\
  - name: names
    series: {K1_Tripp: true, P_dev: 5, LocalMode: outo, K1_Trip: 7}
    expect:
      - {at: 1 s, alarms: [K1_Trap]}
  - name: elsewhere
    equipment: 21605/CAB-9999
    expect:
      - {at: 1 s, alarms: []}
""",
    )
    code, lines = run(capsys, str(site))
    text = "\n".join(lines)
    for part in (
        "CAB has no tag 'K1_Tripp'; did you mean 'K1_Trip'?",
        "P_dev is calculated; say what its inputs read",
        "CAB has no alarm 'K1_Trap'; did you mean 'K1_Trip'?",
        "the site has no equipment 21605/CAB-9999",
        "expected true or false, got 7",
        "outo",
    ):
        assert part in text, part
    assert code == 1 and lines[-1] == "6 problems; 0 cases ran."


def test_a_changed_setting_fails_its_test() -> None:
    """The shipped story of a dip with a shorter delay in the rule: what such a test is for."""
    site = sennecey()
    cab = site.types["CAB"]
    rule = cab.alarms["V1_limits"].model_copy(update={"on_delay": 30.0})
    changed = cab.model_copy(update={"alarms": {**cab.alarms, "V1_limits": rule}})
    problems: list[Problem] = []
    read = read_tests(FOLDER / "tests" / "cabinet.tests.yaml", problems)
    assert read is not None and not problems
    ran, found = run_file(site.model_copy(update={"types": {**site.types, "CAB": changed}}), *read, "a dip shorter")
    assert ran == 1 and [p.text.partition("': ")[2] for p in found] == [
        "at 60 s: expected none; got V1_limits",
        "at 300 s: expected none; got V1_limits",
        "at 300 s: expected 0 announced since the start; got 1",
    ]


def test_words_and_missing_files(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(capsys, str(site))
    assert code == 1 and "holds no file *.tests.yaml" in lines[0]
    write(
        site, "  - name: a b\n    expect: [{at: 1 s, alarms: []}]\n  - name: c\n    expect: [{at: 1 s, alarms: []}]\n"
    )
    assert run(capsys, str(site), "b") == (0, ["1 case in 1 file: all as expected"])
    assert run(capsys, str(site), "zz") == (1, ["vigie test: no case has 'zz' in its name"])
    write(site, "  - name: broken\n", "y")
    code, lines = run(capsys, str(site))
    assert code == 1 and "y.tests.yaml:4:5" in lines[0] and lines[-1] == "1 problem; 2 cases ran."
