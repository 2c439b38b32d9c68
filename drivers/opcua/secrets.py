# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_security.py
"""Passwords by name: a systemd credential, or an environment variable. Never in YAML, never in a log.

Law of this file: it reads what the service manager gave and nothing else. Blocking, a small file.
Source: systemd.exec(5), LoadCredential= and CREDENTIALS_DIRECTORY.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECRET_MAX: Final = 4096
PREFIX: Final = "VIGIE_SECRET_"


class NoSecret(Exception):
    """A secret is not there; the text says where it was looked for."""


def secret(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """The secret of this name: file `name` among the credentials, else the variable VIGIE_SECRET_<NAME>.

    Raises:
        NoSecret: neither is there.
    """
    variable = PREFIX + "".join(c if c.isalnum() else "_" for c in name).upper()
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        try:
            with (Path(folder) / name).open("rb") as file:
                return file.read(SECRET_MAX).decode().rstrip("\r\n")
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            raise NoSecret(f"secret {name!r}: the credential cannot be read ({error})") from error
    if variable in environment:
        return environment[variable]
    raise NoSecret(
        f"secret {name!r}: expected a systemd credential of this name (LoadCredential=) or the environment variable "
        f"{variable}"
    )
