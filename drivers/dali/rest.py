# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_discovery.py
"""What a Lunatone gateway says of its gear by REST: the names that who commissioned the line has given.

Law of this file: one question of a tool that blocks, in a thread; never a value, never a command. Whatever the gateway
answers is names or none: a discovery does without them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any, Final

ANSWER_MAX: Final = 2**20
"""Longest answer that is looked at [bytes]; 64 gears on each of four lines take some 60 kB."""
NAME_MAX: Final = 100


async def names(host: str, port: int, line: int, timeout_s: float) -> dict[int, str]:
    """Short address -> name of the gear on a line; empty if the gateway does not tell."""
    try:
        told = await asyncio.to_thread(_get, host, port, "/devices", timeout_s)
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return {}
    devices = told.get("devices") if isinstance(told, dict) else None
    found = {}
    for each in devices if isinstance(devices, list) else ():
        if isinstance(each, dict) and each.get("line", 0) == line and isinstance(each.get("address"), int):
            name = " ".join(str(each.get("name") or "").split())[:NAME_MAX]
            if name:
                found[each["address"]] = name
    return found


def _get(host: str, port: int, path: str, timeout_s: float) -> Any:
    """The JSON at a path.

    Raises:
        OSError, HTTPException: no answer; ValueError: no JSON, or too much of it.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        data = answer.read(ANSWER_MAX + 1)
    finally:
        connection.close()
    if answer.status != http.client.OK or len(data) > ANSWER_MAX:
        raise ValueError(f"expected the devices at {path}, got status {answer.status} and {len(data)} bytes")
    return json.loads(data)
