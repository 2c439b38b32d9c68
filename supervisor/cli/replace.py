# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py, tests/sim/test_replacing.py
"""Register a device that was replaced: a meter, a controller, a luminaire.

  vigie replace 21605/CAB-0142 --reason 'controller burnt, work order 4711'
  vigie replace 21605/CAB-0142 --reason 'new meter' --final E_act=88231.7 --first E_act=0

The new device is asked who it is, and that is accepted from now on (until the inventory says it). Its counters go on
where the old ones ended: history and consumption have no step. The last reading is what was shown last, or --final;
the first one is what the new meter reads now, or --first, what it read when it was put in. For a meter behind a
controller that stays, --final is needed. Journalled in your name with the reason; an engineer's matter. Exit code 0 if
it was done.
"""

from __future__ import annotations

import argparse

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("equipment", metavar="EQUIPMENT", help="'<area>/<equipment>'")
    parser.add_argument("--reason", required=True, help="why; kept in the journal")
    parser.add_argument("--device", default="", metavar="ROLE", help="which of its devices, if it has several")
    for name, text in (("final", "last reading of the old meter"), ("first", "reading of the new one when put in")):
        parser.add_argument(f"--{name}", action="append", default=[], type=_reading, metavar="TAG=READING", help=text)
    ask.add_server(parser)


def _reading(text: str) -> tuple[str, float]:
    tag, equals, number = text.partition("=")
    try:
        return (tag, float(number)) if tag and equals else _refuse(text)
    except ValueError:
        return _refuse(text)


def _refuse(text: str) -> tuple[str, float]:
    raise argparse.ArgumentTypeError(f"expected TAG=READING such as E_act=88231.7, got {text!r}")


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        done = control.call(
            "replace",
            equipment=args.equipment,
            reason=args.reason,
            device=args.device,
            finals=dict(args.final),
            firsts=dict(args.first),
        )
    if args.json:
        ask.print_json(done)
    else:
        print(f"{done['device']}: {done['text']}")
    return 0
