# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_certs.py
"""Certificates through the control socket: lists, trust and revocation, the server's own.

Law of this file: arguments come from outside and are checked here; a wrong one is a ValueError whose sentence goes to
who asked. A change is in the journal, with the name of who made it, before a file is touched.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from historian.base import Position, Record, RecordKind
from supervisor.hmi.entrance import certificates
from supervisor.hmi.entrance.certificates import CertificateProblem
from supervisor.hmi.entrance.judge import name
from supervisor.hmi.entrance.trust import thumbprint
from supervisor.people import User

Run = Callable[[Callable[[], Any]], Awaitable[Any]]
_DATA_LENGTH_MAX: Final = 48 * 1024


class Appends(Protocol):
    """As much of a journal as is needed here."""

    async def append(self, records: Sequence[Record]) -> Sequence[Position]: ...


class Certs:
    """The certificates of a running server.

    Args:
        run: leads off the loop.
        renewed: takes up the server's new certificate; told whether the key is new too.
    """

    def __init__(self, pki: Path, journal: Appends, run: Run, renewed: Callable[[bool], Awaitable[None]]) -> None:
        self._pki = pki
        self._journal = journal
        self._run = run
        self._renewed = renewed

    async def carry_out(self, user: User, origin: str, arguments: Mapping[str, Any], now_ns: int) -> Any:
        """One action: list, show, trust, revoke, renew, request or install.

        Raises:
            ValueError: a wrong argument, or it cannot be done; JournalError: it cannot be journalled, nothing was done.
        """
        action = arguments.get("action", "list")
        try:
            if action == "list":
                return await self._run(partial(certificates.overview, self._pki, now_ns))
            if action in ("show", "trust", "revoke"):
                return await self._about(str(action), user, origin, arguments, now_ns)
            if action in ("renew", "request", "install"):
                return await self._own(str(action), user, origin, arguments, now_ns)
        except (CertificateProblem, OSError) as error:
            raise ValueError(str(error)) from error
        raise ValueError("action: expected list, show, trust, revoke, renew, request or install")

    async def _about(
        self, action: str, user: User, origin: str, arguments: Mapping[str, Any], now_ns: int
    ) -> dict[str, Any]:
        if "data" in arguments and action != "show":
            certificate = await self._run(partial(certificates.load, _data(arguments)))
        else:
            found = await self._run(partial(certificates.find, self._pki, _text(arguments, "which")))
            certificate = found.certificate
        if action != "show":
            what = f"certificate {thumbprint(certificate)} of {name(certificate)}"
            folder = "trusted" if action == "trust" else "revoked"
            await self._write(user, origin, f"{what}: {folder}", now_ns)
            await self._run(partial(certificates.put, self._pki, certificate, folder))
        shown = await self._run(partial(certificates.find, self._pki, thumbprint(certificate)))
        document = certificates.document(shown.certificate, certificates.time_of(now_ns), shown.path)
        return {**document, "folder": shown.folder}

    async def _own(
        self, action: str, user: User, origin: str, arguments: Mapping[str, Any], now_ns: int
    ) -> dict[str, Any]:
        new_key = arguments.get("new_key", False) is True
        if action == "request":
            await self._write(user, origin, f"certificate request made{' with a new key' * new_key}", now_ns)
            pem = await self._run(partial(certificates.request, self._pki, with_new_key=new_key))
            return {"request": pem.decode()}
        raw = _data(arguments) if action == "install" else b""
        await self._write(user, origin, f"the server's certificate: {action}{' with a new key' * new_key}", now_ns)
        if action == "install":
            made = await self._run(partial(certificates.install, self._pki, raw, now_ns))
        else:
            made = await self._run(partial(certificates.renew, self._pki, now_ns, with_new_key=new_key))
        await self._renewed(new_key)
        return certificates.document(made, certificates.time_of(now_ns))

    async def _write(self, user: User, origin: str, text: str, now_ns: int) -> None:
        await self._journal.append([Record(now_ns, RecordKind.CONFIG, user.name, "", text, {"origin": origin[:200]})])


def _text(arguments: Mapping[str, Any], key: str) -> str:
    value = arguments.get(key)
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError(f"{key}: expected the thumbprint of a certificate")
    return value


def _data(arguments: Mapping[str, Any]) -> bytes:
    value = arguments.get("data")
    if not isinstance(value, str) or len(value) > _DATA_LENGTH_MAX:
        raise ValueError(f"data: expected a certificate in base64, at most {_DATA_LENGTH_MAX:,} characters")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("data: expected base64") from error


class OfflineJournal:
    """Stands where the journal is while no server runs: notes for the next one."""

    def __init__(self, pki: Path) -> None:
        self._pki = pki

    async def append(self, records: Sequence[Record]) -> list[Position]:
        for record in records:
            certificates.note_offline(self._pki, record.time_ns, record.user, record.text)
        return []
