# SPDX-License-Identifier: Apache-2.0
"""Certificates on disk: made once, kept, told apart, and clear words when they cannot be used."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from config.words import NS_PER_S
from supervisor.hmi.contract import HmiError
from supervisor.hmi.pki import Identity, TrustList, Untrusted, application_uris, own_identity

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS_PER_S
URI = "urn:post:vigie:test"


def identity(pki: Path, uri: str = URI) -> Identity:
    return own_identity(pki, uri, "10.1.2.3", "post", NOW_NS)


def certificate(
    name: str = "client",
    *,
    issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None = None,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=1),
    authority: bool = False,
) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    own = key or rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer[1] if issuer else own, hashes.SHA256())
    )
    return made, own  # type: ignore[return-value]


def der(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.DER)


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    for folder in ("own", "trusted", "rejected"):
        (tmp_path / "pki" / folder).mkdir(parents=True)
    return tmp_path / "pki"


def test_the_first_start_makes_a_certificate_that_clients_accept(tmp_path: Path) -> None:
    made = identity(tmp_path / "pki")
    names = made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    assert {"localhost", "post"} == set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "10.1.2.3"} == {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    usage = made.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.content_commitment and usage.key_encipherment and usage.data_encipherment
    assert made.certificate.not_valid_after_utc > NOW + timedelta(days=1800)
    key = tmp_path / "pki" / "own" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not list((tmp_path / "pki" / "own").glob("*.part"))


def test_the_next_start_keeps_it_even_if_the_machine_was_renamed(tmp_path: Path) -> None:
    first, second = identity(tmp_path / "pki"), identity(tmp_path / "pki", "urn:renamed:vigie:test")
    assert second.certificate == first.certificate
    assert second.application_uri == URI


@pytest.mark.parametrize("broken", ["certificate.der", "key.pem"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_files_that_cannot_be_used_stop_the_start_with_one_sentence(
    tmp_path: Path, broken: str, content: bytes | None
) -> None:
    identity(tmp_path / "pki")
    path = tmp_path / "pki" / "own" / broken
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(HmiError, match=r"cannot be read .*restore both files, or remove both"):
        identity(tmp_path / "pki")


def test_a_key_of_another_certificate_is_noticed(tmp_path: Path) -> None:
    identity(tmp_path / "a")
    identity(tmp_path / "b")
    (tmp_path / "a" / "own" / "key.pem").write_bytes((tmp_path / "b" / "own" / "key.pem").read_bytes())
    with pytest.raises(HmiError, match="is not the key of"):
        identity(tmp_path / "a")


def test_an_unknown_certificate_is_kept_and_refused_or_accepted_in_the_demo(pki: Path) -> None:
    stranger, _ = certificate()
    with pytest.raises(Untrusted, match="trusted") as refusal:
        TrustList(pki, accept_unknown=False).check(der(stranger), NOW_NS)
    assert refusal.value.code == "BadCertificateUntrusted"
    (kept,) = (pki / "rejected").iterdir()
    assert kept.read_bytes() == der(stranger)
    assert TrustList(pki, accept_unknown=True).check(der(stranger), NOW_NS) is False
    kept.rename(pki / "trusted" / kept.name)
    assert TrustList(pki, accept_unknown=False).check(der(stranger), NOW_NS) is True


def test_a_chain_is_judged_by_its_first_certificate(pki: Path) -> None:
    first, second = certificate("a")[0], certificate("b")[0]
    (pki / "trusted" / "a.der").write_bytes(der(first))
    trust = TrustList(pki, accept_unknown=False)
    assert trust.check(der(first) + der(second), NOW_NS) is True
    with pytest.raises(Untrusted):
        trust.check(der(second) + der(first), NOW_NS)


def test_an_authority_vouches_for_its_own_only_while_it_is_valid(pki: Path) -> None:
    city = certificate("city", authority=True)
    short = certificate("short", authority=True, end=NOW - timedelta(hours=1))
    no_authority = certificate("plain")
    for name, (made, _) in {"city": city, "short": short, "plain": no_authority}.items():
        (pki / "trusted" / f"{name}.der").write_bytes(der(made))
    (pki / "trusted" / "broken.der").write_bytes(b"nonsense")
    trust = TrustList(pki, accept_unknown=False)
    assert trust.check(der(certificate("good", issuer=city)[0]), NOW_NS) is True
    impostor = (city[0], rsa.generate_private_key(65537, 2048))  # the authority's name, another key
    for issuer in (short, no_authority, impostor):
        with pytest.raises(Untrusted) as refusal:
            trust.check(der(certificate("bad", issuer=issuer)[0]), NOW_NS)
        assert refusal.value.code == "BadCertificateUntrusted"


def test_expired_weak_or_foreign_certificates_are_refused_even_in_the_demo(pki: Path) -> None:
    trust = TrustList(pki, accept_unknown=True)
    old, _ = certificate(end=NOW - timedelta(minutes=1))
    early, _ = certificate(start=NOW + timedelta(minutes=1), end=NOW + timedelta(days=2))
    weak, _ = certificate(key=rsa.generate_private_key(65537, 1024))
    curve, _ = certificate(key=ec.generate_private_key(ec.SECP256R1()))
    for made, code in (
        (old, "BadCertificateTimeInvalid"),
        (early, "BadCertificateTimeInvalid"),
        (weak, "BadSecurityChecksFailed"),
        (curve, "BadSecurityChecksFailed"),
    ):
        with pytest.raises(Untrusted) as refusal:
            trust.check(der(made), NOW_NS)
        assert refusal.value.code == code
    for raw in (b"", b"nonsense", b"\x30\x82\xff\xff", der(old)[:100]):
        with pytest.raises(Untrusted) as refusal:
            trust.check(raw, NOW_NS)
        assert refusal.value.code == "BadCertificateInvalid"


def test_the_rejected_folder_is_bounded(pki: Path) -> None:
    for i in range(120):
        (pki / "rejected" / f"{i}.der").write_bytes(b"x")
    with pytest.raises(Untrusted):
        TrustList(pki, accept_unknown=False).check(der(certificate()[0]), NOW_NS)
    assert len(list((pki / "rejected").iterdir())) == 100


def test_application_uris_of_a_certificate_without_names() -> None:
    assert application_uris(der(certificate()[0])) == []
