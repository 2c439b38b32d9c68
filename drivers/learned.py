# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_learned.py
"""What drivers learned of their devices, as plain data that outlives a restart.

Law of this file: no I/O; a driver's data is passed on unread. What was learned belongs to one device *and* one plan:
with another plan (a corrected address, another gap_max) it is forgotten, and the device is found out anew.

    {"CAB-0003.controller": {"plan": "9f3c...", "requests": {"0 holding 100..124": {...}}}}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.base import DeviceSpec, ProtocolSpec, Request


@dataclass(frozen=True, slots=True)
class Teachable:
    """A device and its requests, in the order of their ids."""

    spec: DeviceSpec
    protocol: ProtocolSpec
    requests: Sequence[Request]


def learned(devices: Iterable[Teachable]) -> dict[str, Any]:
    """Device -> plan and what is worth keeping of each request; devices without anything are left out."""
    found: dict[str, Any] = {}
    for device in devices:
        if (export := device.protocol.export_state) is None:
            continue
        kept = {key: state for key, r in _keys(device).items() if (state := export(r)) is not None}
        if kept:
            found[device.spec.name] = {"plan": digest(device), "requests": kept}
    return found


def recall(devices: Iterable[Teachable], kept: Mapping[str, Any], now_s: float) -> tuple[int, int]:
    """Tell devices what they knew, before they are asked for the first time.

    Args:
        kept: as `learned` gave it, or anything: it comes from a file.

    Returns: requests that know something again, and entries that no longer fit.
    """
    taken = dropped = 0
    for device in devices:
        entry = kept.get(device.spec.name)
        if entry is None or (load := device.protocol.import_state) is None:
            continue
        requests = entry.get("requests") if isinstance(entry, dict) else None
        if not isinstance(requests, dict) or entry.get("plan") != digest(device):
            dropped += 1
            continue
        for key, request in _keys(device).items():
            if key in requests:
                try:
                    load(request, requests[key], now_s)
                    taken += 1
                except ValueError:
                    dropped += 1
    return taken, dropped


def digest(device: Teachable) -> str:
    """Of all that a plan says: its questions, and which point is where in them."""
    told = hashlib.sha256()
    for key, request in _keys(device).items():
        told.update(f"{key} {request.exchange.take.tolist()}\n".encode())
    for point in device.spec.points:
        told.update(f"{point.name} {point.address!r}\n".encode())
    return told.hexdigest()[:32]


def _keys(device: Teachable) -> dict[str, Request]:
    return {f"{i} {request.exchange.label}": request for i, request in enumerate(device.requests)}
