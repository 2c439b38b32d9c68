# SPDX-License-Identifier: Apache-2.0
"""node-opcua's client and server: fetched once from the npm registry into the cache, each from its lock file."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "node"
SERVER = Path(__file__).parent / "node_server"
CACHE = Path(__file__).parents[2] / ".cache" / "node"


def node_modules(package: Path = HERE) -> Path:
    """Where a package's modules are installed; skips the test, with the reason, where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed: the foreign OPC UA client cannot run")
    lock = (package / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(package / name, folder / name)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm could not fetch {package.name} within 100 s: no way to the npm registry?")
        if made.returncode:
            pytest.skip(f"npm could not fetch {package.name}: {made.stderr.strip()[-200:]}")
        (folder / "done").touch()
    return folder / "node_modules"


def node_reads(endpoint: str, names: list[str], login: tuple[str, str], identity: tuple[Path, Path], pki: Path) -> Any:
    """Values of tags as node-opcua reads them: {name: {value, type, status}}."""
    modules = node_modules()
    command = ["node", str(HERE / "read.js"), endpoint, *map(str, identity), *login, str(pki), *names]
    environment = {"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:" + str(Path(shutil.which("node") or "").parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def environment(package: Path) -> dict[str, str]:
    """Of a node process with a package's dependencies."""
    modules = node_modules(package)
    return {"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:" + str(Path(shutil.which("node") or "").parent)}
