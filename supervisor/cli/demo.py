# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_server.py, tests/system/test_demo_cli.py
"""A plant in one terminal: the simulated field of a shipped site, the server that polls it, and how both are.

Nothing has to be set up. The screen shows where OPC UA clients connect and with which of this start's passwords. In
another terminal:

  vigie tags 'CAB-*/V1'                                   what the server reads
  vigie put 21605/CAB-0003/K1_Cmd true                    command a circuit
  vigie simulate sennecey --turn CAB-0003 'hang 30 s'     break a device and watch it turn Uncertain, Bad, Good

Ctrl-C stops everything in order.
"""

from __future__ import annotations

import argparse
import gc
import shlex
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from supervisor.cli import logs, sites
from supervisor.cli.run import add_doors
from supervisor.failure import Failure
from supervisor.options import RunOptions

if TYPE_CHECKING:
    from config.model import Site

_LOOK_S: Final = 0.05
_START_S: Final = 60.0  # a city of 850 devices on a small machine
_STOP_S: Final = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", metavar="SITE", default="sennecey", help="site to show (default: sennecey)")
    sites.add_state(parser, "./var/SITE")
    add_doors(parser)


def run(args: argparse.Namespace) -> int:
    gc.disable()  # as the server does while it starts; it enables it again
    site = sites.load(args.site)
    state = args.state or Path("var") / site.model.site
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        logs.to_file(state / "vigie.log")
    except OSError as e:
        raise Failure(f"state folder {state}: {e.strerror}; choose one you may write with --state") from e
    print(f"{len(site.devices):,} simulated devices of {site.model.site} start ...", flush=True)
    field = Field(args.site, state)
    try:
        import_module("supervisor.app")  # meanwhile, on the other core: it takes as long
        field.wait_until_it_answers()
        return _serve(site, state, field.map, args)
    finally:
        field.stop()


def _serve(site: Site, state: Path, field_map: Path, args: argparse.Namespace) -> int:
    from supervisor.app import run_server
    from supervisor.cli.view import View

    options = RunOptions(
        state_dir=state,
        port=args.port,
        http_port=args.http_port,
        insecure_loopback=args.insecure_loopback,
        accept_unknown_certificates=True,
        field_map=field_map,
        demo=True,
        for_s=args.for_s,
    )
    view = View(state, f"the server of {site.model.site} starts ...", hints(site, args.site, args.state))
    view.start()
    try:
        return run_server(site, options)
    finally:
        view.stop()


def hints(site: Site, name: str, state: Path | None) -> list[str]:
    """What to try in another terminal, ready to be copied; nothing for a site without a lighting cabinet.

    Args:
        name: what the site was called on the command line.
        state: the folder given there, if one was.
    """
    if not (cabinets := site.equipment.get("CAB")):
        return []
    program = sys.argv[0] if Path(sys.argv[0]).name == "vigie" else "vigie"
    own = f" --state {shlex.quote(str(state))}" if state else ""
    one = cabinets[min(2, len(cabinets) - 1)]
    tries = [
        (f"tags '{one.name}/*'{own}", "what the server reads of a cabinet"),
        (f"put {one.area}/{one.name}/K1_Cmd true{own}", "switch its first circuit on"),
        (f"simulate {name} --turn {one.name} 'hang 30 s'{own}", "it answers nobody: Uncertain, Bad, an alarm, Good"),
    ]
    if one.feeder:
        tries.append((f"simulate {name} --turn {one.feeder} 'supply off'{own}", "a street goes dark: one alarm"))
    width = max(len(command) for command, _ in tries)
    return ["In another terminal:", *(f"  {program} {command:<{width}}   {what}" for command, what in tries)]


class Field:
    """The field simulator as a child process, in a session of its own so that Ctrl-C reaches only the demo, which
    stops the server first. It holds our end of its standard input and stops when we die, whatever way.

    Attributes:
        map: field.json: where its devices are.
    """

    def __init__(self, site: str, state: Path) -> None:
        self.map = state / "field.json"
        self._log = state / "simulate.log"
        self._before = self._stamp()
        command = [sys.executable, "-m", "supervisor.cli.main", "simulate", site]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
                [*command, "--state", str(state), "--ports", "os", "--until-eof"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.map.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def wait_until_it_answers(self) -> None:
        """Wait for a field.json that was not there before: one left behind by a killed demo tells wrong ports.

        Raises:
            Failure: it ended or needed too long; with its last words.
        """
        for _ in range(int(_START_S / _LOOK_S)):
            if self._process.poll() is not None:
                raise Failure(f"the field simulator ended: {self._last_words()}")
            if (now := self._stamp()) is not None and now != self._before:
                return
            time.sleep(_LOOK_S)
        raise Failure(f"the field simulator did not answer within {_START_S:g} s; see {self._log}")

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"

    def stop(self) -> None:
        """End it in order; by force if it does not listen. Idempotent."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
