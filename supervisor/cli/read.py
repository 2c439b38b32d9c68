# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""Read tags from the running server: value, unit, status, source time and age.

A Bad tag has no value (null); beside it stands the last usable one and how old it is. Exit code 0 if every tag was
read, whatever its status; 1 if a tag does not exist.
"""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tags", metavar="TAG", nargs="+", help="'<area>/<equipment>/<tag>'")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    tags: list[dict[str, Any]] = []
    with ask.connect(args) as control:
        for start in range(0, len(args.tags), 1000):
            tags += control.call("read", names=args.tags[start : start + 1000])["tags"]
    if args.json:
        ask.print_json({"tags": tags})
    else:
        ask.console().print(readings_table(tags))
    return 0


def readings_table(tags: list[dict[str, Any]]) -> Any:
    made = ask.table(("tag", "value", "status", "source time", "age", "last usable"), right=("age",))
    for tag in tags:
        last = tag.get("last_usable")
        beside = f"{ask.value({**tag, 'value': last['value']})}, {ask.age(last['age_s'])} old" if last else ""
        made.add_row(
            ask.plain(tag["name"]),
            ask.plain(ask.value(tag)),
            tag["status"],
            tag.get("source_time", "-"),
            ask.age(tag["age_s"]),
            ask.plain(beside),
        )
    return made
