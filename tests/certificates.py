# SPDX-License-Identifier: Apache-2.0
"""Certificates, authorities and revocation lists for tests. Keys are made once: they cost most of the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URI = "urn:vigie:test:client"
APPLICATION_USE = x509.KeyUsage(True, True, True, True, False, False, False, False, False)
AUTHORITY_USE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


@cache
def key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same key for the same number, within one run."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def make(
    name: str,
    now: datetime,
    *,
    issuer: Made | None = None,
    own: Any = None,
    days: tuple[float, float] = (-1, 30),
    uri: str | None = URI,
    use: x509.KeyUsage | None = APPLICATION_USE,
    extended: list[Any] | None = None,
    authority: bool = False,
    path_length: int | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> Made:
    """A certificate valid from `days[0]` to `days[1]` of `now`; self-signed without an issuer."""
    own = own or key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    )
    if uri is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), False)
    if use is not None:
        builder = builder.add_extension(AUTHORITY_USE if authority and use is APPLICATION_USE else use, critical=True)
    if not authority:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH] if extended is None else extended)
        builder = builder.add_extension(usage, critical=False)
    return Made(builder.sign(issuer.key if issuer else own, algorithm or hashes.SHA256()), own)


def authority(name: str, now: datetime, number: int = 1, **options: Any) -> Made:
    """A certificate authority with a key of its own."""
    return make(name, now, own=key(number), authority=True, uri=None, **options)


def revocation_list(issuer: Made, now: datetime, *revoked: Made, days: float = 30) -> bytes:
    """A revocation list (DER) of an authority, to be renewed after `days`."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - timedelta(days=60))
        .next_update(now + timedelta(days=days))
    )
    for made in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(made.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - timedelta(days=1)).build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
