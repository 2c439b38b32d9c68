# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_journal.py
"""What was done and what happened, from the journal of the running server.

  vigie journal                                      the last 50 records
  vigie journal --tag 21605/CAB-0003/K1_Cmd          of one tag
  vigie journal --tag CAB-0003 --from '2 h'          of a cabinet, the last two hours
  vigie journal --area 21605 --kind alarm,command    of a commune
  vigie journal --person anne --from 2026-03-01 --until 2026-03-02

Times are of this terminal's zone, in and out; with --json they are UTC. A time is 2026-03-01, 2026-03-01T18:30, 18:30
(today), or how long ago: 30 min, 2 h, 7 d. A person whose name was erased is shown, and found, as 'erased person' with
the first 8 digits of a key.
"""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import ask, times
from supervisor.clock import SystemClock
from supervisor.failure import Failure

_PAGE = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--tag", metavar="NAME", default="", help="area, equipment or tag; with all that is below it")
    where.add_argument("--area", metavar="CODE", default="", help="a commune, with all that is in it")
    parser.add_argument("--person", metavar="NAME", default="", help="who")
    parser.add_argument("--kind", metavar="KIND[,KIND]", default="", help="command, verdict, alarm, note, login, ...")
    parser.add_argument("--from", dest="since", metavar="TIME", help="not before")
    parser.add_argument("--until", metavar="TIME", help="before")
    parser.add_argument("--limit", type=int, default=50, help="at most so many, the newest (default: 50; 0: all)")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    wanted = _wanted(args)
    entries, more = _ask(args, wanted)
    if args.json:
        ask.print_json({"more": more, "entries": entries})
        return 0
    if entries:
        ask.console().print(journal_table(entries))
    print(ask.count(len(entries), "record") + ("; more with --limit" if more else ""))
    return 0


def _wanted(args: argparse.Namespace) -> dict[str, Any]:
    now_ns = SystemClock().wall_ns()
    bounds: dict[str, int | None] = {}
    for option, name, text in (("--from", "from_ns", args.since), ("--until", "until_ns", args.until)):
        try:
            bounds[name] = None if text is None else times.when(text, now_ns)
        except ValueError as e:
            raise Failure(f"{option}: {e}") from None
    kinds = [kind.strip() for kind in args.kind.split(",") if kind.strip()]
    return {"subject": args.tag or args.area, "person": args.person, "kinds": kinds, **bounds}


def _ask(args: argparse.Namespace, wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    entries: list[dict[str, Any]] = []
    more = True
    before: int | None = None
    with ask.connect(args) as control:
        while more and (args.limit <= 0 or len(entries) < args.limit):
            n = _PAGE if args.limit <= 0 else min(_PAGE, args.limit - len(entries))
            page = control.call("journal", n=n, before=before, **wanted)
            entries = page["entries"] + entries
            more = page["more"]
            before = entries[0]["sequence"] if entries else None
    return entries, more


def journal_table(entries: list[dict[str, Any]]) -> Any:
    made = ask.table(("time", "record", "kind", "who", "what", "text"))
    for e in entries:
        note = f" [{e['data']['note']}]" if e["data"].get("note") else ""
        made.add_row(
            times.shown(e["time_ns"]),
            f"{e['epoch']}/{e['sequence']}",
            e["kind"],
            ask.plain(e["user"]),
            ask.plain(e["subject"]),
            ask.plain(f"{e['text']}{note}"),
        )
    return made
