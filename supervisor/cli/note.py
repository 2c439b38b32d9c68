# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_journal.py
"""Write a note into the logbook, in your own name.

  vigie note 'shift handed over to Léa; bollard 2 waits for the crew'
  vigie note --tag CAB-0003 'door found open, closed it'

The note is durable when this command returns, and is never changed or deleted. Do not put into it what must be erased
one day, such as the name of a citizen; who wrote it stands in the journal by itself.
"""

from __future__ import annotations

import argparse

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="at most 2,000 characters")
    parser.add_argument("--tag", metavar="NAME", default="", help="what it is about: area, equipment or tag")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        made = control.call("note", text=args.text, subject=args.tag)
    if args.json:
        ask.print_json(made)
    else:
        about = f", {made['subject']}" if made["subject"] else ""
        print(f"noted as {made['epoch']}/{made['sequence']}{about}")
    return 0
