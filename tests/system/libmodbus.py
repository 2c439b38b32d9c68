# SPDX-License-Identifier: Apache-2.0
"""libmodbus (Debian) as a foreign peer: builds our small C programs against it and runs the server."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.debian import CACHE, Unavailable, unpack

HERE = Path(__file__).parent


def build(name: str) -> Path:
    """Program `libmodbus_<name>.c`, compiled once per content.

    Raises:
        Unavailable: no compiler or no libmodbus.
    """
    if (gcc := shutil.which("gcc")) is None:
        raise Unavailable("gcc is not here")
    root = unpack("libmodbus5", "libmodbus-dev")
    source = HERE / f"libmodbus_{name}.c"
    target = CACHE / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if target.exists():
        return target
    library = next(root.glob("usr/lib/*/libmodbus.so")).parent
    partial = target.with_suffix(f".{os.getpid()}")
    command = [gcc, "-O2", "-Wall", "-o", str(partial), str(source), f"-I{root / 'usr/include/modbus'}"]
    command += [f"-L{library}", "-lmodbus", f"-Wl,-rpath,{library}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Unavailable(f"gcc: {done.stderr.strip()}")
    partial.replace(target)
    return target


@contextmanager
def server() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A running server: its port and its process. It ends with its standard input, hence with us.

    Raises:
        Unavailable: as `build`.
    """
    process = subprocess.Popen([build("server"), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[1]), process
    finally:
        process.communicate(timeout=10)
