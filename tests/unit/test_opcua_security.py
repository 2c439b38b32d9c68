# SPDX-License-Identifier: Apache-2.0
"""Certificates and passwords: made once, trusted by a person, never past their time, never in a file of the site."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from config.words import NS_PER_S
from drivers.opcua import trust
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.protocol import PROTOCOL
from drivers.opcua.secrets import NoSecret, secret

NOW = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * NS_PER_S
YEAR = 365 * 86_400 * NS_PER_S


def certificate(folder: Path, now_ns: int = NOW) -> bytes:
    """Some server's certificate."""
    return trust.own(folder, now_ns).certificate


def test_the_own_certificate_is_made_once(tmp_path: Path) -> None:
    made = trust.own(tmp_path, NOW)
    assert made == trust.own(tmp_path, NOW) and made.application_uri == trust.APPLICATION_URI
    assert stat.S_IMODE((tmp_path / "own" / "key.pem").stat().st_mode) == 0o600
    with pytest.raises(trust.Untrusted, match="expired on 2031"):
        trust.own(tmp_path, NOW + 6 * YEAR)
    (tmp_path / "own" / "key.pem").write_bytes(trust.own(tmp_path / "other", NOW).key)
    with pytest.raises(trust.Untrusted, match="is not the key of"):
        trust.own(tmp_path, NOW)
    (tmp_path / "own" / "key.pem").unlink()
    with pytest.raises(trust.Untrusted, match="restore both files, or remove both"):
        trust.own(tmp_path, NOW)


def test_a_server_is_trusted_by_a_person_only(tmp_path: Path) -> None:
    trust.own(tmp_path, NOW)
    der = certificate(tmp_path / "server")
    for _ in range(2):
        with pytest.raises(trust.Untrusted, match=r"is not trusted; if it is the right one, move .*rejected"):
            trust.judge(tmp_path, der, NOW)
    [kept] = (tmp_path / "rejected").glob("*.der")
    kept.rename(tmp_path / "trusted" / kept.name)
    trust.judge(tmp_path, der, NOW)
    with pytest.raises(trust.Untrusted, match="have it renewed"):
        trust.judge(tmp_path, der, NOW + 6 * YEAR)
    with pytest.raises(trust.Untrusted, match="no certificate that can be read"):
        trust.judge(tmp_path, b"\x30\x82", NOW)


def test_what_a_session_stands_on_is_judged_again(tmp_path: Path) -> None:
    ours = trust.own(tmp_path, NOW).certificate
    theirs = certificate(tmp_path / "server", NOW - YEAR)
    kept = tmp_path / "trusted" / "collector.der"
    kept.write_bytes(theirs)
    trust.judge_again(tmp_path, theirs, ours, NOW)
    with pytest.raises(trust.Untrusted, match="have it renewed"):
        trust.judge_again(tmp_path, theirs, ours, NOW + 9 * YEAR // 2)
    with pytest.raises(trust.Untrusted, match=r"our own certificate .* expired on 2031"):
        trust.judge_again(tmp_path, theirs, ours, NOW + 6 * YEAR)
    with pytest.raises(trust.Untrusted, match="has been replaced"):
        trust.judge_again(tmp_path, theirs, theirs, NOW)
    kept.unlink()
    with pytest.raises(trust.Untrusted, match="is not trusted"):
        trust.judge_again(tmp_path, theirs, ours, NOW)


def test_the_days_left_are_those_of_the_first_to_expire(tmp_path: Path) -> None:
    secured = {"host": "h", "security": "Basic256Sha256", "mode": "Sign", "certificates": str(tmp_path)}
    secure, open_, left = OpcuaDevice.model_validate(secured), OpcuaDevice(host="h"), PROTOCOL.certificate_days
    assert left is not None and left([secure], NOW) is None
    trust.own(tmp_path, NOW)
    assert left([open_, secure], NOW) == 5 * 365
    (tmp_path / "trusted" / "collector.der").write_bytes(certificate(tmp_path / "server", NOW - 4 * YEAR))
    (tmp_path / "trusted" / "noise.der").write_bytes(b"0")
    assert (left([secure], NOW), left([secure], NOW + 2 * YEAR)) == (365, 0)
    assert left([open_], NOW) is None, "nothing is secured, nothing expires"


def test_only_an_authority_vouches_for_others(tmp_path: Path) -> None:
    trust.own(tmp_path, NOW)
    other = trust.own(tmp_path / "other", NOW)
    key = serialization.load_pem_private_key(other.key, None)
    for ca in (False, True):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"issuer {ca}")])
        when = datetime(2026, 1, 1, tzinfo=UTC)
        base = (
            x509.CertificateBuilder().issuer_name(name).public_key(key.public_key()).serial_number(5)
            .not_valid_before(when).not_valid_after(when + timedelta(days=999))
        )  # fmt: skip
        issuer = base.subject_name(name).add_extension(x509.BasicConstraints(ca, None), True).sign(key, hashes.SHA256())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collector")])
        server = base.subject_name(subject).sign(key, hashes.SHA256())
        (tmp_path / "trusted" / f"{ca}.der").write_bytes(issuer.public_bytes(serialization.Encoding.DER))
        der = server.public_bytes(serialization.Encoding.DER)
        if ca:
            trust.judge(tmp_path, der, NOW)
        else:
            with pytest.raises(trust.Untrusted):
                trust.judge(tmp_path, der, NOW)


def test_the_rejected_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "REJECTED_MAX", 2)
    trust.own(tmp_path, NOW)
    for i in range(3):
        with pytest.raises(trust.Untrusted):
            trust.judge(tmp_path, certificate(tmp_path / f"server{i}"), NOW)
    assert len(list((tmp_path / "rejected").glob("*.der"))) == 2


def test_a_secret_is_a_credential_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "collector").write_text("s3cret\n")
    assert secret("collector", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "s3cret"
    assert secret("a.b", {"CREDENTIALS_DIRECTORY": str(tmp_path), "VIGIE_SECRET_A_B": "x"}) == "x"
    with pytest.raises(NoSecret, match="VIGIE_SECRET_NONE"):
        secret("none", {})


def test_the_folder_lies_in_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/vigie-dijon:/x")
    assert trust.folder("") == Path("/var/lib/vigie-dijon/field-pki") and trust.folder("/etc/p") == Path("/etc/p")
