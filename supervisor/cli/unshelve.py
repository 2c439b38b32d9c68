# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_alarms.py
"""Take an alarm of the running server off the shelf before its time. If it is in alarm it is announced anew.

vigie unshelve CAB-0003/V1_limits
"""

from __future__ import annotations

import argparse

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("condition", metavar="CONDITION", help="'<area>/<equipment>/<alarm>'; the area may be left out")
    parser.add_argument("--note", default="", help="why; kept in the journal")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        answer = control.call("unshelve", condition=args.condition, note=args.note)
    if args.json:
        ask.print_json(answer)
    else:
        print(f"unshelved  {answer['name']}")
    return 0
