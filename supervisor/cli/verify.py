# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_journal.py
"""Prove that what was recorded is whole.

  vigie verify journal                         of the server that runs here
  vigie verify journal --state /backup/vigie   of any copy of a state folder
  vigie verify journal --head 1/5/1234:ab12... still holds the record that was noted then
  vigie verify history                         every file of samples: reads all of it

Reads every record and seals it again; beside a running server too. Exit code 0 if all is whole, 1 if anything was
changed, is missing, moved or cut off: the first broken position is said. Keep the head that is printed somewhere else:
with it, a journal that was sealed anew from its beginning is found out as well.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from supervisor.cli import ask
from supervisor.cli.sites import add_state
from supervisor.control.client import find_state_dir
from supervisor.failure import Failure

if TYPE_CHECKING:
    from historian.journal.verify import Verification


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("journal", "history"), help="what to verify")
    parser.add_argument(
        "--head", metavar="HEAD", action="append", default=[], help="a head noted before; may be repeated"
    )
    add_state(parser, "that of the only server running here")
    parser.add_argument("--json", action="store_true", help="print data as JSON")


def run(args: argparse.Namespace) -> int:
    return _history(args) if args.what == "history" else _journal(args)


def _history(args: argparse.Namespace) -> int:
    from historian.store.disk import StoreError
    from historian.store.snapshot import open_snapshot

    try:
        with open_snapshot(find_state_dir(args.state) / "history") as snapshot:
            findings = list(snapshot.findings())
    except (StoreError, OSError) as e:
        raise Failure(str(e)) from e
    if args.json:
        ledger = asdict(snapshot.ledger)
        ask.print_json({"whole": not findings, "samples": snapshot.rows, "ledger": ledger, "findings": findings})
    elif findings:
        print(f"THE HISTORY IS DAMAGED: {ask.count(len(findings), 'finding')}")
        print("\n".join(findings))
    else:
        gaps = ask.count(len(snapshot.gaps), "time")
        print(f"the history is whole: {ask.count(snapshot.rows, 'sample')}; {gaps} in which nothing was recorded")
    return 1 if findings else 0


def _journal(args: argparse.Namespace) -> int:
    from historian.base import JournalError
    from historian.journal.chain import parse_head
    from historian.journal.verify import verify

    folder = find_state_dir(args.state) / "journal"
    try:
        found = verify(folder, [parse_head(text) for text in args.head], _progress if sys.stderr.isatty() else None)
    except (JournalError, ValueError) as e:
        raise Failure(str(e)) from e
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if args.json:
        ask.print_json(document(found))
    else:
        print("\n".join(lines(found)))
    return 0 if found.whole else 1


def _progress(records: int) -> None:
    print(f"\r{records:,} records", end="", file=sys.stderr, flush=True)


def document(found: Verification) -> dict[str, Any]:
    broken = found.broken
    return {
        "whole": found.whole,
        "records": found.records,
        "broken": None if broken is None else {"epoch": broken.epoch, "sequence": broken.sequence},
        "reason": found.reason or None,
        "heads": [str(head) for head in found.heads],
        "persons": found.persons,
        "erased": found.erased,
    }


def lines(found: Verification) -> list[str]:
    """What was found, for people."""
    heads = [f"head {head}" for head in found.heads]
    if found.whole:
        people = f"{ask.count(found.persons, 'name')}, {found.erased:,} erased"
        return [f"the journal is whole: {ask.count(found.records, 'record')}, {people}", *heads]
    at = f" at {found.broken.epoch}/{found.broken.sequence}" if found.broken else ""
    return [
        f"THE JOURNAL IS BROKEN{at}: {found.reason}",
        f"{ask.count(found.records, 'record')} before that are whole",
        *heads,
    ]
