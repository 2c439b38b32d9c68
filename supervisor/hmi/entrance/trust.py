# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_trust.py, tests/system/test_opcua_certificates.py
"""Whom the server trusts: files under <state>/pki, read anew whenever one of them changes.

    trusted/*.der, *.crl           clients, or authorities whose clients may come in; their revocation lists
    issuers/*.der, *.crl           authorities that complete a chain and vouch for nobody by themselves
    revoked/*.der                  clients that may not come in, whoever vouches for them
    rejected/<thumbprint>.der      clients turned away, the newest 100; `vigie certs trust` lets one in

Law of this file: blocking file work; callers run it through `Offload`. Time is an argument. `judge.py` has the verdict.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from config.durable import write_whole
from config.words import NS_PER_S
from supervisor.hmi.entrance.judge import (
    Anchors,
    Certificate,
    Untrusted,
    check_algorithms,
    check_time,
    judge,
    name,
    parse_chain,
)

_log = logging.getLogger(__name__)

FOLDERS: Final = ("trusted", "issuers", "revoked", "rejected")
REJECTED_MAX: Final = 100
FILES_MAX: Final = 2_000  # of one folder that are looked at
_CERTIFICATE_BYTES_MAX: Final = 64 * 1024
_LIST_BYTES_MAX: Final = 4 * 2**20
# Strangers cannot make the disk work harder than this.
_KEPT_PER_MINUTE: Final = 30

_Stamp = tuple[tuple[str, int, int], ...]


def thumbprint(certificate: Certificate) -> str:
    """SHA-1 in hexadecimal: the name by which OPC UA tools know a certificate. Nothing is decided by it."""
    return certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303


def fingerprint(certificate: Certificate) -> str:
    """SHA-256 in hexadecimal: how users.yaml names the certificate of a person."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def der(certificate: Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


@dataclass(slots=True)
class TrustList:
    """Which clients may open a channel.

    Attributes:
        accept_unknown: demo only: unknown certificates come in and are logged; bad ones do not.
        broken: files that could not be read, with the reason; they trust nobody.
        generation: grows whenever the files have changed.
        kept: certificates written to rejected/ in the present minute.
    """

    pki: Path
    accept_unknown: bool = False
    broken: dict[str, str] = field(default_factory=dict)
    generation: int = 0
    kept: int = 0
    _kept_from_ns: int = 0
    _stamp: _Stamp | None = None
    _anchors: Anchors = field(default_factory=Anchors)

    def __post_init__(self) -> None:
        for folder in FOLDERS:
            (self.pki / folder).mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def known(self) -> Anchors:
        """What the files said when they were read last."""
        return self._anchors

    def anchors(self) -> Anchors:
        """What the files say now."""
        stamp = tuple(self._stamps())
        if stamp != self._stamp:
            self.broken.clear()
            trusted, issuers = self.certificates("trusted"), self.certificates("issuers")
            lists = (*self.lists("trusted"), *self.lists("issuers"))
            revoked = frozenset(self.certificates("revoked").values())
            self._anchors = Anchors(tuple(trusted.values()), tuple(issuers.values()), revoked, lists)
            self._stamp, self.generation = stamp, self.generation + 1
        return self._anchors

    def check(self, sent: bytes, now_ns: int) -> bool:
        """Judge a client's certificate (DER; its issuers may follow it).

        Returns: True if it is trusted, False if it is unknown and accepted all the same.
        Raises:
            Untrusted: it may not come in; strangers are kept in rejected/.
        """
        chain = parse_chain(sent)
        now = datetime.fromtimestamp(now_ns / NS_PER_S, UTC)
        try:
            judge(chain, self.anchors(), now)
        except Untrusted as refusal:
            if self.accept_unknown and refusal.code in ("BadCertificateUntrusted", "BadCertificateChainIncomplete"):
                check_algorithms(chain[0])
                check_time(chain[0], now)
                return False
            if refusal.public != refusal.code:
                self._keep(chain[0], now_ns)
            raise
        return True

    def certificates(self, folder: str) -> dict[Path, Certificate]:
        """The certificates of a folder, DER or PEM, by file."""
        found: dict[Path, Certificate] = {}
        for path in self._files(folder, ".der", ".pem", ".crt", ".cer"):
            raw = self._read(path, _CERTIFICATE_BYTES_MAX)
            try:
                pem = raw.startswith(b"-----BEGIN")
                found[path] = x509.load_pem_x509_certificate(raw) if pem else x509.load_der_x509_certificate(raw)
            except ValueError as error:
                self._say_broken(path, str(error))
        return found

    def lists(self, folder: str) -> tuple[x509.CertificateRevocationList, ...]:
        """The revocation lists of a folder."""
        found = []
        for path in self._files(folder, ".crl"):
            raw = self._read(path, _LIST_BYTES_MAX)
            try:
                pem = raw.startswith(b"-----BEGIN")
                found.append(x509.load_pem_x509_crl(raw) if pem else x509.load_der_x509_crl(raw))
            except ValueError as error:
                self._say_broken(path, str(error))
        return tuple(found)

    def _files(self, folder: str, *endings: str) -> Iterator[Path]:
        paths = [p for p in (self.pki / folder).iterdir() if p.suffix.lower() in endings]
        yield from sorted(paths)[:FILES_MAX]

    def _read(self, path: Path, most: int) -> bytes:
        try:
            with path.open("rb") as file:
                raw = file.read(most + 1)
        except OSError as error:
            raw, text = b"", str(error)
        else:
            text = f"longer than {most:,} bytes" if len(raw) > most else ""
        if text:
            self._say_broken(path, text)
        return raw[:most]

    def _say_broken(self, path: Path, text: str) -> None:
        if str(path) not in self.broken:
            self.broken[str(path)] = text
            _log.warning("%s: %s; it trusts nobody", path, text)

    def _stamps(self) -> Iterator[tuple[str, int, int]]:
        for folder in FOLDERS[:3]:
            for path in self._files(folder, ".der", ".pem", ".crt", ".cer", ".crl"):
                try:
                    told = path.stat()
                except OSError:
                    continue
                yield f"{folder}/{path.name}", told.st_mtime_ns, told.st_size

    def _keep(self, certificate: Certificate, now_ns: int) -> None:
        """Show a stranger to the engineer; the number of files, and of writes, is bounded."""
        folder = self.pki / "rejected"
        path = folder / f"{thumbprint(certificate)}.der"
        if now_ns - self._kept_from_ns >= 60 * NS_PER_S:
            self._kept_from_ns, self.kept = now_ns, 0
        if path.exists() or self.kept >= _KEPT_PER_MINUTE:
            return
        self.kept += 1
        write_whole(path, der(certificate), 0o600)
        by_age = sorted(folder.glob("*.der"), key=lambda p: p.stat().st_mtime_ns)
        for old in by_age[:-REJECTED_MAX]:
            old.unlink(missing_ok=True)
        _log.warning("client %s is unknown; kept as %s; `vigie certs trust` lets it in", name(certificate), path)
