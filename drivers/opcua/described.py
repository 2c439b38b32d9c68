# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py
"""How a simulated server describes itself to who looks for servers. Source: OPC 10000-4, 5.4.

Law of this file: no state.
"""

from __future__ import annotations

from typing import Any

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyNone

UA_TCP = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"


def description(uri: str) -> Any:
    """Its ApplicationDescription."""
    return ua.ApplicationDescription(uri, "urn:vigie:simulator", ua.LocalizedText("Simulator"))


def endpoints(uri: str, url: str) -> list[Any]:
    """Its only endpoint: no security, anonymous."""
    found = ua.EndpointDescription(
        EndpointUrl=url,
        Server=description(uri),
        SecurityMode=ua.MessageSecurityMode.None_,
        SecurityPolicyUri=SecurityPolicyNone.URI,
        UserIdentityTokens=[ua.UserTokenPolicy("anonymous", ua.UserTokenType.Anonymous)],
        TransportProfileUri=UA_TCP,
    )
    return [found]
