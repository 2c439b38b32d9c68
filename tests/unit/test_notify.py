# SPDX-License-Identifier: Apache-2.0
"""sd_notify over a real datagram socket."""

import os
import socket
from pathlib import Path

from supervisor.notify import READY, WATCHDOG, Notifier


def test_states_arrive_as_one_datagram(tmp_path: Path) -> None:
    for address in (str(tmp_path / "notify"), f"@vigie-test-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("\0" + address[1:] if address.startswith("@") else address)
            notifier = Notifier({"NOTIFY_SOCKET": address})
            assert notifier.send(READY, "STATUS=two\nlines")
            assert manager.recv(4096) == b"READY=1\nSTATUS=two lines"
            notifier.close()
            notifier.close()
            assert not notifier.send(WATCHDOG)


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    notifier = Notifier({})
    assert not notifier.send(READY)
    assert notifier.watchdog_s is None
    notifier.close()
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert not gone.send(READY)
    gone.close()


def test_the_watchdog_is_ours_or_not() -> None:
    for environ, seconds in (
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ):
        assert Notifier(environ).watchdog_s == seconds
