# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""The simulated field of a site: every device answers its real protocol on loopback, a plant lives behind them.

  vigie simulate sennecey                          where the site's files say the devices are
  vigie simulate sennecey --turn CAB-0003 'hang 30 s'   a fault in the simulator (or demo) that runs
  vigie simulate sennecey --turn CAB-0003 'trip K2'     something breaks in the plant
  vigie simulate sennecey --turn CAB-0003 ok            healed

A wrong word is answered with the words there are. With --ports os the system gives the ports; field.json in the state
folder tells them, and 'vigie run --field' takes it.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path

from supervisor.cli import sites
from supervisor.failure import Failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", metavar="SITE", help=sites.SITE_HELP)
    sites.add_state(parser, "./var/SITE")
    parser.add_argument("--ports", choices=("nominal", "os"), default="nominal", help="ports of the files, or any")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    parser.add_argument("--speed", type=float, default=1.0, help="plant seconds per second (default: 1)")
    sites.add_for(parser)
    parser.add_argument(
        "--turn", nargs=2, metavar=("DEVICE", "KNOB"), help="turn a knob of the one that runs; '*': all"
    )
    parser.add_argument("--until-eof", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    from supervisor.demo.door import FieldDoorError, turn_knob
    from supervisor.demo.process import FieldOptions, run_field

    site = sites.load(args.site)
    state = args.state or Path("var") / site.model.site
    if args.turn:
        try:
            print(turn_knob(state, *args.turn))
        except FieldDoorError as e:
            raise Failure(str(e)) from e
        return 0
    if args.until_eof:
        threading.Thread(target=_stop_at_eof, name="vigie-eof", daemon=True).start()
    return run_field(site, FieldOptions(state, args.ports, args.seed, args.speed, (), args.for_s))


def _stop_at_eof() -> None:
    """Whoever started us holds the other end of stdin; when it dies, whatever way, we stop too."""
    while os.read(0, 4096):  # not sys.stdin: a thread inside its buffer cannot be left when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
