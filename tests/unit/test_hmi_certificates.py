# SPDX-License-Identifier: Apache-2.0
"""What `vigie certs` does to the files: moves between folders, the server's own certificate renewed or installed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from config.words import NS_PER_S
from supervisor.hmi.entrance.certificates import (
    CertificateProblem,
    find,
    forget_offline_notes,
    install,
    load,
    note_offline,
    overview,
    put,
    renew,
    request,
    take_offline_notes,
)
from supervisor.hmi.entrance.judge import uris
from supervisor.hmi.entrance.pki import OwnFiles, own_identity
from supervisor.hmi.entrance.trust import thumbprint
from tests.certificates import authority, key, make, revocation_list

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS_PER_S
CITY = authority("City", NOW)
LEAF = make("client", NOW)
URI = "urn:post:vigie:test"


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    own_identity(tmp_path / "pki", URI, "10.1.2.3", "post", NOW_NS)
    return tmp_path / "pki"


def test_everything_there_is_is_listed_with_its_days(pki: Path) -> None:
    put(pki, LEAF.certificate, "rejected")
    put(pki, CITY.certificate, "trusted")
    (pki / "trusted" / "city.crl").write_bytes(revocation_list(CITY, NOW, LEAF, days=-1))
    (pki / "trusted" / "broken.der").write_bytes(b"x")
    seen = overview(pki, NOW_NS)
    assert seen["own"]["application"] == URI and seen["own"]["days"] > 1800
    assert [c["days"] for c in seen["rejected"]] == [30] and seen["rejected"][0]["since"]
    assert seen["lists"] == [{"issuer": "CN=City", "revoked": 1, "due": "2026-06-30T12:00:00+00:00", "late": True}]
    assert len(seen["broken"]) == 1


def test_a_certificate_is_found_by_the_beginning_of_either_name(pki: Path) -> None:
    put(pki, LEAF.certificate, "rejected")
    digits = thumbprint(LEAF.certificate)
    colons = ":".join(digits[i : i + 2] for i in range(0, 12, 2)).upper()
    for which in (digits, digits[:8], colons, LEAF.certificate.fingerprint(hashes.SHA256()).hex()):
        assert find(pki, which).folder == "rejected"
    for which in ("", "zz", digits[:7], "0" * 40, "../../etc"):
        with pytest.raises(CertificateProblem):
            find(pki, which)


def test_it_stands_in_one_folder_only(pki: Path) -> None:
    for folder in ("rejected", "trusted", "revoked", "trusted"):
        put(pki, LEAF.certificate, folder)
        assert find(pki, thumbprint(LEAF.certificate)).folder == folder
        assert sum(p.suffix == ".der" for f in ("trusted", "revoked", "rejected") for p in (pki / f).iterdir()) == 1


def test_what_no_policy_allows_is_not_trusted(pki: Path) -> None:
    assert load(LEAF.pem) == load(LEAF.der) == LEAF.certificate
    for raw in (b"", b"nonsense", make("weak", NOW, own=key(9, 1024)).der):
        with pytest.raises(CertificateProblem):
            load(raw)


@pytest.mark.parametrize("with_new_key", [False, True])
def test_a_renewed_certificate_keeps_its_names_and_the_former_pair_is_kept(pki: Path, with_new_key: bool) -> None:
    before, old_key = OwnFiles(pki).certificate(), OwnFiles(pki).key()
    later = NOW_NS + 86_400 * NS_PER_S
    made = renew(pki, later, with_new_key=with_new_key)
    assert uris(made) == [URI] and made.not_valid_after_utc > before.not_valid_after_utc
    assert (made.public_key() == before.public_key()) is not with_new_key
    assert own_identity(pki, "another", "host", "name", later).certificate == made  # the pair fits
    kept = {p.suffix for p in (pki / "own" / "former").iterdir()}
    assert kept == ({".der", ".pem"} if with_new_key else {".der"})
    assert OwnFiles(pki).key().private_numbers() == old_key.private_numbers() or with_new_key


@pytest.mark.parametrize("with_new_key", [False, True])
def test_an_authority_s_answer_is_installed_if_it_is_ours(pki: Path, with_new_key: bool) -> None:
    asked = x509.load_pem_x509_csr(request(pki, with_new_key=with_new_key))
    assert asked.is_signature_valid
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    before = OwnFiles(pki).certificate()

    class Theirs:
        """Only the public half is the authority's to see."""

        @staticmethod
        def public_key() -> object:
            return asked.public_key()

    answer = make("post", NOW, issuer=CITY, own=Theirs(), uri=URI)
    foreign = make("post", NOW, issuer=CITY, own=key(5), uri=URI)
    another = make("post", NOW, issuer=CITY, own=Theirs(), uri="urn:another")
    old = make("post", NOW, issuer=CITY, own=Theirs(), uri=URI, days=(-9, -1))
    for wrong in (foreign, another, old):
        with pytest.raises(CertificateProblem):
            install(pki, wrong.pem, NOW_NS)
        assert OwnFiles(pki).certificate() == before
    assert install(pki, answer.pem, NOW_NS) == answer.certificate
    assert own_identity(pki, "x", "host", "name", NOW_NS).certificate == answer.certificate
    assert not (pki / "own" / "request.csr").exists() and not (pki / "own" / "request.key").exists()
    assert answer.certificate.public_bytes(serialization.Encoding.DER)


def test_what_was_done_without_a_server_waits_for_the_journal(pki: Path) -> None:
    assert take_offline_notes(pki) == []
    note_offline(pki, 7, "root", "certificate ab: trusted")
    with (pki / "changes.jsonl").open("a") as file:
        file.write("nonsense\n")
    first, second = take_offline_notes(pki)
    assert first == (7, "root", "certificate ab: trusted") and "cannot be read" in second[2]
    forget_offline_notes(pki)
    assert take_offline_notes(pki) == []
