# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py, tests/sim/test_probe.py
"""What exactly is wrong with a device of the running server.

  vigie probe CAB-0003

One page for every device whose name contains DEVICE: its link and why, who it must be and who it says it is (asked just
now), each question with how often it is asked and whether it is answered, each point that the device refuses or that is
in quarantine, with the reason. Exit code 0 if all of them answer everything, 1 if not.
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
        found: dict[str, Any] = control.call("probe", name=args.device)
    devices = found["devices"]
    if not devices:
        raise Failure(f"no device is called '{args.device}'; 'vigie status --all' lists them")
    if args.json:
        ask.print_json(found)
    else:
        console = ask.console()
        for device in devices:
            for line in lines(device):
                console.print(ask.plain(line))
        if found["total"] > len(devices):
            console.print(f"{len(devices)} of {found['total']} devices; name fewer to see the others")
    return 0 if all(is_well(d) for d in devices) else 1


def is_well(d: dict[str, Any]) -> bool:
    """It is there, it is the right one, and it answers everything."""
    answers = all(e["answers"] and not e["refused"] for e in d["exchanges"])
    return d["link"] == "up" and not d["identity"]["wrong"] and not d["notes"] and answers


def lines(d: dict[str, Any]) -> list[str]:
    """One device on one page."""
    asked = "asked rarely, because it is silent" if d["demoted"] else "asked as usual"
    answering = [e for e in d["exchanges"] if e["answers"]]
    points = sum(e["points"] for e in d["exchanges"])
    refused = sum(len(e["refused"]) for e in d["exchanges"])
    return [
        f"{d['name']} ({d['protocol']})",
        f"  link        {d['link']} for {ask.age(d['for_s'])}, since {d['since']}",
        f"  state       {d['reason']}",
        f"  must be     {d['identity']['declared'] or 'not declared'}",
        f"  says now    {_says(d['now'])}",
        f"  requests    {d['requests']:,} put, {d['answers']:,} answered, {d['misses']:,} missed; {asked}",
        f"  round trip  {ask.milliseconds(d['round_trip_last_s'])} last, "
        f"{ask.milliseconds(d['round_trip_mean_s'])} on average",
        f"  period      {ask.age(d['requested_s'])} wanted, {ask.age(d['achieved_s'])} achieved, "
        f"{d['missed_slots']:,} slots missed",
        f"  questions   {len(answering)} of {len(d['exchanges'])} answered, {ask.count(points, 'point')}, "
        f"{refused:,} refused",
        *(f"    {_exchange(e)}" for e in d["exchanges"]),
        *(f"  refused     {note}" for note in d["notes"]),
    ]


def _says(now: dict[str, Any]) -> str:
    if now["why"]:
        return f"nothing: {now['why']}"
    return f"{now['said'] or 'nothing of itself'}, after {ask.milliseconds(now['round_trip_s'])}"


def _exchange(e: dict[str, Any]) -> str:
    answer = "answered" if e["answers"] else "NO ANSWER"
    refused = f", {len(e['refused'])} refused" if e["refused"] else ""
    return (
        f"{answer:<9}  {e['label']}: {ask.count(e['points'], 'point')}{refused}; {e['poll']}, every "
        f"{ask.age(e['period_s'])}, {ask.age(e['achieved_s'])} achieved"
    )
