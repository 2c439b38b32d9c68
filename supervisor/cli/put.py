# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""Command a tag through the running server, in your own name, and wait for the verdict.

  vigie put 21605/CAB-0003/K1_Cmd true --note 'test with the crew on site'

The verdict comes with its evidence: confirmed (the device accepted, reads back, and the effect was seen), refused
(nothing was done), unknown (a byte left and nobody can say what it did), expired (it waited too long; nothing was
done). Both the command and its verdict stand in the journal. Exit code 0 only if confirmed.

An enumeration is given by name or number, a Boolean as true or false, a time as 2026-03-01T18:30:00Z. A value that
begins with '-' comes after '--'.
"""

from __future__ import annotations

import argparse

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tag", metavar="TAG", help="'<area>/<equipment>/<tag>'")
    parser.add_argument("value", metavar="VALUE", help="in the tag's unit")
    parser.add_argument("--note", default="", help="why, at most 500 characters; kept in the journal")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        result = control.call("put", tag=args.tag, value=args.value, note=args.note)
    if args.json:
        ask.print_json(result)
    else:
        print(result["reason"])
    return 0 if result["verdict"] == "confirmed" else 1
