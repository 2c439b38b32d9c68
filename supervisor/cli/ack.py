# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_alarms.py
"""Acknowledge alarms of the running server, in your own name: "I have seen this".

  vigie ack 1/5/1234 --note 'crew on its way'    the event of the last column of 'vigie alarms'
  vigie ack CAB-0003/Supply_Loss                 by name
  vigie ack 'CAB-*/V?_limits'                    all that match and are shown unacknowledged
  vigie ack CAB-0003/RCD_Trip --reset            unlatch: it was treated and is normal again
  vigie ack CAB-0003/RCD_Trip --confirm          where a rule asks for it: the cause was treated

What came up after you looked is not acknowledged by its event. Each is done or refused for itself, and done only when
it stands in the journal. Exit code 0 if at least one was done and none refused.
"""

from __future__ import annotations

import argparse

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="EVENT|PATTERN", help="event id, or names with the wildcards of a shell")
    parser.add_argument("--note", default="", help="why; kept in the journal and shown with the alarm")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--reset", dest="kind", action="store_const", const="reset", help="unlatch instead")
    kind.add_argument("--confirm", dest="kind", action="store_const", const="confirm", help="confirm instead")
    parser.set_defaults(kind="ack")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        answer = control.call("ack", what=args.what, note=args.note, action=args.kind)
    if args.json:
        ask.print_json(answer)
    else:
        word = {"ack": "acknowledged", "reset": "reset", "confirm": "confirmed"}[args.kind]
        for name in answer["done"]:
            print(f"{word}  {name}")
        for refused in answer["refused"]:
            print(f"REFUSED  {refused['name']}: {refused['text']}")
        if not answer["done"] and not answer["refused"]:
            print(f"nothing there to be {word}")
    return 0 if answer["done"] and not answer["refused"] else 1
