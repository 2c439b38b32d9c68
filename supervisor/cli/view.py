# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_view.py
"""The demo's screen: one page that is always true, made from what any client may ask the server.

Law of this file: it asks through the control socket like everybody else and knows nothing of the server's inside. In a
terminal it redraws one screen each second; elsewhere it prints where to connect and a line every ten seconds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from supervisor.cli import ask
from supervisor.cli.alarms import SIGNS, alarm_text, local, state_text
from supervisor.cli.status import alarms_line, devices_table, lines
from supervisor.control.client import ControlClient
from supervisor.failure import Failure
from supervisor.options import CONNECT_FILE

if TYPE_CHECKING:
    from rich.console import RenderableType

_REDRAW_S: Final = 1.0
_FIRST_LINE_S: Final = 3.0  # every device has been asked once by then
_LINE_S: Final = 10.0
_DEVICES_SHOWN: Final = 12
_ALARMS_SHOWN: Final = 3


class View:
    """A thread that shows how the server is until it is stopped."""

    def __init__(self, state_dir: Path, starting: str, hints: Sequence[str] = ()) -> None:
        """`starting`: what is shown until the server answers; `hints`: last lines, what to try in another terminal."""
        self._state_dir = state_dir
        self._starting = starting
        self._hints = hints
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, name="vigie-view", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Leave the screen as a terminal should be. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _show(self) -> None:
        from rich.console import Console

        if draws(console := Console()):
            self._screen(console)
        else:
            self._lines()

    def _lines(self) -> None:
        while not self._stop.wait(0.2):
            connect = read_connect(self._state_dir)
            if connect is not None and self._status() is not None:
                print("\n".join(connect_lines(connect)), flush=True)
                break
        pause_s = _FIRST_LINE_S
        while not self._stop.wait(pause_s):
            if (status := self._status()) is not None:
                print(one_line(status), flush=True)
            pause_s = _LINE_S

    def _screen(self, console: Any) -> None:
        from rich.live import Live

        with Live(ask.plain(self._starting), console=console, screen=True, auto_refresh=False) as live:
            while not self._stop.wait(_REDRAW_S if read_connect(self._state_dir) else 0.1):
                connect, status = read_connect(self._state_dir), self._status()
                if connect is not None and status is not None:
                    live.update(page(connect, status, self._newest(), self._hints), refresh=True)

    def _newest(self) -> list[dict[str, Any]]:
        """The newest alarms to acknowledge."""
        try:
            with ControlClient(self._state_dir, timeout_s=5.0) as control:
                answer = control.call("alarms", list="unacked", newest=True, limit=_ALARMS_SHOWN)
                return list(answer["alarms"])
        except Failure:
            return []  # as `_status`

    def _status(self) -> dict[str, Any] | None:
        try:
            with ControlClient(self._state_dir, timeout_s=5.0) as control:
                status: dict[str, Any] = control.call("status", devices=_DEVICES_SHOWN)
                return status
        except Failure:
            return None  # not up yet, or stopping: there is nothing to show, and the log tells the rest


def draws(console: Any) -> bool:
    """Whether a screen can be drawn: a terminal, and not one that knows nothing but lines (TERM=dumb)."""
    return bool(console.is_terminal and not console.is_dumb_terminal)


def read_connect(state_dir: Path) -> dict[str, Any] | None:
    """`connect.json`; None while the server is not ready."""
    try:
        document: dict[str, Any] = json.loads((state_dir / CONNECT_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return document


def connect_lines(connect: dict[str, Any]) -> list[str]:
    """Where to connect, and who may."""
    made = [f"OPC UA    {connect['endpoint']}  (Basic256Sha256, SignAndEncrypt)"]
    if connect["insecure_endpoint"]:
        made.append(f"insecure  {connect['insecure_endpoint']}  (this machine only, anonymous viewer)")
    made.append(f"HTTP      {connect['http']}/status  /metrics  /healthz")
    width = max((len(user["name"]) for user in connect["users"]), default=0)
    for user in connect["users"]:
        role = "" if user["role"] == user["name"] else f"  ({user['role']})"
        made.append(f"login     {user['name']:<{width}}  {user['password']}{role}")
    return made


def one_line(s: dict[str, Any]) -> str:
    """The server in one line."""
    tags = s["tags"]
    total, silent_count = s["device_counts"]["total"], s["device_counts"]["total"] - s["device_counts"]["up"]
    named = ", ".join(d["name"] for d in s["devices"][:3] if d["link"] != "up")
    silent = f", {silent_count:,} silent ({named}{' ...' if silent_count > 3 else ''})" if silent_count else ""
    waiting = f" ({tags['waiting']:,} not read yet)" if tags["waiting"] else ""
    alarms = f"; alarms: {alarms_line(s['alarms'])}" if s["alarms"]["active"] is not None else ""
    return (
        f"{ask.count(tags['total'], 'tag')}: {tags['good']:,} good, {tags['uncertain']:,} uncertain, "
        f"{tags['bad']:,} bad{waiting}; "
        f"{ask.count(total, 'device')}{silent}; scan {s['scan']['duration_ms_p99']:.1f} ms, "
        f"{s['scan']['missed']:,} missed{alarms}"
    )


def alarm_lines(newest: list[dict[str, Any]]) -> list[str]:
    """One line for each of the newest alarms to acknowledge, with what to acknowledge it by."""
    return [
        f"{SIGNS.get(a['priority'], a['priority'])}  {local(a['raised'])}  {a['equipment']}  {alarm_text(a, 'fr')}  "
        f"({state_text(a, 'fr')}; vigie ack {a['event'] or a['name']})"
        for a in newest
    ]


def page(
    connect: dict[str, Any],
    status: dict[str, Any],
    newest: Sequence[dict[str, Any]] = (),
    hints: Sequence[str] = (),
) -> RenderableType:
    """The whole screen. The server tells the worst devices first; of a large plant only those are of interest."""
    from rich.console import Group
    from rich.panel import Panel

    devices = [d for d in status["devices"] if d["link"] != "up" or d["identity"]["wrong"]]
    hidden = status["device_counts"]["total"] - status["device_counts"]["up"] - len(devices)
    more: Iterable[RenderableType] = [ask.plain(f"... and {hidden:,} more: vigie status")] if hidden > 0 else []
    return Group(
        Panel(ask.plain_lines(connect_lines(connect)), title=f"Vigie {status['site']}", title_align="left"),
        Panel(ask.plain_lines(lines(status)), title="server", title_align="left"),
        *([Panel(ask.plain_lines(alarm_lines(list(newest))), title="alarms", title_align="left")] if newest else []),
        *([devices_table(devices), *more] if devices else []),
        ask.plain_lines([*hints, "Ctrl-C stops."]),
    )
