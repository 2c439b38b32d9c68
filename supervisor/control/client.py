# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control.py
"""The CLI's side of the control socket: blocking, one request at a time.

Law of this file: standard library only, so that `vigie read` starts at once.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from supervisor.failure import Failure
from supervisor.options import CONTROL_SOCKET, STATE_DIR

_TIMEOUT_S: Final = 130.0  # a little more than the server takes at most
_ANSWER_LENGTH_MAX: Final = 64 * 2**20


class ControlClient:
    """A connection to the server that runs with `state_dir`.

    Raises:
        Failure: no server, no right, no answer; in one sentence.
    """

    def __init__(self, state_dir: Path, timeout_s: float = _TIMEOUT_S) -> None:
        self._path = state_dir / CONTROL_SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(self._path))
        except PermissionError as e:
            self._socket.close()
            raise Failure(f"{self._path}: permission denied; your login must be in the service's group") from e
        except OSError as e:
            self._socket.close()
            raise Failure(
                f"no server runs with the state folder {state_dir}; start one with 'vigie run' or 'vigie demo', "
                "or name its folder with --state"
            ) from e
        self._file = self._socket.makefile("rb")

    def call(self, operation: str, **arguments: Any) -> Any:
        """Ask and wait for the answer's data.

        Raises:
            Failure: the server refused (its sentence), went away, or is silent.
        """
        line = json.dumps({"op": operation, **arguments}).encode() + b"\n"
        try:
            self._socket.sendall(line)
            raw = self._file.readline(_ANSWER_LENGTH_MAX)
        except TimeoutError as e:
            raise Failure(f"the server at {self._path} does not answer") from e
        except (BrokenPipeError, ConnectionResetError):
            raw = self._last_word()
        if not raw.endswith(b"\n"):
            raise Failure(f"the server at {self._path} ended the connection")
        answer = json.loads(raw)
        if not answer["ok"]:
            raise Failure(answer["error"])
        return answer["data"]

    def _last_word(self) -> bytes:
        """A server that turns us away says why and closes before it has read our request."""
        try:
            return self._file.readline(_ANSWER_LENGTH_MAX)
        except OSError:
            return b""

    def close(self) -> None:
        """Idempotent."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_state_dir(given: Path | None) -> Path:
    """The state folder a person means: the one given, or the only one in the usual places a server listens in.

    Raises:
        Failure: several servers run here.
    """
    if given is not None:
        return given
    alive = [folder for folder in _usual_places() if _listens(folder / CONTROL_SOCKET)]
    if len(alive) > 1:
        raise Failure(f"several servers run here: {', '.join(map(str, alive))}; name one with --state")
    return alive[0] if alive else STATE_DIR


def _usual_places() -> Iterator[Path]:
    yield STATE_DIR
    for parent in (STATE_DIR, Path("var")):
        try:
            yield from sorted(p for p in parent.iterdir() if p.is_dir())
        except OSError:
            continue  # not there, or not ours to look into


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except PermissionError:
            return True  # somebody is there; connecting again will say what is missing
        except OSError:
            return False
    return True
