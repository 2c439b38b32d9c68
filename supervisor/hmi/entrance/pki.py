# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_pki.py
"""The server's own certificate and key: files under <state>/pki/own.

    certificate.der, key.pem (0600)    made at the first start, replaced by `vigie certs renew` and `install` only
    request.csr, request.key           a request for the city's authority, until its answer is installed
    former/<thumbprint>.der            certificates it had before

Law of this file: blocking file work and key generation; callers run it through `Offload`. Time is an argument.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.durable import write_whole
from config.words import NS_PER_S
from supervisor.hmi.contract import HmiError
from supervisor.hmi.entrance.judge import uris

_KEY_BITS: Final = 2048
_VALID: Final = timedelta(days=5 * 365)


@dataclass(frozen=True, slots=True)
class Identity:
    """The server's own certificate and key. `application_uri` is what the certificate says."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    certificate_path: Path
    application_uri: str


def own_identity(pki: Path, application_uri: str, host: str, name: str, now_ns: int) -> Identity:
    """Load the server's certificate and key, or make them at the first start.

    Args:
        host: address the server listens on; `name`: the machine's host name. Both go into the certificate.
    Raises:
        HmiError: the files cannot be read, or do not belong together.
    """
    certificate_path, key_path = pki / "own" / "certificate.der", pki / "own" / "key.pem"
    try:
        (pki / "own").mkdir(parents=True, exist_ok=True, mode=0o700)
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
    named = uris(certificate)
    return Identity(certificate, key, certificate_path, named[0] if named else application_uri)


def _make(certificate_path: Path, key_path: Path, uri: str, host: str, name: str, now: datetime) -> None:
    key = new_key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Vigie {name}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Vigie"),
        ]
    )
    names = x509.SubjectAlternativeName(_alternative_names(uri, host, name))
    certificate = self_signed(key, subject, names, now)
    write_whole(key_path, _pem(key), 0o600)
    write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.DER), 0o644)


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


def _time(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns / NS_PER_S, UTC)


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, _KEY_BITS)


def self_signed(
    key: rsa.RSAPrivateKey, subject: x509.Name, names: x509.SubjectAlternativeName, now: datetime
) -> x509.Certificate:
    """An application certificate for five years. Source of its extensions: OPC 10000-6, 6.2.2."""
    usage = x509.KeyUsage(True, True, True, True, False, True, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """The files of the server's own identity."""

    pki: Path

    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate((self.pki / "own" / "certificate.der").read_bytes())

    def key(self) -> rsa.RSAPrivateKey:
        return _load_key(self.pki / "own" / "key.pem")

    def keys(self) -> list[rsa.RSAPrivateKey]:
        """The present key, and the one a request was made with."""
        requested = self.pki / "own" / "request.key"
        return [self.key(), *([_load_key(requested)] if requested.exists() else [])]

    def replace(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey | None) -> None:
        """The new pair takes the place of the present one, which is kept in own/former. `key` None: it stays.

        Between the two renames the pair does not fit: a server that starts right then says so, and the former pair is
        there to be restored.
        """
        own, former = self.pki / "own", self.pki / "own" / "former"
        former.mkdir(mode=0o700, exist_ok=True)
        present = self.certificate()
        stem = present.fingerprint(hashes.SHA256()).hex()[:40]
        write_whole(former / f"{stem}.der", present.public_bytes(serialization.Encoding.DER), 0o600)
        if key is not None:
            write_whole(former / f"{stem}.pem", _pem(self.key()), 0o600)
            write_whole(own / "key.pem", _pem(key), 0o600)
        write_whole(own / "certificate.der", certificate.public_bytes(serialization.Encoding.DER), 0o644)
        for done in ("request.csr", "request.key"):
            (own / done).unlink(missing_ok=True)

    def keep_request(self, request: bytes, key: rsa.RSAPrivateKey | None) -> None:
        """`key`: made for this request; it becomes the server's when the answer is installed."""
        if key is not None:
            write_whole(self.pki / "own" / "request.key", _pem(key), 0o600)
        write_whole(self.pki / "own" / "request.csr", request, 0o644)


def _load_key(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path}: expected an RSA key")
    return key


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())
