# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_judge.py
"""Whether a client's certificate may open a channel: the steps of OPC 10000-4, 6.1.3, in their order.

Law of this file: pure; certificates and a time in, a verdict out. No files, no clock, no asyncua.

A stranger learns nothing: until the trust list has been passed every refusal is BadSecurityChecksFailed on the wire,
and the reason stands in the log, the journal and the audit event only. Who is trusted is told exactly what is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

Certificate = x509.Certificate
E = TypeVar("E", bound=x509.ExtensionType)

# Basic256Sha256 and the Aes policies allow 2048..4096 and SHA-2 only. Source: OPC 10000-7, security policies.
KEY_BITS: Final = range(2048, 4097)
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
CHAIN_BYTES_MAX: Final = 16 * 1024
CHAIN_LENGTH_MAX: Final = 5
STRANGER: Final = "BadSecurityChecksFailed"


class Untrusted(Exception):
    """A certificate is refused.

    Attributes:
        code: name of the StatusCode that says why, for the log and the audit.
        public: name of the StatusCode for the client.
    """

    def __init__(self, code: str, text: str, *, stranger: bool = True) -> None:
        super().__init__(text)
        self.code = code
        self.public = STRANGER if stranger else code


@dataclass(frozen=True, slots=True)
class Anchors:
    """Whom the site trusts.

    Attributes:
        trusted: clients, and authorities whose clients may come in.
        issuers: authorities that complete a chain and vouch for nobody by themselves.
        revoked: clients that may not come in, whoever vouches for them.
        lists: revocation lists of authorities.
    """

    trusted: tuple[Certificate, ...] = ()
    issuers: tuple[Certificate, ...] = ()
    revoked: frozenset[Certificate] = frozenset()
    lists: tuple[x509.CertificateRevocationList, ...] = ()


def parse_chain(der: bytes) -> list[Certificate]:
    """A certificate and the issuers that follow it, each in DER. Source: OPC 10000-6, 6.2.6.

    Raises:
        Untrusted: BadCertificateInvalid: not certificates, too long, or too many.
    """
    chain: list[Certificate] = []
    if len(der) > CHAIN_BYTES_MAX:
        raise Untrusted("BadCertificateInvalid", f"{len(der)} bytes; a chain has at most {CHAIN_BYTES_MAX}")
    while der:
        if len(chain) == CHAIN_LENGTH_MAX:
            raise Untrusted("BadCertificateInvalid", f"more than {CHAIN_LENGTH_MAX} certificates")
        size = 4 + int.from_bytes(der[2:4], "big") if der[:2] == b"\x30\x82" else len(der)
        try:
            chain.append(x509.load_der_x509_certificate(der[:size]))
        except ValueError as error:
            raise Untrusted("BadCertificateInvalid", f"not a certificate: {error}") from error
        der = der[size:]
    if not chain:
        raise Untrusted("BadCertificateInvalid", "no certificate")
    return chain


def judge(sent: Sequence[Certificate], anchors: Anchors, now: datetime) -> None:
    """Every step for the first certificate of `sent`; the others may complete its chain and prove nothing else.

    Raises:
        Untrusted: the first step that refuses, with its code.
    """
    leaf = sent[0]
    if leaf in anchors.revoked:
        raise Untrusted("BadCertificateRevoked", "revoked here")
    check_algorithms(leaf)  # before the signatures: one made with SHA-1 cannot even be verified
    chain = _build(leaf, [*anchors.trusted, *anchors.issuers, *sent[1:]])
    for issuer in chain[1:]:
        check_algorithms(issuer)
    if not any(certificate in anchors.trusted for certificate in chain):
        raise Untrusted("BadCertificateUntrusted", "unknown, and nobody in its chain is trusted")
    for certificate in chain:
        check_time(certificate, now, issuer=certificate is not leaf, stranger=False)
    if not uris(leaf):
        raise Untrusted("BadCertificateUriInvalid", "it names no ApplicationUri", stranger=False)
    _check_use(leaf)
    for depth, issuer in enumerate(chain[1:]):
        _check_issuer_use(issuer, depth)
    for certificate, issuer in itertools.pairwise(chain):
        _check_revocation(certificate, issuer, anchors.lists, is_leaf=certificate is leaf)


def _build(leaf: Certificate, known: Sequence[Certificate]) -> list[Certificate]:
    """The chain from `leaf` to a self-signed certificate.

    Raises:
        Untrusted: BadCertificateChainIncomplete; BadCertificateInvalid: the name fits, the signature does not.
    """
    chain = [leaf]
    while not _issued_by(chain[-1], chain[-1]):
        named = [c for c in known if c.subject == chain[-1].issuer and c not in chain]
        issuer = next((c for c in named if _issued_by(chain[-1], c)), None)
        if issuer is None and named:
            raise Untrusted("BadCertificateInvalid", f"{name(chain[-1])} is not signed by {name(named[0])}")
        if issuer is None or len(chain) == CHAIN_LENGTH_MAX:
            text = f"the issuer of {name(chain[-1])} is not here: {chain[-1].issuer.rfc4514_string()[:200]}"
            raise Untrusted("BadCertificateChainIncomplete", text)
        chain.append(issuer)
    return chain


def _issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    with suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        certificate.verify_directly_issued_by(issuer)
        return True
    return False


def check_algorithms(certificate: Certificate) -> None:
    """Raises Untrusted BadCertificatePolicyCheckFailed: a key too short or too long, SHA-1, no RSA."""
    key, signed = certificate.public_key(), _hash(certificate)
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in KEY_BITS:
        text = f"{name(certificate)}: expected an RSA key of 2048 to 4096 bits"
        raise Untrusted("BadCertificatePolicyCheckFailed", text)
    if signed not in _HASHES:
        text = f"{name(certificate)}: expected a signature with SHA-256, SHA-384 or SHA-512, got {signed}"
        raise Untrusted("BadCertificatePolicyCheckFailed", text)


def _hash(certificate: Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "another"
    return "none" if algorithm is None else algorithm.name


def check_time(certificate: Certificate, now: datetime, *, issuer: bool = False, stranger: bool = True) -> None:
    """Raises Untrusted BadCertificateTimeInvalid, or BadCertificateIssuerTimeInvalid."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= now <= end:
        code = "BadCertificateIssuerTimeInvalid" if issuer else "BadCertificateTimeInvalid"
        raise Untrusted(code, f"{name(certificate)} is valid {begin:%Y-%m-%d} to {end:%Y-%m-%d}", stranger=stranger)


