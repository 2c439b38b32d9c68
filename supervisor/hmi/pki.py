# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_pki.py
"""The server's certificate and whom it trusts: files under <state>/pki.

    own/certificate.der, own/key.pem (0600)    made at first start, never overwritten
    trusted/*.der                              client certificates, or certificates of their issuers
    rejected/<thumbprint>.der                  clients turned away, newest 100; move one to trusted/ to let it in

Law of this file: blocking file work and key generation; callers run it through `Offload`. Time is an argument.
"""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.words import NS_PER_S
from supervisor.hmi.contract import HmiError

# Basic256Sha256 and the Aes policies allow 2048..4096. Source: OPC 10000-7, security policies.
_KEY_BITS: Final = 2048
_KEY_BITS_MIN: Final = 2048
_KEY_BITS_MAX: Final = 4096
_VALID: Final = timedelta(days=5 * 365)
_REJECTED_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Identity:
    """The server's own certificate and key. `application_uri` is what the certificate says."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    certificate_path: Path
    application_uri: str


class Untrusted(Exception):
    """A client certificate is refused. `code`: name of the StatusCode for the client."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def own_identity(pki: Path, application_uri: str, host: str, name: str, now_ns: int) -> Identity:
    """Load the server's certificate and key, or make them at the first start.

    Args:
        host: address the server listens on; `name`: the machine's host name. Both go into the certificate.
    Raises:
        HmiError: the files cannot be read, or do not belong together.
    """
    certificate_path, key_path = pki / "own" / "certificate.der", pki / "own" / "key.pem"
    try:
        for folder in ("own", "trusted", "rejected"):
            (pki / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        if not certificate_path.exists() and not key_path.exists():
            _make(certificate_path, key_path, application_uri, host, name, _time(now_ns))
        certificate = x509.load_der_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise HmiError(
            f"the server's certificate in {pki / 'own'} cannot be read ({error}); restore both files, or remove both "
            "to have new ones made (clients must then trust the new certificate)"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise HmiError(f"{key_path} is not the key of {certificate_path}; restore the pair or remove both files")
    uris = _uris(certificate)
    return Identity(certificate, key, certificate_path, uris[0] if uris else application_uri)


def _make(certificate_path: Path, key_path: Path, uri: str, host: str, name: str, now: datetime) -> None:
    key = rsa.generate_private_key(65537, _KEY_BITS)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Vigie {name}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Vigie"),
        ]
    )
    usage = x509.KeyUsage(True, True, True, True, False, True, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(uri, host, name)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_new(key_path, pem, 0o600)
    _write_new(certificate_path, certificate.public_bytes(serialization.Encoding.DER), 0o644)


def _alternative_names(uri: str, host: str, name: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    dns = {"localhost", name}
    addresses = {ipaddress.ip_address("127.0.0.1")}
    try:
        address = ipaddress.ip_address(host)
        if not address.is_unspecified:
            addresses.add(address)
    except ValueError:
        dns.add(host)
    names += [x509.DNSName(n) for n in sorted(dns) if n.isascii()]
    names += [x509.IPAddress(a) for a in sorted(addresses, key=str)]
    return names


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all; never over an existing file."""
    part = path.with_suffix(".part")
    with suppress(FileNotFoundError):
        part.unlink()
    handle = os.open(path.with_suffix(".part"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


@dataclass(frozen=True, slots=True)
class TrustList:
    """Which clients may open a channel. `accept_unknown`: demo only."""

    pki: Path
    accept_unknown: bool

    def check(self, der: bytes, now_ns: int) -> bool:
        """Judge a client's certificate (DER; a chain may follow it).

        Returns: True if it is trusted, False if it is unknown and accepted all the same.
        Raises:
            Untrusted: it may not come in; unknown ones are kept in rejected/.
        """
        certificate, der = _first(der)
        now = _time(now_ns)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Untrusted(
                "BadCertificateTimeInvalid",
                f"valid {certificate.not_valid_before_utc:%Y-%m-%d} .. {certificate.not_valid_after_utc:%Y-%m-%d}",
            )
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or not _KEY_BITS_MIN <= key.key_size <= _KEY_BITS_MAX:
            raise Untrusted("BadSecurityChecksFailed", "expected an RSA key of 2048 to 4096 bits")
        if self._trusted(certificate, now):
            return True
        if self.accept_unknown:
            return False
        kept = self._reject(certificate, der)
        raise Untrusted(
            "BadCertificateUntrusted", f"unknown; kept as {kept}; move it to {self.pki / 'trusted'} to trust it"
        )

    def _trusted(self, certificate: x509.Certificate, now: datetime) -> bool:
        for path in sorted((self.pki / "trusted").glob("*.der")):
            try:
                known = x509.load_der_x509_certificate(path.read_bytes())
            except ValueError:
                continue  # `vigie certs` names broken files; here they simply trust nobody
            if known == certificate:
                return True
            with suppress(ValueError, TypeError, InvalidSignature):
                if known.not_valid_before_utc <= now <= known.not_valid_after_utc and _is_authority(known):
                    certificate.verify_directly_issued_by(known)
                    return True
        return False

    def _reject(self, certificate: x509.Certificate, der: bytes) -> Path:
        folder = self.pki / "rejected"
        path = folder / f"{certificate.fingerprint(hashes.SHA1()).hex()}.der"  # noqa: S303 - the name UA tools use
        path.write_bytes(der)
        by_age = sorted(folder.glob("*.der"), key=lambda p: p.stat().st_mtime_ns)
        for old in by_age[:-_REJECTED_MAX]:
            old.unlink(missing_ok=True)
        return path


def application_uris(der: bytes) -> list[str]:
    """URIs in the subject's alternative names of a certificate."""
    return _uris(_first(der)[0])


def _first(der: bytes) -> tuple[x509.Certificate, bytes]:
    """The first certificate of a chain, and its own bytes.

    Raises:
        Untrusted: not a certificate.
    """
    try:
        if len(der) > 4 and der[0] == 0x30 and der[1] == 0x82:
            der = der[: 4 + int.from_bytes(der[2:4], "big")]
        return x509.load_der_x509_certificate(der), der
    except ValueError as error:
        raise Untrusted("BadCertificateInvalid", f"not a certificate: {error}") from error


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _time(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns / NS_PER_S, UTC)
