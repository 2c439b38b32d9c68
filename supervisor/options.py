# SPDX-License-Identifier: Apache-2.0
"""What the command line hands to the server, and where things lie in a state folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATE_DIR: Final = Path("/var/lib/vigie")
CONTROL_SOCKET: Final = "control.sock"
CONNECT_FILE: Final = "connect.json"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of `vigie run` and `vigie demo`.

    Attributes:
        state_dir: folder of this server's state.
        port, http_port: of the OPC UA and HTTP doors; None: as the site says; 0: from the operating system.
        insecure_loopback: adds an unencrypted OPC UA endpoint on 127.0.0.1 with an anonymous viewer.
        accept_unknown_certificates: unknown OPC UA client certificates are accepted and logged.
        field_map: JSON file {device name: [host, port]}: where the devices are instead of their own address.
        demo: passwords for the demo users are made and told in `connect.json`.
        for_s: stop by itself after so long [s]; None: run until told to stop.
    """

    state_dir: Path
    port: int | None = None
    http_port: int | None = None
    insecure_loopback: bool = False
    accept_unknown_certificates: bool = False
    field_map: Path | None = None
    demo: bool = False
    for_s: float | None = None
