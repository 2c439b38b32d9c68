# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_alarms.py
"""Shelve an alarm of the running server: hide it for a while, with a reason and an end.

  vigie shelve CAB-0003/V1_limits --for '1 h' --reason 'meter being replaced'
  vigie shelve CAB-0003/Door_open --once --reason 'painters'     until it returns to normal, 12 h at most

It goes on being evaluated and recorded and stands in 'vigie alarms --shelved'. A P1 or a safety alarm takes a
supervisor, stays in the main list, and can be shelved for 8 h at most, any other for 12 h unless its rule says less.
"""

from __future__ import annotations

import argparse

from config.model import seconds
from supervisor.cli import ask
from supervisor.cli.alarms import local


def _duration(text: str) -> float:
    try:
        return float(str(seconds(text)))
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("condition", metavar="CONDITION", help="'<area>/<equipment>/<alarm>'; the area may be left out")
    how_long = parser.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--for", dest="seconds", type=_duration, metavar="DURATION", help="such as '1 h' or '30 min'")
    how_long.add_argument("--once", dest="seconds", action="store_const", const=None, help="until it returns to normal")
    parser.add_argument("--reason", required=True, help="why; kept in the journal")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        answer = control.call("shelve", condition=args.condition, seconds=args.seconds, note=args.reason)
    if args.json:
        ask.print_json(answer)
    else:
        print(f"shelved  {answer['name']} until {local(answer['until'])}")
    return 0
