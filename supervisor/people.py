# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_people.py
"""Who may do what: named users, memory-hard password hashes, rights by role and area.

Law of this file: no I/O. Hashing takes about 50 ms and 16 MiB; callers run it through `Offload`.

Rights of the first release: everyone who is logged in reads; personal data (class P) only supervisor and security
officer; operator, supervisor and engineer write within their areas; engineer alone changes configuration.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from config.model import Role, UserModel

# scrypt cost: 16 MiB and about 50 ms on a 2020 server core; the interactive setting of RFC 7914, section 2.
_N: Final = 2**14
_R: Final = 8
_P: Final = 1
_WRITERS: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER})
_PERSONAL: Final = frozenset({Role.SUPERVISOR, Role.SECURITY})


@dataclass(frozen=True, slots=True)
class User:
    """A person or the server itself, as far as rights go. `areas` None means all."""

    name: str
    role: Role
    areas: frozenset[str] | None = None
    organisation: str | None = None

    def may_write(self, area: str) -> bool:
        return self.role in _WRITERS and (self.areas is None or area in self.areas)

    def may_read_personal(self) -> bool:
        return self.role in _PERSONAL


def hash_password(password: str) -> str:
    """'scrypt$16384$8$1$<salt>$<hash>' with a fresh salt."""
    salt = secrets.token_bytes(16)
    return "$".join(("scrypt", str(_N), str(_R), str(_P), _b64(salt), _b64(_scrypt(password, salt, _N, _R, _P))))


def password_matches(password: str, password_hash: str) -> bool:
    """True if the password is the one hashed; a malformed hash matches nothing."""
    try:
        scheme, n, r, p, salt, digest = password_hash.split("$")
        if scheme != "scrypt":
            return False
        computed = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return hmac.compare_digest(computed, base64.b64decode(digest))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=64 * 2**20, dklen=32)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# An unknown name costs as much time as a wrong password, so that names cannot be guessed by the clock.
_NOBODY: Final = "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(slots=True)
class People:
    """The users of a site."""

    _users: dict[str, User] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)
    _unix: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, models: Iterable[UserModel]) -> People:
        people = cls()
        for m in models:
            areas = None if m.areas == "all" else frozenset(m.areas)
            people.add(User(m.name, Role(m.role), areas, m.organisation), m.password_hash, m.unix_user)
        return people

    def add(self, user: User, password_hash: str | None, unix_user: str | None = None) -> None:
        self._users[user.name] = user
        if password_hash is not None:
            self._hashes[user.name] = password_hash
        if unix_user is not None:
            self._unix[unix_user] = user.name

    def authenticate(self, name: str, password: str) -> User | None:
        """The user if name and password fit, else None. Takes about 50 ms whatever the answer."""
        matches = password_matches(password, self._hashes.get(name, _NOBODY))
        return self._users.get(name) if matches and name in self._hashes else None

    def named(self, name: str) -> User | None:
        return self._users.get(name)

    def of_unix(self, login: str) -> User | None:
        """The Vigie user of a login of the operating system (control socket)."""
        return self._users.get(self._unix.get(login, ""))
