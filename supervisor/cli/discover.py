# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_discover.py
"""Who is out there: BACnet devices, or the gear of a DALI line, as a draft of type and inventory files.

  vigie discover bacnet 10.21.5.0/24 --interface 10.21.5.1 --out draft
  vigie discover bacnet 10.21.5.10-10.21.5.40 --area 21605
  vigie discover dali 10.21.6.1 --line 0 --out draft

Nothing is changed in the field and no file is ever overwritten: without --out the draft is printed. What a device did
not say is not guessed; equipment is `planned` until you say otherwise. 10.21.5.0/24 asks everybody on a network at once
and hears those that answer on the usual port; addresses and ranges are asked one by one. Exit code 0 if somebody was
found and read whole, 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from supervisor.failure import Failure

PORT = 47808


def arguments(parser: argparse.ArgumentParser) -> None:
    protocols = parser.add_subparsers(dest="protocol", metavar="PROTOCOL", required=True)
    bacnet = protocols.add_parser("bacnet", help="Who-Is, then the object list of each that answers")
    bacnet.add_argument("where", nargs="+", metavar="WHERE", help="address, address:port, first-last or network/prefix")
    bacnet.add_argument("--interface", default="0.0.0.0", metavar="ADDRESS", help="of this machine, to ask from")
    bacnet.add_argument("--local-port", type=int, default=None, help="to hear answers on; 47808 for a network")
    bacnet.add_argument("--wait", type=float, default=3.0, metavar="SECONDS", help="for answers, 3")
    dali = protocols.add_parser("dali", help="gear on one line behind a Lunatone gateway")
    dali.add_argument("where", metavar="HOST", help="the gateway: host or host:port")
    dali.add_argument("--line", type=int, default=0, help="number of the line at the gateway, 0")
    for each in (bacnet, dali):
        each.add_argument("--area", default="AREA", help="area of the draft's equipment")
        each.add_argument("--out", type=Path, default=None, metavar="FOLDER", help="write the draft here")


def run(args: argparse.Namespace) -> int:
    files, notes, well = asyncio.run(_bacnet(args) if args.protocol == "bacnet" else _dali(args))
    for note in notes:
        print(f"# {note}")
    if args.out is None:
        for name, text in files.items():
            print(f"# --- {name}\n{text}", end="")
    else:
        write(args.out, files)
    return 0 if well else 1


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files that are not there yet; all or none.

    Raises:
        Failure: one is there, or the folder cannot be written.
    """
    if there := [name for name in files if (folder / name).exists()]:
        raise Failure(f"{folder / there[0]} is there already; nothing was written, give another --out")
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
            print(folder / name)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error


async def _bacnet(args: argparse.Namespace) -> tuple[dict[str, str], list[str], bool]:
    from drivers.bacnet import discovery, draft

    try:
        asked = [place for text in args.where for place in discovery.places(text, PORT)]
    except ValueError as error:
        raise Failure(str(error)) from error
    local_port = args.local_port if args.local_port is not None else PORT if any(p.everybody for p in asked) else 0
    try:
        found, left_out = await discovery.who_is(asked, args.interface, local_port, args.wait)
    except OSError as error:
        raise Failure(f"cannot ask from {error.strerror}") from error
    devices = [await discovery.look_into(each, args.interface) for each in found]
    notes = [
        f"device {d.at.instance} {d.name!r} at {d.at.host}:{d.at.port}: {len(d.objects)} objects"
        + (f"; {d.trouble}" if d.trouble else "")
        for d in devices
    ]
    notes.append(f"{len(devices)} devices answered" + (f"; {left_out} more answers were left out" if left_out else ""))
    well = bool(devices) and not left_out and not any(d.trouble for d in devices)
    return draft.drafts(devices, args.area), notes, well


async def _dali(args: argparse.Namespace) -> tuple[dict[str, str], list[str], bool]:
    from drivers.base import DriverError
    from drivers.dali import discovery

    host, _, port = args.where.partition(":")
    try:
        found = await discovery.gear_on(host, int(port or 0), args.line)
    except (DriverError, ValueError) as error:
        raise Failure(str(error)) from error
    notes = [f"gear {g.short}: device type {g.type_text}, serial {g.serial or 'not given'}" for g in found]
    notes.append(f"{len(found)} gear on line {args.line} of {args.where}")
    return (
        {"inventory/LUM.csv": discovery.inventory(found, host, int(port or 0), args.line, args.area)},
        notes,
        bool(found),
    )
