# SPDX-License-Identifier: Apache-2.0
"""Real processes: a simulated field and a server, started, frozen, killed and asked through their doors."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from config.load import find_site

T = TypeVar("T")
VIGIE = [sys.executable, "-m", "supervisor.cli.main"]
PATIENCE_S = float(os.environ.get("VIGIE_TEST_PATIENCE", "1")) * 60  # slow machines multiply
ROOT = Path(__file__).parents[2]


def until(what: str, ask: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """Ask until the answer is neither None nor False; a test that waits for real processes waits like this."""
    limit = time.monotonic() + patience_s
    while True:
        if (answer := ask()) not in (None, False):
            return answer  # type: ignore[return-value]
        if time.monotonic() > limit:
            raise AssertionError(f"waited {patience_s:g} s in vain: {what}")
        time.sleep(0.1)


_FAMILY: Final = re.compile(r"  ([A-Z]{3}): inventory/")


def site_of_its_own(folder: Path) -> Path:
    """A copy of Sennecey with what Modbus tells, and nothing else: its devices live at ports that are free now."""
    site = folder / "site"
    shutil.copytree(find_site("sennecey"), site)
    lines = (site / "site.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [
        line for line in lines if not (found := _FAMILY.match(line)) or found[1] in ("ALM", "CAB", "FDR", "RWS", "SYS")
    ]
    (site / "site.yaml").write_text("".join(kept), encoding="utf-8")
    for name in ("CAB.csv", "RWS.csv"):
        path = site / "inventory" / name
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines):
            if ",15020," in line or line.endswith(",15020"):
                lines[i] = line.replace("15020", str(_free_port(_host_in(line))))
        path.write_text("\n".join(lines) + "\n")
    return site


def _host_in(line: str) -> str:
    return next(field for field in line.split(",") if field.startswith("127."))


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """One `vigie` command that runs until it is ended."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.arguments = arguments
        self.process = subprocess.Popen(
            [*VIGIE, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
        # Listened to all the while: a plant of 3,543 devices logs more than a pipe holds, and its server would wait.
        self._said: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self._said.extend(stream)

    def output(self, patience_s: float = PATIENCE_S) -> str:
        """Everything it printed, once it has ended."""
        self.process.wait(patience_s)
        self._listening.join(patience_s)
        return "".join(self._said)

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and everything it printed."""
        if self.process.poll() is None:
            self.send(number)
        try:
            output = self.output()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.arguments} did not end:\n{self.output()}") from None
        return self.process.returncode, output

    def words(self) -> str:
        """What it printed, after it ended by itself."""
        return self.output()


class Server(Process):
    """`vigie run` or `vigie demo` with a state folder of its own and ports from the system."""

    def __init__(self, state: Path, *arguments: str, wait: bool = True, env: dict[str, str] | None = None) -> None:
        self.state = state
        (state / "connect.json").unlink(missing_ok=True)  # of one that was killed
        super().__init__(*arguments, "--state", str(state), "--port", "0", "--http-port", "0", env=env)
        if wait:
            self.connect = self.wait_until_ready()

    def wait_until_ready(self) -> dict[str, Any]:
        def ready() -> dict[str, Any] | None:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.arguments} ended by itself:\n{self.words()}")
            try:
                found: dict[str, Any] = json.loads((self.state / "connect.json").read_text())
            except FileNotFoundError:
                return None
            return found

        return until("connect.json", ready)

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.connect['http']}/status", timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
            return document

    def vigie(self, *arguments: str) -> tuple[int, str]:
        """Another command that asks this server: exit code, output."""
        done = subprocess.run(
            [*VIGIE, *arguments, "--state", str(self.state)], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    def read(self, *names: str) -> dict[str, dict[str, Any]]:
        code, output = self.vigie("read", *names, "--json")
        assert code == 0, output
        return {reading["name"]: reading for reading in json.loads(output)["tags"]}


@contextmanager
def running(process: Process) -> Iterator[Process]:
    """The process, and its certain end."""
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
        process.output()
