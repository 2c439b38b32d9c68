# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""`vigie`: one command of many; this file knows their names, one file each knows the rest.

Law of this file: imports nothing heavy and only the command that was asked for, so that `vigie check` loads neither
asyncua nor pyarrow nor Twisted. The only place where a `Failure` becomes a line on stderr and exit code 1.

Exit codes: 0 good, 1 problems found, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import supervisor
from supervisor.failure import Failure

COMMANDS: Final[dict[str, str]] = {
    "demo": "a simulated plant and its server in one terminal",
    "run": "run the server of a site",
    "check": "find everything wrong with a site's files",
    "test": "run a site's own alarm tests in virtual time",
    "plan": "what would change from one site folder to another",
    "schema": "JSON Schema of the files, for editors",
    "simulate": "the simulated field of a site, or a fault in it",
    "status": "how the running server is",
    "tags": "list tags of the running server",
    "read": "read tags from the running server",
    "put": "command a tag through the running server",
    "history": "what a tag was: table, CSV, Parquet, curve",
    "alarms": "the alarms of the running server",
    "ack": "acknowledge alarms",
    "shelve": "hide an alarm for a while",
    "unshelve": "take an alarm off the shelf",
    "report": "how the alarm system did: rates, floods, chattering",
    "probe": "what exactly is wrong with a device",
    "discover": "draft of what answers out there: bacnet, dali",
    "replace": "register a device that was replaced: who it is, and where its counters go on",
    "journal": "what was done and what happened, by time, tag, person, kind",
    "note": "write a note into the logbook",
    "verify": "prove that the journal or the history is whole",
    "export": "the OPC UA address space of a site as a NodeSet2 file",
    "certs": "who is trusted at the OPC UA door, and the server's own certificate",
    "passwd": "make the password hash of a user",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _open_closed_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else ""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without a letter gets its number: one that has none is
        sys.stdout.reconfigure(errors="backslashreplace")  # no reason to say nothing
    try:
        try:
            return _command(arguments)
        finally:
            sys.stdout.flush()  # here: at exit, a reader who left would be told as an error of Python's
    except Failure as e:
        print(f"vigie {name}: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `vigie tags | head`: the reader has seen enough
        _drop_output()
        return 1
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
        _drop_output()
        print(f"vigie {name}: {e.strerror}: not everything was written", file=sys.stderr)
        return 1


def _open_closed_streams() -> None:
    """Standard streams that were closed (`>&-`, some starters) lead nowhere instead: else the first file or socket that
    is opened, a journal perhaps, gets the number of one, and what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _drop_output() -> None:
    """What is still buffered must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _command(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"vigie {own_version()}")
        return 0
    name = arguments.pop(0)
    if name not in COMMANDS:
        print(f"vigie: no command '{name}'; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    check_package()
    return _run(name, arguments)


def _run(name: str, arguments: list[str]) -> int:
    module = import_module(f"supervisor.cli.{name}")
    parser = argparse.ArgumentParser(
        prog=f"vigie {name}",
        description=(module.__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    code: int = module.run(parser.parse_args(arguments))
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: vigie COMMAND [...]   (vigie COMMAND --help tells more)",
            "",
            "Vigie, the supervision server of a city's control post.",
            "",
            *lines,
        ]
    )


def own_version() -> str:
    """Version of the installed distribution; 'not installed' when run from a bare checkout."""
    try:
        return version("vigie")
    except PackageNotFoundError:
        return "not installed"


def check_package() -> None:
    """See to it that the package `supervisor` that runs is ours: supervisord installs one of the same name.

    Raises:
        Failure: it is not, or both lie in one environment.
    """
    ours = Path(__file__).resolve().parents[1]
    running = Path(str(supervisor.__file__)).resolve().parent
    if running != ours:
        raise Failure(f"the Python package 'supervisor' comes from {running}, not from {ours}; install Vigie apart")
    try:
        theirs = version("supervisor")
    except PackageNotFoundError:
        return
    raise Failure(
        f"supervisord {theirs} is installed in this Python environment and has a package of the same name, "
        "'supervisor'; install Vigie into a virtual environment of its own"
    )


if __name__ == "__main__":
    sys.exit(main())
