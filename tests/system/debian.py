# SPDX-License-Identifier: Apache-2.0
"""Foreign programs for tests, from Debian packages, unpacked without root into a cache folder.

apt is given folders of its own for its lists and archives and the system's list of installed packages to read; nothing
of the system is changed. Where it does not work, the tests that need it are skipped with the reason.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"
LIMIT_S = 90.0


class Unavailable(Exception):
    """The packages cannot be had here; the text says why."""


def unpack(*packages: str) -> Path:
    """Folder with the files of `packages` (as in the root of a file system), fetched once.

    Raises:
        Unavailable: no apt, no network, no such package.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Unavailable("apt-get and dpkg are not here")
    root = CACHE / "-".join(sorted(packages))
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / ".complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            _fetch(packages, root)
            (root / ".complete").touch()
    return root


def _fetch(packages: tuple[str, ...], root: Path) -> None:
    state, archives = CACHE / "state", CACHE / "archives"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (archives / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    downloads = root / ".downloads"
    downloads.mkdir(parents=True)
    options = [
        f"Dir::State={state}",
        f"Dir::Cache={archives}",
        "Dir::State::status=/var/lib/dpkg/status",
        "Debug::NoLocking=true",
        "APT::Sandbox::User=",
    ]
    apt = ["apt-get", "-qq", *(part for option in options for part in ("-o", option))]
    if not any((state / "lists").glob("*Packages*")):
        _run([*apt, "update"], downloads)
    _run([*apt, "download", *packages], downloads)
    for archive in downloads.glob("*.deb"):
        _run(["dpkg", "-x", str(archive), str(root)], downloads)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} did not end within {LIMIT_S:g} s") from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{command[0]}: {words[-1]}")
