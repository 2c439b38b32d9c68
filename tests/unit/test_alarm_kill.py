# SPDX-License-Identifier: Apache-2.0
"""kill -9 in a storm of alarms: what was answered is there, once; rows and records tell the same; nothing is repeated.

VIGIE_KILL_ROUNDS=200 kills two hundred times instead of eight.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from historian.base import Entry, Query, RecordKind
from historian.journal import schema
from historian.journal.reading import ChainReader
from historian.journal.verify import verify
from supervisor.alarms.pages import TABLE, read

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("VIGIE_KILL_ROUNDS", "8"))
pytestmark = pytest.mark.timeout(120 + 5 * ROUNDS)


def test_killed_at_random_moments_of_a_storm_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    rng = random.Random(11)
    answered: list[tuple[str, str, int]] = []
    posts = Posts(tmp_path)
    for epoch in range(1, ROUNDS + 1):
        answered += posts.live_and_die(epoch, rng.randrange(60), rng.uniform(0, 0.01))
    posts.close()
    found = verify(tmp_path)
    assert found.whole, found.reason
    entries = records(tmp_path)
    told = [(str(e.record.data["what"]), e.record.subject, e.record.data["occurrence"]) for e in entries]
    acks = Counter((name, occurrence) for what, name, occurrence in told if what == "acknowledged")
    assert set(acks.values()) <= {1}, "no occurrence is acknowledged twice"
    missing = [a for a in answered if a[0] == "ack" and (a[1], a[2]) not in acks]
    assert not missing, f"answered, and not there: {missing}"
    shelvings = Counter(name for what, name, _ in told if what == "shelved")
    answers = Counter(name for what, name, _ in answered if what == "shelve")
    assert all(shelvings[name] >= n for name, n in answers.items())
    assert len([a for a in answered if a[0] == "ack"]) > 10 * ROUNDS
    _rows_are_what_the_records_left(tmp_path, entries)
    _no_alarm_rises_twice(entries)


class Posts:
    """A process that forks one post after the other."""

    def __init__(self, folder: Path) -> None:
        arguments = [sys.executable, "-m", "tests.alarm_child", str(folder)]
        self._process = subprocess.Popen(
            arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def live_and_die(self, epoch: int, answers: int, seconds: float) -> list[tuple[str, str, int]]:
        """A post killed a moment after it gave so many answers: all it gave."""
        self._say(f"{epoch}\n")
        begun, pid = self._line().split()
        assert begun == "begun"
        lines = [self._line().split() for _ in range(answers)]
        time.sleep(seconds)  # the one place where a moment is meant to be random
        os.kill(int(pid), signal.SIGKILL)
        while (line := self._line()) != "dead\n":
            lines.append(line.split())
        return [(what, name, int(occurrence)) for what, name, occurrence in lines]

    def _say(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words.encode())
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        assert line, self._end()
        return line

    def _end(self) -> str:
        """Whatever it complained of, but a disk that was slow: then alarms are shown first, and nobody is answered."""
        said = self._process.communicate()[1].decode().splitlines()
        return "\n".join(line for line in said if "the journal has not answered for more than" not in line)

    def close(self) -> None:
        assert not self._end()


def records(folder: Path) -> list[Entry]:
    """All alarm records, oldest first."""
    reader = ChainReader(folder / schema.FILE, 1)
    try:
        below, entries = None, []
        while True:
            step = reader.find(Query(kinds=frozenset({RecordKind.ALARM}), limit=10_000), below, 10_000)
            entries += step.entries
            below = step.below
            if below is None:
                return entries[::-1]
    finally:
        reader.close()


def _rows_are_what_the_records_left(folder: Path, entries: list[Entry]) -> None:
    reader = ChainReader(folder / schema.FILE, 1)
    rows = {name: live.state for name, live in read(reader.rows(TABLE)).lives.items()}
    reader.close()
    last = {e.record.subject: e.record for e in entries}
    for name, record in last.items():
        state = rows.pop(name, None)
        assert ("A" if state is None else state.flat.value) == record.data["after"], name
        if state is not None and record.data["what"] == "shelved":
            assert state.shelved_until_ns == record.data["until"], "the end of shelving is the one that was told"
    assert not rows, f"rows without a record: {sorted(rows)}"


def _no_alarm_rises_twice(entries: list[Entry]) -> None:
    """Between two rises lies a return, across every restart."""
    standing: set[str] = set()
    for e in entries:
        name, what = e.record.subject, e.record.data["what"]
        if what == "alarm":
            assert name not in standing, f"{name} rose twice without a return, at {e.position}"
            standing.add(name)
        elif what == "returned":
            standing.discard(name)
