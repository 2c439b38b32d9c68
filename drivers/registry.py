# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_registry.py
"""Which protocols there are. One dict, no scanning: a driver exists because a line here says so.

Law of this file: names as text, imported only when asked for. A site without BACnet never imports a BACnet library,
and a missing library reaches the operator with its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Final

from drivers.base import ProtocolSpec

PROTOCOLS: Final[dict[str, str]] = {
    "bacnet": "drivers.bacnet.protocol:PROTOCOL",
    "dali": "drivers.dali.protocol:PROTOCOL",
    "modbus": "drivers.modbus.protocol:PROTOCOL",
    "opcua": "drivers.opcua.protocol:PROTOCOL",
}


class ProtocolUnavailable(Exception):
    """A protocol cannot be used here; the text says which, why, and what to do."""


def protocol(name: str) -> ProtocolSpec:
    """The protocol of this name, imported at the first call.

    Raises:
        ProtocolUnavailable: unknown name, or a package it needs is missing.
    """
    try:
        module, _, attribute = PROTOCOLS[name].partition(":")
    except KeyError:
        known = ", ".join(sorted(PROTOCOLS))
        raise ProtocolUnavailable(f"protocol '{name}': expected one of {known}") from None
    try:
        spec: ProtocolSpec = getattr(import_module(module), attribute)
    except ImportError as error:
        package = error.name or str(error)
        raise ProtocolUnavailable(
            f"protocol '{name}': the Python package '{package}' cannot be imported ({error}); install it"
        ) from error
    return spec


def protocols(names: Iterable[str]) -> dict[str, ProtocolSpec]:
    """Those a site uses.

    Raises:
        ProtocolUnavailable: as `protocol`.
    """
    return {name: protocol(name) for name in sorted(set(names))}
