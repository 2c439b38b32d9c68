# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_server.py, tests/system/test_demo_cli.py
"""Run the server of a site until Ctrl-C or SIGTERM.

Polls the field, keeps the tag database, opens the OPC UA door for HMIs, the HTTP door for status and metrics, and the
control socket for the other commands. 'connect.json' in the state folder tells where they are once all of them answer.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from supervisor.cli import logs, sites
from supervisor.options import STATE_DIR, RunOptions


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", metavar="SITE", help=sites.SITE_HELP)
    sites.add_state(parser, str(STATE_DIR))
    add_doors(parser)
    parser.add_argument(
        "--field", type=Path, metavar="FILE", help="field.json of 'vigie simulate --ports os': where the devices are"
    )


def add_doors(parser: argparse.ArgumentParser) -> None:
    """Options that `run` and `demo` share."""
    parser.add_argument("--port", type=_port, help="of the OPC UA door, 0: any (default: as the site says)")
    parser.add_argument("--http-port", type=_port, help="of status and metrics, 0: any (default: as the site says)")
    parser.add_argument(
        "--insecure-loopback",
        action="store_true",
        help="add an unencrypted OPC UA endpoint with an anonymous viewer; 127.0.0.1 only",
    )
    sites.add_for(parser)


def _port(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port 0..65535, got {text}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    gc.disable()  # as the server does while it starts; it enables it again
    site = sites.load(args.site)
    logs.to_stderr()
    from supervisor.app import run_server

    options = RunOptions(
        state_dir=args.state or STATE_DIR,
        port=args.port,
        http_port=args.http_port,
        insecure_loopback=args.insecure_loopback,
        field_map=args.field,
        for_s=args.for_s,
    )
    return run_server(site, options)
