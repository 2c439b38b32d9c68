# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and that a password cannot be guessed by asking."""

from __future__ import annotations

import base64
import hashlib

import pytest

from config.model import Role, UserModel
from supervisor.people import People, User, hash_password, password_matches


def test_a_hash_matches_its_password_and_no_other_and_is_salted() -> None:
    first, second = hash_password("brouillard"), hash_password("brouillard")
    assert first != second
    assert password_matches("brouillard", first) and password_matches("brouillard", second)
    assert not password_matches("Brouillard", first)


@pytest.mark.parametrize(
    "broken", ["", "x", "md5$1$2$3$4$5", "scrypt$a$8$1$AA==$AA==", "scrypt$16384$8$1$!$!", "$" * 5]
)
def test_a_malformed_hash_matches_nothing(broken: str) -> None:
    assert not password_matches("x", broken)


def test_a_hash_of_an_earlier_release_lets_in_costs_as_much_to_try_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = People()
    salt = base64.b64encode(bytes(16)).decode()
    digest = hashlib.scrypt(b"ancien", salt=bytes(16), n=2**14, r=8, p=1, dklen=32)
    people.add(User("old", Role.VIEWER), f"scrypt$16384$8$1${salt}${base64.b64encode(digest).decode()}")
    people.add(User("new", Role.VIEWER), hash_password("nouveau"))
    assert people.weakly_hashed() == ["old"]
    tried: list[int] = []
    scrypt = hashlib.scrypt
    monkeypatch.setattr(hashlib, "scrypt", lambda *a, n, **more: tried.append(n) or scrypt(*a, n=n, **more))
    assert people.authenticate("old", "ancien") == people.named("old")
    assert people.authenticate("old", "faux") is people.authenticate("new", "faux") is None
    assert people.authenticate("nobody", "faux") is None
    assert tried == [2**14, 2**15, 2**14, 2**15, 2**15, 2**15]


def test_unknown_names_and_users_without_password_cannot_log_in() -> None:
    people = People.of(
        [
            UserModel(name="olivier", role="operator", areas=["21605"], password_hash=hash_password("vrai")),
            UserModel(name="camille", role="viewer"),
        ]
    )
    assert people.authenticate("olivier", "vrai") == people.named("olivier")
    assert people.authenticate("olivier", "faux") is None
    assert people.authenticate("camille", "") is None
    assert people.authenticate("personne", "") is None


def test_a_login_of_the_system_is_known_only_if_a_user_names_it() -> None:
    people = People.of([UserModel(name="ines", role="engineer", unix_user="ines.i")])
    assert people.of_unix("ines.i") == people.named("ines")
    assert people.of_unix("ines") is None and people.of_unix("") is None


@pytest.mark.parametrize(
    ("role", "writes", "personal"),
    [
        (Role.VIEWER, False, False),
        (Role.OPERATOR, True, False),
        (Role.SUPERVISOR, True, True),
        (Role.ENGINEER, True, False),
        (Role.SECURITY, False, True),
    ],
)
def test_rights_by_role_and_area(role: Role, writes: bool, personal: bool) -> None:
    everywhere, here = User("u", role), User("u", role, frozenset({"21605"}))
    assert everywhere.may_write("21605") is writes
    assert here.may_write("21605") is writes
    assert not here.may_write("21231")
    assert everywhere.may_read_personal() is personal
