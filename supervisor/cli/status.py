# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""How the running server is: tags by quality, devices that do not answer, scan, commands, journal.

Exit code 0 if nothing is wrong with the server itself, 1 if it reports an error. A device that does not answer, or one
that answers as another (IDENTITY), is no error of the server.
"""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import ask


def arguments(parser: argparse.ArgumentParser) -> None:
    ask.add_server(parser)
    parser.add_argument("--all", action="store_true", help="list the devices that answer too")


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        document = control.call("status")
    if args.json:
        ask.print_json(document)
    else:
        console = ask.console()
        for line in lines(document):
            console.print(ask.plain(line))
        shown = [d for d in document["devices"] if args.all or d["link"] != "up" or d["identity"]["wrong"]]
        if shown:
            console.print()
            console.print(devices_table(shown))
    return 1 if document["errors"] else 0


def lines(s: dict[str, Any]) -> list[str]:
    """The server in a few lines."""
    tags, scan, commands, journal = s["tags"], s["scan"], s["commands"], s["journal"]
    rate = scan["values_applied"] / max(s["uptime_s"], 1.0)
    verdicts = ", ".join(f"{n:,} {verdict}" for verdict, n in commands["verdicts"].items())
    made = [
        f"site      {s['site']}, {s['role']}, epoch {s['epoch']}, generation {s['generation']}, "
        f"up {ask.age(s['uptime_s'])}, vigie {s['version']}",
        f"tags      {tags['total']:,}: {tags['good']:,} good, {tags['uncertain']:,} uncertain, {tags['bad']:,} bad "
        f"({tags['waiting']:,} not read yet, {tags['not_supported']:,} without source)",
        f"devices   {devices_line(s['device_counts'])}",
        f"scan      every {scan['period_ms']:g} ms, 99 % within {scan['duration_ms_p99']:.1f} ms, "
        f"{scan['missed']:,} missed; {scan['values_applied']:,} values, {rate:,.0f}/s on average",
        f"commands  {verdicts}; {commands['in_flight']:,} under way",
        f"journal   {ask.count(journal['records'], 'record')}, {journal['size'] / 2**20:.1f} MiB of "
        f"{journal['size_max'] / 2**30:,.1f} GiB",
        f"alarms    {alarms_line(s['alarms'])}",
        f"history   {history_line(s['history'])}",
    ]
    if journal["repair"]:
        made.append(f"repaired  {journal['repair']}")
    made += [f"IDENTITY  {wrong}" for d in s["devices"] if (wrong := d["identity"]["wrong"])]
    return made + [f"ERROR     {sentence}" for sentence in s["errors"]]


def devices_line(counts: dict[str, Any]) -> str:
    """'3,548: 3,546 answer, 2 do not (dali 1,480, modbus 848 of 850)'."""
    of_each = ", ".join(
        f"{protocol} {of['total']:,}" if of["up"] == of["total"] else f"{protocol} {of['up']:,} of {of['total']:,}"
        for protocol, of in counts["protocols"].items()
    )
    total, up = counts["total"], counts["up"]
    return f"{total:,}: {up:,} answer, {total - up:,} do not" + (f" ({of_each})" if of_each else "")


def alarms_line(alarms: dict[str, Any]) -> str:
    """'3 active, 1 to acknowledge, 2 shelved, 7 suppressed, 12 rules unknown'."""
    if alarms["active"] is None:
        return "no alarm engine"
    return (
        f"{alarms['active']:,} active, {alarms['unacked']:,} to acknowledge, {alarms['shelved']:,} shelved, "
        f"{alarms['suppressed']:,} suppressed, {ask.count(alarms['unevaluable'], 'rule')} unknown"
    )


def history_line(history: dict[str, Any]) -> str:
    """'recording, 1,234 samples, 3 waiting, 0 lost, 12.3 MiB in 4 days'."""
    if "samples" not in history:
        return str(history["state"])
    return (
        f"{history['state']}, {history['samples']:,} samples, {history['waiting']:,} waiting, "
        f"{history['lost']:,} lost, {history['bytes'] / 2**20:.1f} MiB in {ask.count(history['days'], 'day')}"
    )


def devices_table(devices: list[dict[str, Any]]) -> Any:
    """Devices with the reason of those that do not answer."""
    made = ask.table(("device", "protocol", "link", "for", "round trip", "reason"), right=("for", "round trip"))
    for d in devices:
        trip = ask.milliseconds(d["round_trip_mean_s"])
        why = ask.plain(_why(d))
        made.add_row(ask.plain(d["name"]), d["protocol"], d["link"], ask.age(d["for_s"]), trip, why)
    return made


def _why(device: dict[str, Any]) -> str:
    """What is the matter: the sentence of a device behind its name, state and time, which are columns of their own."""
    said = str(device["reason"]).removeprefix(f"{device['name']} ")
    return said.partition(": ")[2] if said.startswith(("up ", "down ", "connecting ")) else said
