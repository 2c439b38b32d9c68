# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_security.py
"""The client's own certificate, and which servers it trusts: files in one folder.

    own/certificate.der, own/key.pem (0600)    made at first use, never overwritten
    trusted/*.der                              server certificates, or certificates of their issuers
    rejected/<thumbprint>.der                  servers turned away, newest 100; move one to trusted/ to let it in

Law of this file: blocking file work and key generation; time is an argument. Nothing is trusted because it was seen
once: the first meeting with a server ends in rejected/ until a person has looked at it.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.durable import write_whole
from config.words import NS_PER_S

KEY_BITS: Final = 2048  # allowed by all policies we know: 2048..4096. Source: OPC 10000-7
VALID: Final = timedelta(days=5 * 365)
REJECTED_MAX: Final = 100
STATE_VARIABLE: Final = "STATE_DIRECTORY"  # of systemd
APPLICATION_URI: Final = "urn:vigie:field"


class Untrusted(Exception):
    """A certificate is not accepted, or ours cannot be used; the text says which file to look at."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The client's own certificate (DER) and key (PEM)."""

    certificate: bytes
    key: bytes
    application_uri: str


def folder(configured: str) -> Path:
    """Where the certificates are: as configured, else `field-pki` in the state folder."""
    if configured:
        return Path(configured)
    return Path(os.environ.get(STATE_VARIABLE, "/var/lib/vigie").partition(":")[0]) / "field-pki"


def own(pki: Path, now_ns: int) -> Identity:
    """Load the client's certificate and key, or make them at first use.

    Raises:
        Untrusted: they cannot be read or written, do not belong together, or have expired.
    """
    certificate_path, key_path = pki / "own" / "certificate.der", pki / "own" / "key.pem"
    try:
        for name in ("own", "trusted", "rejected"):
            (pki / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        if not certificate_path.exists() and not key_path.exists():
            _make(certificate_path, key_path, _time(now_ns))
        der, pem = certificate_path.read_bytes(), key_path.read_bytes()
        certificate = x509.load_der_x509_certificate(der)
        key = serialization.load_pem_private_key(pem, None)
    except (OSError, ValueError, TypeError) as error:
        raise Untrusted(
            f"our own certificate in {pki / 'own'} cannot be used ({error}); restore both files, or remove both to "
            "have new ones made (the servers must then trust the new certificate)"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise Untrusted(f"{key_path} is not the key of {certificate_path}; restore the pair or remove both files")
    if _time(now_ns) > certificate.not_valid_after_utc:
        raise Untrusted(
            f"our own certificate {certificate_path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}; remove "
            "both files in own/ to have new ones made, and let the servers trust the new certificate"
        )
    return Identity(der, pem, _uri(certificate) or APPLICATION_URI)


def _time(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns / NS_PER_S, UTC)


def _uri(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def _make(certificate_path: Path, key_path: Path, now: datetime) -> None:
    key = rsa.generate_private_key(65537, KEY_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vigie field client")])
    names = [x509.UniformResourceIdentifier(APPLICATION_URI), x509.DNSName(socket.gethostname() or "localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, True, True, True, False, False, False, False, False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(key_path, pem, 0o600)
    write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.DER), 0o644)


def judge(pki: Path, der: bytes, now_ns: int) -> None:
    """Accept a server's certificate, or turn it away and keep it for a person to look at.

    Raises:
        Untrusted: it is none, has expired, or nobody has put it (or its issuer's) into trusted/.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise Untrusted(f"the server sent no certificate that can be read ({error})") from error
    now = _time(now_ns)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Untrusted(
            f"the server's certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d} and it is {now:%Y-%m-%d}; have it renewed"
        )
    if not any(_vouches(path, certificate, der, now) for path in sorted((pki / "trusted").glob("*.der"))):
        kept = _reject(pki, certificate, der)
        raise Untrusted(f"the server's certificate is not trusted; if it is the right one, move {kept} to trusted/")


def judge_again(pki: Path, theirs: bytes, ours: bytes, now_ns: int) -> None:
    """Whether the certificates of a session that stands are still good: neither has expired, the server's is still in
    trusted/, and ours is still the one that is used.

    Raises:
        Untrusted: as `own` and `judge`, or ours has been replaced.
    """
    if own(pki, now_ns).certificate != ours:
        raise Untrusted(f"our own certificate in {pki / 'own'} has been replaced: the session is made anew with it")
    judge(pki, theirs, now_ns)


def days(pki: Path, now_ns: int) -> int | None:
    """Days until the first of our own and the trusted certificates expires, 0: it has; None: there are none yet.

    Raises:
        OSError: the folder cannot be read.
    """
    ends = []
    for path in (*(pki / "own").glob("*.der"), *(pki / "trusted").glob("*.der")):
        try:
            ends.append(x509.load_der_x509_certificate(path.read_bytes()).not_valid_after_utc)
        except ValueError:
            continue  # it vouches for nobody; who needs it says so when it connects
    return max((min(ends) - _time(now_ns)) // timedelta(days=1), 0) if ends else None


def _vouches(path: Path, certificate: x509.Certificate, der: bytes, now: datetime) -> bool:
    """True if the file is this certificate, or that of an authority that signed it."""
    data = path.read_bytes()
    if data == der:
        return True
    try:
        issuer = x509.load_der_x509_certificate(data)
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc


def _reject(pki: Path, certificate: x509.Certificate, der: bytes) -> Path:
    rejected = pki / "rejected"
    path = rejected / f"{certificate.fingerprint(hashes.SHA1()).hex()}.der"  # noqa: S303 the standard's thumbprint
    path.write_bytes(der)
    for old in sorted(rejected.glob("*.der"), key=lambda p: p.stat().st_mtime)[:-REJECTED_MAX]:
        old.unlink(missing_ok=True)
    return path
