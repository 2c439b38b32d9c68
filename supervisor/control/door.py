# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control.py
"""The control socket: the CLI's door to the running server. A Unix socket, JSON lines, the kernel says who is there.

Law of this file: bytes and people; what is asked is `operations`'s. Everything is bounded: connections, the length of a
line, the time a connection may idle, and one request at a time on each.

Mode 0660: the service's group may connect. The kernel tells the login of the other side (SO_PEERCRED); the site's users
name theirs with `unix_user`. The login the server itself runs as, and root, could do anything to it anyway: where
no user of the site names them they act as the engineer `local`, so that a site without `unix_user` has a way in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Any, Final

from config.model import Role
from historian.base import Run
from supervisor.control.operations import Refused, Server, carry_out
from supervisor.failure import Failure
from supervisor.options import CONTROL_SOCKET
from supervisor.people import People, User
from supervisor.pieces import encode

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 32
LINE_LENGTH_MAX: Final = 64 * 1024
IDLE_S: Final = 60.0
LAST_WORD_S: Final = 1.0
ANSWER_S: Final = 120.0  # longer than the longest `confirm ... within` a type may sensibly name
# asyncio takes some rounds of its loop from accept to our coroutine; nothing outside the process is waited for.
_ACCEPT_ROUNDS: Final = 10
_UCRED: Final = struct.Struct("3i")
_PATH_LENGTH_MAX: Final = 107  # sun_path of unix(7), without its final zero


class ControlDoor:
    """The listening socket and its connections.

    Attributes:
        refused: connections turned away since start, for want of room or of a name.
    """

    def __init__(self, server: Server, people: People, run: Run) -> None:
        """`run` leads off the loop: a login's name may come from a directory server."""
        self._server = server
        self._people = people
        self._run = run
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()
        self._path = Path()
        self._closing = False
        self.refused = 0

    async def open(self, state_dir: Path) -> None:
        """Listen on `state_dir`/control.sock. The caller holds the lock of the folder, so a socket there is a dead one.

        Raises:
            Failure: the path is too long or cannot be used.
        """
        self._path = state_dir / CONTROL_SOCKET
        if len(os.fsencode(self._path)) > _PATH_LENGTH_MAX:
            raise Failure(
                f"{self._path}: a socket's path has at most {_PATH_LENGTH_MAX} bytes; choose a shorter --state"
            )
        try:
            self._path.unlink(missing_ok=True)
            self._listener = await asyncio.start_unix_server(
                self._connected, sock=_listen(self._path), limit=LINE_LENGTH_MAX
            )
        except OSError as e:
            raise Failure(f"{self._path}: {e.strerror}; choose another --state") from e

    async def close(self) -> None:
        """Stop listening, end the connections, remove the socket. Idempotent."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        self._closing = True  # from here on a connection that was just accepted ends itself
        listener.close()
        for _ in range(_ACCEPT_ROUNDS):
            await asyncio.sleep(0)
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        await listener.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is handled in a task")
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            log.debug("a control connection ended early")
        except asyncio.CancelledError:
            log.debug("a control connection was ended")  # by `close`; nobody awaits this task but `close`
        finally:
            await _end(writer)
            self._connections.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:
            return
        if len(self._connections) > CONNECTIONS_MAX:
            self.refused += 1
            await _answer(writer, {"ok": False, "error": f"{CONNECTIONS_MAX} connections are open; try again"})
            return
        uid = _UCRED.unpack(writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        login = await self._run(lambda: _login(uid))
        user = self._user(uid, login)
        if user is None:
            self.refused += 1
            error = f"login '{login}' is no user of this site; name it in the site's users as unix_user: {login}"
            await _answer(writer, {"ok": False, "error": error})
            return
        while await self._one(reader, writer, user, f"control uid {uid}"):
            pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: User, origin: str) -> bool:
        """One request; False when there are no more."""
        try:
            async with asyncio.timeout(IDLE_S):
                line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            error = f"a request has at most {LINE_LENGTH_MAX} bytes"
            await _answer(writer, {"ok": False, "error": error})
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                data = await carry_out(self._server, user, origin, _parse(line))
        except Refused as e:
            await _answer(writer, {"ok": False, "error": str(e)})
        except TimeoutError:
            await _answer(writer, {"ok": False, "error": f"no answer within {ANSWER_S:g} s; see the journal"})
        else:
            await _answer(writer, {"ok": True, "data": data})
        return True

    def _user(self, uid: int, login: str) -> User | None:
        if (user := self._people.of_unix(login)) is not None:
            return user
        return User("local", Role.ENGINEER) if uid in (0, os.geteuid()) else None


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close a connection, with the last words for who reads them; who does not keeps neither a place nor the server."""
    writer.close()
    try:
        async with asyncio.timeout(LAST_WORD_S):
            await writer.wait_closed()
    except (ConnectionError, TimeoutError, asyncio.CancelledError):
        writer.transport.abort()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # The mode is set before anybody can connect: nobody listens yet.
        listener.bind(str(path))
        os.chmod(path, 0o660)
    except OSError:
        listener.close()
        raise
    return listener


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _parse(line: bytes) -> object:
    """What a line says. Its numbers are checked here: JSON's and Python's have no end, everybody else's do."""
    try:
        return json.loads(line, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise Refused("expected one line of JSON, its numbers finite and of at most 20 digits") from None


def _whole(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError(digits)
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(digits)
    return number


async def _answer(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(await encode(document) + b"\n")
    async with asyncio.timeout(IDLE_S):
        await writer.drain()
