# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_notify.py
"""sd_notify: tells systemd that the server is ready, alive, stopping, and how it is.

Law of this file: one datagram per call, nothing is waited for. Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"


class Notifier:
    """The way to the service manager; does nothing where there is none.

    Attributes:
        watchdog_s: how long systemd waits for a sign of life before it kills the process [s]; None: it does not.
            Half of it is a good interval.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_s = _watchdog_s(environ)

    def send(self, *states: str) -> bool:
        """Send states such as READY or 'STATUS=1,030 tags, 1 device down'. False if nobody took it: systemd absent or
        not listening; a lost WATCHDOG has its own consequence, so nobody has to act on it.
        """
        if self._socket is None:
            return False
        message = "\n".join(s.replace("\n", " ") for s in states).encode()
        try:
            self._socket.sendto(message[:4096], self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if pid and pid != str(os.getpid()):
        return None  # meant for another process of the unit
    return int(microseconds) / 1e6
