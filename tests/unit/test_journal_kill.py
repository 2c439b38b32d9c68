# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments: what was acknowledged is there, what is there is whole, each once."""

import random
import select
import subprocess
import sys
from pathlib import Path

from historian.journal import schema
from historian.journal.reading import ChainReader
from historian.journal.verify import verify

ROOT = Path(__file__).parents[2]


def test_nothing_acknowledged_is_lost_and_the_chain_is_whole(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged = 0
    for epoch in range(1, 13):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.journal_child", "append", str(tmp_path), str(epoch), str(epoch)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stderr is not None
        lines = [child.stdout.readline()]  # it has begun to write
        assert lines[0], child.stderr.read().decode()
        select.select([child.stderr], [], [], rng.uniform(0, 0.25))  # lives on for a random moment
        child.kill()
        out, _ = child.communicate()
        lines += out.splitlines(keepends=True)
        sequence, puts = map(int, [line for line in lines if line.endswith(b"\n")][-1].split())
        acknowledged = sequence
        found = verify(tmp_path)
        assert found.whole, found.reason
        assert acknowledged <= found.records <= acknowledged + 400, "at most the append under way beside it"
        assert found.heads[0].epoch == epoch
        reader = ChainReader(tmp_path / schema.FILE, 1)
        ((_, payload),) = reader.rows("alarms")
        reader.close()
        assert int(payload) - puts in (0, 1)
        assert (int(payload) == puts) == (found.records == acknowledged), "the row moved with its records"
    assert acknowledged > 100
