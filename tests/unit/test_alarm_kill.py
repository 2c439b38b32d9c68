# SPDX-License-Identifier: Apache-2.0
"""kill -9 in a storm of alarms: what was answered is there, once; rows and records tell the same; nothing is repeated.

VIGIE_KILL_ROUNDS=200 kills two hundred times instead of eight.
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from historian.base import Entry, Query, RecordKind
from historian.journal import schema
from historian.journal.reading import ChainReader
from historian.journal.verify import verify
from supervisor.alarms.records import TABLE
from supervisor.alarms.rows import decode

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("VIGIE_KILL_ROUNDS", "8"))


def test_killed_at_random_moments_of_a_storm_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    rng = random.Random(11)
    answered: list[tuple[str, str, int]] = []
    for epoch in range(1, ROUNDS + 1):
        answered += _live_and_die(tmp_path, epoch, rng.uniform(0.02, 0.6))
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
    assert len([a for a in answered if a[0] == "ack"]) > 20 * ROUNDS
    _rows_are_what_the_records_left(tmp_path, entries)
    _no_alarm_rises_twice(entries)


def _live_and_die(folder: Path, epoch: int, seconds: float) -> list[tuple[str, str, int]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.alarm_child", str(folder), str(epoch), str(epoch)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stderr is not None
    begun = child.stdout.readline()
    assert begun == b"begun\n", child.stderr.read().decode()
    select.select([child.stderr], [], [], seconds)  # lives on for a random moment, or says what went wrong
    child.kill()
    out, errors = child.communicate()
    assert not errors, errors.decode()
    lines = [line.split() for line in out.decode().splitlines(keepends=True) if line.endswith("\n")]
    return [(what, name, int(occurrence)) for what, name, occurrence in lines]


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
    rows: dict[str, Any] = {key.decode(): decode(json.loads(payload)).state for key, payload in reader.rows(TABLE)}
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
