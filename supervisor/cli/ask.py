# SPDX-License-Identifier: Apache-2.0
"""What the commands that ask the running server have in common: the connection, and how answers look."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from supervisor.cli.sites import add_state
from supervisor.control.client import ControlClient, find_state_dir

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def add_server(parser: argparse.ArgumentParser) -> None:
    """Options of every command that asks a server."""
    add_state(parser, "that of the only server running here")
    parser.add_argument("--json", action="store_true", help="print data as JSON")


def connect(args: argparse.Namespace) -> ControlClient:
    """Connection to the server meant."""
    return ControlClient(find_state_dir(args.state))


def print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def console() -> Console:
    """Where tables go: as wide as the terminal, as wide as it takes where there is none."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=240, no_color=True)


def table(columns: Sequence[str], right: Sequence[str] = ()) -> Table:
    """A plain table; `right` columns are numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def plain(text: object) -> Any:
    """Text from outside as it is: never read as markup, no control characters for the terminal."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else "�" for c in str(text)))


def plain_lines(lines: Iterable[object]) -> Any:
    """Several such texts, one below the other."""
    from rich.text import Text

    return Text("\n").join(plain(line) for line in lines)


def count(n: int, noun: str) -> str:
    """'1 tag', '1,030 tags'."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def age(seconds: float | None) -> str:
    """'0.4 s', '42 s', '3 min', '5 h', '2 d'; '-' where there is none."""
    if seconds is None:
        return "-"
    if abs(seconds) < 10:
        return f"{seconds:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def milliseconds(seconds: float | None) -> str:
    """A round trip. The loop that measures it reads its clock once a turn, in whole milliseconds."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.001 else "under 1 ms"


def value(tag: dict[str, Any]) -> str:
    """Value of a tag document with its unit; 'null' for a Bad one."""
    if tag["value"] is None:
        return "null"
    text = ("true" if tag["value"] else "false") if isinstance(tag["value"], bool) else str(_short(tag["value"]))
    return f"{text} {tag['unit']}" if tag.get("unit") else text


def _short(raw: object) -> object:
    return f"{raw:.7g}" if isinstance(raw, float) else raw
