# SPDX-License-Identifier: Apache-2.0
"""A journal whose process is killed at any moment has kept every record it said it had."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from historian.journal.files import JournalFiles

pytestmark = pytest.mark.system

WRITER = """
import asyncio, sys
from pathlib import Path
from historian.base import Record, RecordKind
from historian.journal.journal import FileJournal

async def run(job):
    return await asyncio.get_running_loop().run_in_executor(None, job)

async def one(journal, i):
    (position,) = await journal.append([Record(i, RecordKind.NOTE, "u", text="x" * (i % 1500))])
    print(position.sequence, flush=True)

async def main():
    journal = await FileJournal.open(Path(sys.argv[1]), 1, run, file_size_max=100_000)
    for start in range(0, 10**9, 20):
        await asyncio.gather(*(one(journal, i) for i in range(start, start + 20)))

asyncio.run(main())
"""


def test_kill_9_loses_no_acknowledged_record(tmp_path: Path) -> None:
    chance = random.Random(7)
    kept_before = 0
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(chance.randrange(1, 400))]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        writer.wait()
        writer.stdout.close()
        files = JournalFiles(tmp_path / "j", epoch=1, file_size_max=100_000)
        sequences = [entry.position.sequence for entry in files.tail(100_000)]
        files.close()
        assert sequences == list(range(1, len(sequences) + 1)), "none missing, none twice, in order"
        assert max(acknowledged) <= sequences[-1]
        assert min(acknowledged) == kept_before + 1
        kept_before = sequences[-1]
