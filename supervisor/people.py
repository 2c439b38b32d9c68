# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_people.py
"""Who may do what: named users, memory-hard password hashes, rights by role, area and organisation.

Law of this file: no I/O. Hashing takes about 0.1 s and 32 MiB; callers run it through `Offload`. What a right means
for the rows of a plant is `rights.py`'s, for all rows at once; here it is said for one piece of equipment.

Everyone who is logged in reads in the areas they see; personal data (class P) only supervisor and security officer;
operator, supervisor and engineer write within their areas; engineer alone changes configuration. People of a limited
organisation see and command nothing but the equipment that it maintains, and no personal data unless granted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from config.model import OrganisationModel, Role, UserModel

# scrypt cost: 32 MiB and about 0.1 s on a 2020 server core. Twice the interactive setting of RFC 7914, section 2:
# logins are hashed one after the other, so that no rush of them needs more memory than one.
_N: Final = 2**15
_R: Final = 8
_P: Final = 1
_MEMORY_MAX: Final = 80 * 2**20  # 64 MiB, the most that `vigie check` lets a hash take, and what scrypt needs beside it
WRITERS: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER})
_PERSONAL: Final = frozenset({Role.SUPERVISOR, Role.SECURITY})


@dataclass(frozen=True, slots=True)
class User:
    """A person or the server itself, as far as rights go.

    Attributes:
        areas: where they act; None: everywhere.
        sees: where they see; None: everywhere.
        limited: only what their organisation maintains.
        personal: False: no personal data, whatever the role.
    """

    name: str
    role: Role
    areas: frozenset[str] | None = None
    organisation: str | None = None
    sees: frozenset[str] | None = None
    limited: bool = False
    personal: bool = True

    def may_see(self, area: str, maintainer: str = "") -> bool:
        """Whether equipment of this area, maintained by this organisation ('' by none), is there for them at all."""
        return (self.sees is None or area in self.sees) and self._theirs(maintainer)

    def may_write(self, area: str, maintainer: str = "") -> bool:
        """Whether they may command such equipment. Nobody commands what they do not see."""
        acts = self.role in WRITERS and (self.areas is None or area in self.areas)
        return acts and self.may_see(area, maintainer)

    def may_read_personal(self) -> bool:
        return self.role in _PERSONAL and self.personal

    def _theirs(self, maintainer: str) -> bool:
        return not self.limited or (maintainer != "" and maintainer == self.organisation)


def hash_password(password: str) -> str:
    """'scrypt$32768$8$1$<salt>$<hash>' with a fresh salt."""
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
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_MAX, dklen=32)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# A hash that nothing matches. An unknown name costs as much time as a wrong password: the clock tells no names.
_NOBODY: Final = f"scrypt${_N}${_R}${_P}$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def _cost(password_hash: str) -> tuple[int, int, int]:
    """(n, r, p) of a hash; zeros for what is none."""
    try:
        scheme, n, r, p, _, _ = password_hash.split("$")
        return (int(n), int(r), int(p)) if scheme == "scrypt" else (0, 0, 0)
    except ValueError:
        return 0, 0, 0


_NONE: Final[Mapping[str, OrganisationModel]] = {}


def _user(m: UserModel, organisations: Mapping[str, OrganisationModel]) -> User:
    own = organisations.get(m.organisation or "", OrganisationModel())
    return User(
        name=m.name,
        role=Role(m.role),
        areas=_areas(m.areas),
        organisation=m.organisation,
        sees=_areas(m.areas if m.sees is None else m.sees),
        limited=own.limited,
        personal=own.reads_personal,
    )


def _areas(areas: list[str] | str) -> frozenset[str] | None:
    return None if isinstance(areas, str) else frozenset(areas)


@dataclass(slots=True)
class People:
    """The users of a site."""

    _users: dict[str, User] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)
    _unix: dict[str, str] = field(default_factory=dict)
    _certificates: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, models: Iterable[UserModel], organisations: Mapping[str, OrganisationModel] = _NONE) -> People:
        """The users of a site whose `organisations` have these rights."""
        people = cls()
        for m in models:
            people.add(_user(m, organisations), m.password_hash, m.unix_user, m.certificates)
        return people

    def add(
        self,
        user: User,
        password_hash: str | None,
        unix_user: str | None = None,
        certificates: Iterable[str] = (),
    ) -> None:
        """`certificates`: SHA-256 in hexadecimal of those the user may log in with."""
        self._users[user.name] = user
        if password_hash is not None:
            self._hashes[user.name] = password_hash
        if unix_user is not None:
            self._unix[unix_user] = user.name
        self._certificates.update(dict.fromkeys(certificates, user.name))

    def authenticate(self, name: str, password: str) -> User | None:
        """The user if name and password fit, else None. Takes as long whatever the answer and however old the hash."""
        known = self._hashes.get(name, _NOBODY)
        matches = password_matches(password, known)
        if _cost(known) < (_N, _R, _P):
            password_matches(password, _NOBODY)
        return self._users.get(name) if matches and name in self._hashes else None

    def of_certificate(self, fingerprint: str) -> User | None:
        """The user of a certificate, by its SHA-256."""
        return self._users.get(self._certificates.get(fingerprint, ""))

    def weakly_hashed(self) -> list[str]:
        """Users whose hash costs less to guess at than one made today; `vigie passwd` makes a new one."""
        return sorted(name for name, known in self._hashes.items() if _cost(known) < (_N, _R, _P))

    def named(self, name: str) -> User | None:
        return self._users.get(name)

    def of_unix(self, login: str) -> User | None:
        """The Vigie user of a login of the operating system (control socket)."""
        return self._users.get(self._unix.get(login, ""))
