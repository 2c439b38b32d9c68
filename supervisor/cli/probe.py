# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""What exactly is wrong with a device of the running server.

  vigie probe CAB-0003

Shows every device whose name contains DEVICE: the state of its link and why, how long questions take, how often it is
asked and how often it should be, and each point it refuses. Exit code 0 if all of them answer everything, 1 if not.
"""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import ask
from supervisor.failure import Failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", metavar="DEVICE", help="name of a device or a part of it")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        devices: list[dict[str, Any]] = control.call("devices", name=args.device)["devices"]
    if not devices:
        raise Failure(f"no device is called '{args.device}'; 'vigie status --all' lists them")
    if args.json:
        ask.print_json({"devices": devices})
    else:
        console = ask.console()
        for device in devices:
            for line in lines(device):
                console.print(ask.plain(line))
    return 0 if all(d["link"] == "up" and not d["notes"] for d in devices) else 1


def lines(d: dict[str, Any]) -> list[str]:
    """One device in a few lines."""
    asked = "asked rarely, because it is silent" if d["demoted"] else "asked as usual"
    return [
        f"{d['name']} ({d['protocol']})",
        f"  link        {d['link']} for {ask.age(d['for_s'])}, since {d['since']}",
        f"  state       {d['reason']}",
        f"  requests    {d['requests']:,} put, {d['answers']:,} answered, {d['misses']:,} missed; {asked}",
        f"  round trip  {ask.milliseconds(d['round_trip_last_s'])} last, "
        f"{ask.milliseconds(d['round_trip_mean_s'])} on average",
        f"  period      {ask.age(d['requested_s'])} wanted, {ask.age(d['achieved_s'])} achieved, "
        f"{d['missed_slots']:,} slots missed",
        *(f"  refused     {note}" for note in d["notes"]),
    ]
