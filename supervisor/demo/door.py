# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_door.py
"""The door of the simulated field: a Unix socket in the state folder that takes orders while the demo runs.

Law of this file: one JSON object a line, one answer a line; any bytes get an answer or a closed connection. Bounded:
LINE_MAX bytes a line, CONNECTIONS_MAX at a time. The socket is its owner's alone (0600).

    {"device": "21605/CAB-0003.controller", "turn": "hang 30 s"}   ->  {"ok": true, "text": "..."}
    {"device": "21605/CAB-0003.controller", "read": true}          ->  {"ok": true, "values": {"V1": 230.1, ...}}
    {"list": true}                                                 ->  {"ok": true, "devices": [...]}
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

SOCKET_NAME: Final = "field.sock"
LINE_MAX: Final = 4096
ANSWER_MAX: Final = 4 * 2**20
CONNECTIONS_MAX: Final = 16
PATH_MAX: Final = 107
"""Longest path of a Unix socket [bytes]. Source: unix(7), sun_path."""
PATIENCE_S: Final = 5.0

Answer = dict[str, Any]


class FieldDoorError(Exception):
    """The field's door cannot be opened or did not answer; the text says why and what to do."""


class FieldDoor:
    """Serves the door.

    Args:
        state: the state folder; it exists.
        handle: request -> answer; a ValueError's text is told to the person who asked.
    """

    def __init__(self, state: Path, handle: Callable[[dict[str, Any]], Answer]) -> None:
        self._path = state / SOCKET_NAME
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen.

        Raises:
            FieldDoorError: the path is too long, or another simulator listens there.
        """
        _check_path(self._path)
        if self._path.is_socket():
            if _answers(self._path):
                raise FieldDoorError(f"another field simulator runs in {self._path.parent}; stop it first")
            self._path.unlink()
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_MAX)
        except OSError as error:
            raise FieldDoorError(f"{self._path} cannot be opened: {error.strerror}") from error
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Stop listening and drop every connection. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._serving.add(task)
        try:
            if len(self._serving) > CONNECTIONS_MAX:
                return
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line), ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            pass  # a line beyond the limit, or the asker left: its connection ends, nothing else does
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("expected a JSON object")
            return {"ok": True, **self._handle(request)}
        except (ValueError, RecursionError) as error:
            return {"ok": False, "error": str(error)}


def ask_field(state: Path, request: dict[str, Any]) -> Answer:
    """Ask the running field simulator; blocks up to PATIENCE_S.

    Returns: its answer, without `ok`.
    Raises:
        FieldDoorError: no simulator runs there, or it says no.
    """
    path = state / SOCKET_NAME
    _check_path(path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE_S)
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as stream:
                line = stream.readline(ANSWER_MAX)
        answer = json.loads(line)
    except (OSError, ValueError) as error:
        raise FieldDoorError(f"no field simulator answers at {path} ({error}); start `vigie simulate` first") from error
    if not isinstance(answer, dict) or not answer.pop("ok", False):
        raise FieldDoorError(str(answer.get("error", "no answer")) if isinstance(answer, dict) else "no answer")
    return answer


def turn_knob(state: Path, device: str, text: str) -> str:
    """Turn a knob of one simulated device, or break its plant, in the running simulator.

    Args:
        state: its state folder.
        device: '21605/CAB-0003.controller', or any end of it that means one device only: 'CAB-0003'; '*' for all.
        text: 'hang 30 s', 'reject holding 100', 'heal', 'trip K2', 'set V1 180' ...
    Returns: what was done, one sentence.
    Raises:
        FieldDoorError: no simulator runs there, or it says no (with the words it knows).
    """
    return str(ask_field(state, {"device": device, "turn": text})["text"])


def _check_path(path: Path) -> None:
    if len(os.fsencode(path)) > PATH_MAX:
        raise FieldDoorError(f"expected a state folder whose socket path has at most {PATH_MAX} bytes, got {path}")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
