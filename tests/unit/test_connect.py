# SPDX-License-Identifier: Apache-2.0
"""connect.json and the demo's users."""

import json
import stat
from pathlib import Path

import pytest

from supervisor.connect import Connect, Login, add_demo_users, remove_connect, write_connect
from supervisor.failure import Failure
from supervisor.people import People

CONNECT = Connect("opc.tcp://127.0.0.1:4840", None, "http://127.0.0.1:9840", [Login("a", "b", "viewer")], "/x.der")


def test_it_is_private_whole_and_removed(tmp_path: Path) -> None:
    write_connect(tmp_path, CONNECT)
    path = tmp_path / "connect.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {
        "endpoint": "opc.tcp://127.0.0.1:4840",
        "insecure_endpoint": None,
        "http": "http://127.0.0.1:9840",
        "users": [{"name": "a", "password": "b", "role": "viewer"}],
        "server_certificate": "/x.der",
    }
    remove_connect(tmp_path)
    remove_connect(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="choose another --state"):
        write_connect(tmp_path / "no", CONNECT)


def test_demo_users_can_log_in_with_this_start_s_passwords_only() -> None:
    first, second = People(), People()
    logins = add_demo_users(first)
    add_demo_users(second)
    assert [(x.name, x.role) for x in logins] == [("viewer",) * 2, ("operator",) * 2, ("engineer",) * 2]
    for login in logins:
        user = first.authenticate(login.name, login.password)
        assert user is not None
        assert user.role == login.role
    assert second.authenticate("engineer", logins[2].password) is None
