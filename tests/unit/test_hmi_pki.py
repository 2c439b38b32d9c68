# SPDX-License-Identifier: Apache-2.0
"""Certificates on disk: made once, kept, told apart, and clear words when they cannot be used."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from config.words import NS_PER_S
from supervisor.hmi.contract import HmiError
from supervisor.hmi.entrance.pki import Identity, own_identity

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS_PER_S
URI = "urn:post:vigie:test"


def identity(pki: Path, uri: str = URI) -> Identity:
    return own_identity(pki, uri, "10.1.2.3", "post", NOW_NS)


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