def _check_use(leaf: Certificate) -> None:
    """KeyUsage of an application certificate; contentCommitment is not asked for, many tools leave it out.

    Source: OPC 10000-6, 6.2.2.
    """
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not (usage.digital_signature and usage.key_encipherment and usage.data_encipherment):
        text = "expected KeyUsage digitalSignature, keyEncipherment and dataEncipherment"
        raise Untrusted("BadCertificateUseNotAllowed", text, stranger=False)
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        raise Untrusted("BadCertificateUseNotAllowed", "expected ExtendedKeyUsage clientAuth", stranger=False)


def _check_issuer_use(issuer: Certificate, depth: int) -> None:
    """`depth`: authorities between it and the client."""
    basic, usage = _extension(issuer, x509.BasicConstraints), _extension(issuer, x509.KeyUsage)
    if basic is None or not basic.ca or (usage is not None and not usage.key_cert_sign):
        text = f"{name(issuer)} is no authority that may sign certificates"
        raise Untrusted("BadCertificateIssuerUseNotAllowed", text, stranger=False)
    if basic.path_length is not None and depth > basic.path_length:
        raise Untrusted("BadCertificateIssuerUseNotAllowed", f"{name(issuer)}: the chain is too long", stranger=False)


def _check_revocation(
    certificate: Certificate,
    issuer: Certificate,
    lists: Sequence[x509.CertificateRevocationList],
    *,
    is_leaf: bool,
) -> None:
    """A list that is out of date still revokes and still vouches: a late file must not lock every operator out.

    `vigie certs` and the log name it. No list at all of an authority is refused.
    """
    of_issuer = [crl for crl in lists if crl.issuer == issuer.subject and _signed(crl, issuer)]
    whose = "" if is_leaf else "Issuer"
    if not of_issuer:
        text = f"no revocation list of {name(issuer)} is here"
        raise Untrusted(f"BadCertificate{whose}RevocationUnknown", text, stranger=False)
    for crl in of_issuer:
        if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            text = f"{name(certificate)} was revoked by {name(issuer)}"
            raise Untrusted(f"BadCertificate{whose}Revoked", text, stranger=False)


def _signed(crl: x509.CertificateRevocationList, issuer: Certificate) -> bool:
    key = issuer.public_key()
    return isinstance(key, rsa.RSAPublicKey) and crl.is_signature_valid(key)


def uris(certificate: Certificate) -> list[str]:
    """URIs among the subject's alternative names: the ApplicationUri is the first."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    return [] if names is None else list(names.get_values_for_type(x509.UniformResourceIdentifier))


def application_name(sent: bytes | None) -> str:
    """The ApplicationUri of a certificate that was judged (DER), '' without one."""
    return next(iter(uris(parse_chain(sent)[0])), "") if sent else ""


def name(certificate: Certificate) -> str:
    """The subject, cut for a log line."""
    return certificate.subject.rfc4514_string()[:200]


def _extension(certificate: Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
