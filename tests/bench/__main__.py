# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the numbers to reach, measured now, each beside a peer in the same run on the same machine.

Every `bench_*.py` has `rows() -> list[dict]` with the keys what, ours, peer, unit, reach, note. Nothing is asserted:
a number on a shared machine is a fact to read, not a gate. That each still runs is a test (tests/system/test_bench.py).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PROGRAM = """
import importlib, json, sys
bench = importlib.import_module("tests.bench." + sys.argv[1])
vars(bench).update(json.loads(sys.argv[2]))
print(json.dumps(bench.rows()))
"""


def measure(name: str, **sizes: object) -> list[dict[str, Any]]:
    """Rows of one module, each module in a fresh process so that none warms or fills the other's memory.

    Args:
        sizes: constants of the module to set first, for a quick run.
    """
    command = [sys.executable, "-c", PROGRAM, name, json.dumps(sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [{"what": name, "ours": "failed", "note": done.stderr.strip().splitlines()[-1]}]
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def main() -> int:
    """Run the benches and print one table."""
    modules = sorted(p.stem for p in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"which: {', '.join(m.removeprefix('bench_') for m in modules)}")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    arguments = parser.parse_args()
    chosen = [m for m in modules if not arguments.only or m.removeprefix("bench_") in arguments.only]
    rows = [row for m in chosen for row in measure(m)]
    if arguments.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    table = Table(title=f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    for column in ("what", "ours", "peer", "unit", "reach", "note"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(c)) for c in ("what", "ours", "peer", "unit", "reach", "note")))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _cell(value: object) -> str:
    return "" if value is None else f"{value:,.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    importlib.invalidate_caches()
    sys.exit(main())
