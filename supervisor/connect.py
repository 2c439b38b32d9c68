# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_connect.py
"""`connect.json`: how to reach the server that runs with a state folder, and who may log in to the demo.

Law of this file: written whole once every door answers, removed on stop; mode 0600, for in a demo it holds passwords.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from config.durable import write_whole
from config.model import Role
from supervisor.failure import Failure
from supervisor.options import CONNECT_FILE
from supervisor.people import People, User, hash_password

_DEMO_ROLES: Final = (Role.VIEWER, Role.OPERATOR, Role.ENGINEER)


@dataclass(frozen=True, slots=True)
class Login:
    """A demo user: name, password of this start, role."""

    name: str
    password: str
    role: str


@dataclass(frozen=True, slots=True)
class Connect:
    """What a client needs to know.

    Attributes:
        endpoint: 'opc.tcp://127.0.0.1:4840'.
        insecure_endpoint: the unencrypted one, None if there is none.
        http: 'http://127.0.0.1:9840'.
        users: in a demo only.
        server_certificate: path of the server's certificate (DER).
    """

    endpoint: str
    insecure_endpoint: str | None
    http: str
    users: Sequence[Login]
    server_certificate: str


def add_demo_users(people: People) -> list[Login]:
    """Give the site the users viewer, operator and engineer with passwords of this start only.

    Blocking: hashing takes about 0.1 s each, side by side where there are cores; call it through `Offload`.
    """
    logins = [Login(role.value, secrets.token_urlsafe(12), role.value) for role in _DEMO_ROLES]
    with ThreadPoolExecutor(len(logins)) as pool:
        hashes = list(pool.map(hash_password, [login.password for login in logins]))
    for role, password_hash in zip(_DEMO_ROLES, hashes, strict=True):
        people.add(User(role.value, role), password_hash)
    return logins


def write_connect(state_dir: Path, connect: Connect) -> None:
    """Write `connect.json`. Blocking.

    Raises:
        Failure: it cannot be written.
    """
    path = state_dir / CONNECT_FILE
    try:
        write_whole(path, json.dumps(asdict(connect), indent=2).encode() + b"\n", 0o600)
    except OSError as e:
        raise Failure(f"{path}: {e.strerror}; free space or choose another --state") from e


def remove_connect(state_dir: Path) -> None:
    """Remove it; nothing to do if it is not there. Blocking."""
    with contextlib.suppress(FileNotFoundError):
        (state_dir / CONNECT_FILE).unlink()
