# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""List tags of the running server.

  vigie tags 'CAB-*/V1'          all first voltages
  vigie tags CAB-0003            all tags of one cabinet
  vigie tags '21605/*/*' --bad   what is Bad in one commune

A pattern is '<area>/<equipment>/<tag>' with the wildcards of a shell, or its last two parts, or one name.
"""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="", help="which tags (default: all)")
    which = parser.add_mutually_exclusive_group()
    for quality in ("good", "uncertain", "bad", "not-good"):
        which.add_argument(
            f"--{quality}", dest="quality", action="store_const", const=quality, help=f"only {quality} ones"
        )
    parser.set_defaults(quality="any")
    parser.add_argument("--limit", type=int, default=200, help="at most so many (default: 200; 0: all)")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    tags, total = _all(args)
    if args.json:
        ask.print_json({"total": total, "tags": tags})
        return 0
    if tags:
        ask.console().print(tags_table(tags))
    print(ask.count(total, "tag") if len(tags) == total else f"{len(tags):,} of {total:,} tags; more with --limit")
    return 0


def _all(args: argparse.Namespace) -> tuple[list[dict[str, Any]], int]:
    tags: list[dict[str, Any]] = []
    after: int | None = 0
    total = 0
    with ask.connect(args) as control:
        while after is not None and (args.limit <= 0 or len(tags) < args.limit):
            limit = 1000 if args.limit <= 0 else min(1000, args.limit - len(tags))
            page = control.call("tags", pattern=args.pattern, quality=args.quality, limit=limit, after=after)
            tags += page["tags"]
            after, total = page["next"], page["total"]
    return tags, total


def tags_table(tags: list[dict[str, Any]]) -> Any:
    made = ask.table(("tag", "value", "status", "age"), right=("age",))
    for tag in tags:
        made.add_row(ask.plain(tag["name"]), ask.plain(ask.value(tag)), tag["status"], ask.age(tag["age_s"]))
    return made
