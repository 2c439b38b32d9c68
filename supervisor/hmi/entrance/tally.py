# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_diagnostics.py
"""What is counted of sessions and their requests, for the diagnostics of OPC 10000-5, 12.9 to 12.13.

Law of this file: numbers only, two dict steps a request; what they are called on the wire is `diagnostics.py`'s matter.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua

_CODES: Final = ua.StatusCodes
_SECURITY: Final = frozenset(
    int(getattr(_CODES, name))
    for name in (
        "BadUserAccessDenied", "BadIdentityTokenRejected", "BadIdentityTokenInvalid", "BadSecurityChecksFailed",
        "BadSecurityModeInsufficient", "BadSessionIdInvalid", "BadSessionNotActivated", "BadNonceInvalid",
        "BadApplicationSignatureInvalid", "BadUserSignatureInvalid", "BadCertificateInvalid",
        "BadCertificateUriInvalid", "BadCertificateUntrusted", "BadIdentityChangeNotSupported",
    )
)  # fmt: skip
_OPENING: Final = frozenset(
    int(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary")) for name in ("CreateSession", "ActivateSession")
)


@dataclass(slots=True)
class RequestTally:
    """Requests of one session, by type id.

    Attributes:
        total: of all kinds; `failed`: answered by a fault; `unauthorized`: refused for want of rights.
    """

    total: Counter[int] = field(default_factory=Counter)
    failed: Counter[int] = field(default_factory=Counter)
    unauthorized: int = 0

    def fault(self, type_id: int, code: int) -> None:
        self.failed[type_id] += 1
        self.unauthorized += code == _CODES.BadUserAccessDenied


@dataclass(slots=True)
class ServerTally:
    """Sessions and requests of the whole server since start.

    Attributes:
        sessions: made in all; `timeouts`: ended because nothing was heard; `aborts`: whose connection was lost.
        codes: requests answered by a fault, by its StatusCode: a bound that bites is seen there.
        rejected_sessions, rejected_requests: answered by a fault; `security_...`: of these for reasons of security.
    """

    sessions: int = 0
    timeouts: int = 0
    aborts: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    rejected_sessions: int = 0
    security_rejected_sessions: int = 0
    rejected_requests: int = 0
    security_rejected_requests: int = 0

    def fault(self, type_id: int, code: int) -> None:
        """A request was answered by a fault."""
        security = code in _SECURITY
        self.codes[code] += 1
        self.rejected_requests += 1
        self.security_rejected_requests += security
        if type_id in _OPENING:
            self.rejected_sessions += 1
            self.security_rejected_sessions += security
