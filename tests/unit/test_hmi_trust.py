# SPDX-License-Identifier: Apache-2.0
"""The folders of the trust list: what is in them, what changes while the server runs, and their bounds."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from config.words import NS_PER_S
from supervisor.hmi.entrance.judge import Untrusted
from supervisor.hmi.entrance.trust import _KEPT_PER_MINUTE, REJECTED_MAX, TrustList, fingerprint, thumbprint
from tests.certificates import authority, key, make, revocation_list

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS_PER_S
CITY = authority("City", NOW)
LEAF = make("leaf", NOW, issuer=CITY)
ALONE = make("alone", NOW)


@pytest.fixture
def trust(tmp_path: Path) -> TrustList:
    return TrustList(tmp_path / "pki")


def refused(trust: TrustList, der: bytes, now_ns: int = NOW_NS) -> str:
    with pytest.raises(Untrusted) as refusal:
        trust.check(der, now_ns)
    return refusal.value.code


def test_a_stranger_is_kept_for_the_engineer_and_comes_in_once_it_is_moved(trust: TrustList) -> None:
    assert refused(trust, ALONE.der) == "BadCertificateUntrusted"
    (kept,) = (trust.pki / "rejected").iterdir()
    assert kept.read_bytes() == ALONE.der and kept.stem == thumbprint(ALONE.certificate)
    kept.rename(trust.pki / "trusted" / kept.name)
    assert trust.check(ALONE.der, NOW_NS) is True
    (trust.pki / "trusted" / kept.name).unlink()
    assert refused(trust, ALONE.der) == "BadCertificateUntrusted"


def test_an_authority_its_list_and_what_it_revokes_are_read_while_the_server_runs(trust: TrustList) -> None:
    (trust.pki / "trusted" / "city.pem").write_bytes(CITY.pem)
    assert refused(trust, LEAF.der) == "BadCertificateRevocationUnknown"
    crl = trust.pki / "trusted" / "city.crl"
    crl.write_bytes(revocation_list(CITY, NOW))
    assert trust.check(LEAF.der, NOW_NS) is True
    generation = trust.generation
    assert trust.check(LEAF.der, NOW_NS) is True and trust.generation == generation
    crl.write_bytes(revocation_list(CITY, NOW, LEAF))
    assert refused(trust, LEAF.der) == "BadCertificateRevoked"
    assert trust.generation == generation + 1


def test_revoked_here_is_out_although_its_authority_vouches(trust: TrustList) -> None:
    (trust.pki / "trusted" / "city.der").write_bytes(CITY.der)
    (trust.pki / "issuers" / "city.crl").write_bytes(revocation_list(CITY, NOW))
    assert trust.check(LEAF.der, NOW_NS) is True
    (trust.pki / "revoked" / "leaf.der").write_bytes(LEAF.der)
    assert refused(trust, LEAF.der) == "BadCertificateRevoked"


def test_files_that_are_none_trust_nobody_and_are_named(trust: TrustList) -> None:
    folder = trust.pki / "trusted"
    (folder / "broken.der").write_bytes(b"nonsense")
    (folder / "long.der").write_bytes(ALONE.der + bytes(100_000))
    (folder / "list.crl").write_bytes(b"nonsense")
    (folder / "alone.der").write_bytes(ALONE.der)
    (folder / "readme.txt").write_text("not looked at")
    assert trust.check(ALONE.der, NOW_NS) is True
    assert {Path(p).name for p in trust.broken} == {"broken.der", "long.der", "list.crl"}


def test_the_demo_lets_strangers_in_but_not_what_is_expired_or_weak(tmp_path: Path) -> None:
    trust = TrustList(tmp_path / "pki", accept_unknown=True)
    assert trust.check(ALONE.der, NOW_NS) is False
    assert trust.check(LEAF.der, NOW_NS) is False  # its issuer is unknown too
    assert refused(trust, make("old", NOW, days=(-3, -1)).der) == "BadCertificateTimeInvalid"
    assert refused(trust, make("early", NOW, days=(1, 3)).der) == "BadCertificateTimeInvalid"
    assert refused(trust, make("weak", NOW, own=key(9, 1024)).der) == "BadCertificatePolicyCheckFailed"
    curve = make("curve", NOW, own=ec.generate_private_key(ec.SECP256R1()))
    assert refused(trust, curve.der) == "BadCertificatePolicyCheckFailed"
    (tmp_path / "pki" / "revoked" / "alone.der").write_bytes(ALONE.der)
    assert refused(trust, ALONE.der) == "BadCertificateRevoked"


def test_the_rejected_folder_and_the_writing_into_it_are_bounded(trust: TrustList) -> None:
    folder = trust.pki / "rejected"
    for i in range(REJECTED_MAX + 20):
        (folder / f"{i}.der").write_bytes(b"x")
        os.utime(folder / f"{i}.der", (i, i))
    assert refused(trust, ALONE.der) == "BadCertificateUntrusted"
    assert len(list(folder.iterdir())) == REJECTED_MAX
    for i in range(_KEPT_PER_MINUTE + 5):
        refused(trust, make(f"stranger {i}", NOW).der)
    assert trust.kept == _KEPT_PER_MINUTE
    refused(trust, make("a minute later", NOW).der, NOW_NS + 60 * NS_PER_S)
    assert trust.kept == 1


def test_a_certificate_has_two_names() -> None:
    assert (len(thumbprint(ALONE.certificate)), len(fingerprint(ALONE.certificate))) == (40, 64)
