# SPDX-License-Identifier: Apache-2.0
"""The steps by which a certificate is judged, in the order of OPC 10000-4, 6.1.3, table 100."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from supervisor.hmi.entrance.judge import CHAIN_BYTES_MAX, Anchors, Untrusted, judge, parse_chain, uris
from tests.certificates import URI, Made, authority, key, make, revocation_list

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
CITY = authority("City", NOW)
LAMPS = authority("Lamps", NOW, 2, issuer=CITY)
OTHER = authority("Other", NOW, 3)
LEAF = make("client", NOW, issuer=LAMPS)
ALONE = make("alone", NOW)
STRANGER = "BadSecurityChecksFailed"


def crl(issuer: Made, *revoked: Made, days: float = 30) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(revocation_list(issuer, NOW, *revoked, days=days))


CLEAN = (crl(CITY), crl(LAMPS))
TRUSTED = Anchors((CITY.certificate,), (LAMPS.certificate,), frozenset(), CLEAN)


def verdict(made: Made, anchors: Anchors, *more: Made, now: datetime = NOW) -> tuple[str, str]:
    """(code for the log, code for the client); Good for one that may come in."""
    try:
        judge([made.certificate, *(m.certificate for m in more)], anchors, now)
    except Untrusted as refusal:
        return refusal.code, refusal.public
    return "Good", "Good"


def trusting(*made: Made, lists: tuple[Any, ...] = CLEAN) -> Anchors:
    return Anchors(tuple(m.certificate for m in made), lists=lists)


def told(code: str) -> tuple[str, str]:
    """Somebody trusted is told what is wrong."""
    return code, code


def test_who_is_trusted_by_name_or_by_an_authority_comes_in() -> None:
    assert verdict(ALONE, trusting(ALONE)) == told("Good")
    assert verdict(LEAF, TRUSTED) == told("Good")
    assert verdict(LEAF, replace(TRUSTED, issuers=()), LAMPS) == told("Good")  # the client sent its issuer
    assert verdict(LEAF, Anchors((LEAF.certificate,), (CITY.certificate, LAMPS.certificate), lists=CLEAN)) == told(
        "Good"
    )


def test_an_incomplete_chain_is_refused_whoever_is_trusted() -> None:
    assert verdict(LEAF, trusting(CITY)) == ("BadCertificateChainIncomplete", STRANGER)
    assert verdict(LEAF, trusting(LEAF)) == ("BadCertificateChainIncomplete", STRANGER)


def test_a_name_that_fits_is_no_signature() -> None:
    impostor = authority("Lamps", NOW, 3)
    assert verdict(LEAF, trusting(impostor)) == ("BadCertificateInvalid", STRANGER)


def test_an_issuer_vouches_for_nobody_by_itself() -> None:
    assert verdict(LEAF, Anchors((), (CITY.certificate, LAMPS.certificate), lists=CLEAN)) == (
        "BadCertificateUntrusted",
        STRANGER,
    )
    assert verdict(ALONE, TRUSTED, CITY) == ("BadCertificateUntrusted", STRANGER)  # nor do companions it sent


@pytest.mark.parametrize(
    "weak",
    [make("weak", NOW, own=key(9, 1024)), make("curve", NOW, own=ec.generate_private_key(ec.SECP256R1()))],
    ids=["1024 bits", "no RSA"],
)
def test_keys_that_no_policy_allows_are_refused_even_if_trusted(weak: Made) -> None:
    assert verdict(weak, trusting(weak)) == ("BadCertificatePolicyCheckFailed", STRANGER)


# Made by `openssl req -x509 -newkey rsa:2048 -sha1 -days 36500`: the library that makes ours refuses SHA-1.
SHA_1 = x509.load_pem_x509_certificate(b"""-----BEGIN CERTIFICATE-----
MIIDATCCAemgAwIBAgIUdooHtb7RBy1S139LtKxXb1puY0QwDQYJKoZIhvcNAQEF
BQAwDzENMAsGA1UEAwwEc2hhMTAgFw0yNjExMjgwMTI2MzJaGA8yMTI2MTEwNDAx
MjYzMlowDzENMAsGA1UEAwwEc2hhMTCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC
AQoCggEBAK3MgZW0A/MoqnBeW3gMh9rzk4JN59TATgedNDsg5/z411tCRDf2TiAh
zyNRp2nNGUcQzkiMCw1sqX7yY+yxjMls/bCPs2I7kQNnwOnzvIrGZ5KElyVEOhn+
g/YP8Aey0OiuOis2h2zXjBHD9diUbr2yUoztY4LrKCWZpHHNWTAyxRFJGZ8vk1lt
KKKohmCICLWsKlFcm//SXdF8CyBbwIK6JGDWTgV4VLs4/3eYGuddJLOaSCeWBUg5
iKw0if4fefoVdk6tQh6kJha73Lp0r9yKNaPI7VKVn3hag1kykRe4f+V9e5scfsgc
jjsi01uQZN7Pef0DD/eFlKACIh/W9GECAwEAAaNTMFEwHQYDVR0OBBYEFIzszg2P
PwamHiWh+xk115h8h1r6MB8GA1UdIwQYMBaAFIzszg2PPwamHiWh+xk115h8h1r6
MA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQEFBQADggEBAHh6dno+mZM37QZK
q2+4sauEc2rVjli4om7H8F8lgzsgR8dIBeeS3hsYHs0aRWFsQ9PGBUtDq+PyqRSE
BS022n8jvCVS0Ada4eOsZvnkYwzw2fz8YSjTgJyZucZGMDECpLkoVr0pOsg5IsRh
O9uB1K20DGxOgLgolWjia7G3lAaP1+/0UrXlX/D3wkw+5Op6uEsDzdmX2Xbk9s0p
NlYf/Y9bZqau5S7n7tx1ulZ34iJcWB8vL8wrcDildFD3r2YKcqQnBZqbXqVo2/ke
PNUQBPC5peojNnaCrRA/QLune3GnqlLE4HWa9WMytynYSnjFXxF5lJn5YCcxHWh4
oBfuogE=
-----END CERTIFICATE-----""")


def test_a_signature_with_sha_1_is_refused_even_if_trusted() -> None:
    with pytest.raises(Untrusted, match="got sha1") as refusal:
        judge([SHA_1], Anchors((SHA_1,)), NOW)
    assert (refusal.value.code, refusal.value.public) == ("BadCertificatePolicyCheckFailed", STRANGER)


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)])
def test_a_time_outside_the_validity_is_told_to_who_is_trusted(days: tuple[float, float]) -> None:
    old = make("old", NOW, days=days)
    assert verdict(old, trusting(old)) == told("BadCertificateTimeInvalid")
    assert verdict(old, trusting()) == ("BadCertificateUntrusted", STRANGER)
    late = authority("Late", NOW, 1, days=days)
    child = make("child", NOW, issuer=late)
    assert verdict(child, trusting(late)) == told("BadCertificateIssuerTimeInvalid")


def test_a_certificate_must_name_its_application() -> None:
    nameless = make("nameless", NOW, uri=None)
    assert verdict(nameless, trusting(nameless)) == told("BadCertificateUriInvalid")
    assert uris(nameless.certificate) == [] and uris(ALONE.certificate) == [URI]


SIGN_ONLY = x509.KeyUsage(True, False, False, False, False, False, False, False, False)


@pytest.mark.parametrize(
    "options",
    [{"use": None}, {"use": SIGN_ONLY}, {"extended": [ExtendedKeyUsageOID.SERVER_AUTH]}],
    ids=["no KeyUsage", "digitalSignature only", "serverAuth only"],
)
def test_a_certificate_must_be_meant_for_this(options: dict[str, Any]) -> None:
    made = make("other use", NOW, **options)
    assert verdict(made, trusting(made)) == told("BadCertificateUseNotAllowed")


def test_only_an_authority_issues_and_only_as_deep_as_it_may() -> None:
    child = make("child", NOW, issuer=ALONE, own=key(4))
    assert verdict(child, trusting(ALONE)) == told("BadCertificateIssuerUseNotAllowed")
    shallow = authority("Shallow", NOW, 5, path_length=0)
    middle = authority("Middle", NOW, 6, issuer=shallow)
    deep = make("deep", NOW, issuer=middle)
    assert verdict(deep, trusting(shallow), middle) == told("BadCertificateIssuerUseNotAllowed")


def test_an_authority_without_a_revocation_list_cannot_be_relied_on() -> None:
    assert verdict(LEAF, replace(TRUSTED, lists=(crl(CITY),))) == told("BadCertificateRevocationUnknown")
    assert verdict(LEAF, replace(TRUSTED, lists=(crl(LAMPS),))) == told("BadCertificateIssuerRevocationUnknown")
    forged = crl(replace(LAMPS, key=key(7)))
    assert verdict(LEAF, replace(TRUSTED, lists=(crl(CITY), forged))) == told("BadCertificateRevocationUnknown")


def test_what_an_authority_revoked_is_out_and_a_late_list_still_counts() -> None:
    assert verdict(LEAF, replace(TRUSTED, lists=(crl(CITY), crl(LAMPS, LEAF)))) == told("BadCertificateRevoked")
    assert verdict(LEAF, replace(TRUSTED, lists=(crl(CITY, LAMPS), crl(LAMPS)))) == told("BadCertificateIssuerRevoked")
    late = (crl(CITY, days=-5), crl(LAMPS, days=-5))
    assert verdict(LEAF, replace(TRUSTED, lists=late)) == told("Good")
    assert verdict(LEAF, replace(TRUSTED, lists=(late[0], crl(LAMPS, LEAF, days=-5)))) == told("BadCertificateRevoked")


def test_what_was_revoked_here_is_out_whoever_vouches_for_it() -> None:
    for made, anchors in ((LEAF, TRUSTED), (ALONE, trusting(ALONE))):
        revoked = replace(anchors, revoked=frozenset({made.certificate}))
        assert verdict(made, revoked) == ("BadCertificateRevoked", STRANGER)


def test_a_ring_of_authorities_ends() -> None:
    first, second = authority("A", NOW, 1), authority("B", NOW, 2)
    a_by_b, b_by_a = authority("A", NOW, 1, issuer=second), authority("B", NOW, 2, issuer=first)
    ring = make("ring", NOW, issuer=a_by_b)
    assert verdict(ring, trusting(), a_by_b, b_by_a) == ("BadCertificateChainIncomplete", STRANGER)


def test_a_chain_is_as_long_as_it_may_be_and_nothing_but_certificates() -> None:
    assert parse_chain(LEAF.der + LAMPS.der) == [LEAF.certificate, LAMPS.certificate]
    for raw in (b"", b"nonsense", b"\x30\x82\xff\xff", ALONE.der[:100], ALONE.der + b"x", ALONE.der * 6):
        with pytest.raises(Untrusted) as refusal:
            parse_chain(raw)
        assert (refusal.value.code, refusal.value.public) == ("BadCertificateInvalid", STRANGER)
    with pytest.raises(Untrusted, match="at most"):
        parse_chain(b"\x30\x82" + bytes(CHAIN_BYTES_MAX))


def test_the_last_second_of_validity_counts() -> None:
    end = ALONE.certificate.not_valid_after_utc
    assert verdict(ALONE, trusting(ALONE), now=end) == told("Good")
    assert verdict(ALONE, trusting(ALONE), now=end + timedelta(seconds=1)) == told("BadCertificateTimeInvalid")
