# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_certificates.py, tests/unit/test_cli_certs.py
"""What `vigie certs` does to the folders of the trust list and to the server's own certificate.

Law of this file: blocking file work on <state>/pki and nothing else; time is an argument. Who may do it, and the
journal, are the caller's matter. A file is replaced whole, so that a running server sees the one or the other.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from config.durable import write_whole
from config.words import NS_PER_S
from supervisor.hmi.entrance.judge import Certificate, Untrusted, check_algorithms, name, uris
from supervisor.hmi.entrance.pki import OwnFiles, new_key, self_signed
from supervisor.hmi.entrance.trust import FOLDERS, TrustList, der, fingerprint, thumbprint

OFFLINE_NOTES_MAX: Final = 1_000
_WHICH: Final = re.compile(r"[0-9a-f]{8,64}")
_FILE_BYTES_MAX: Final = 64 * 1024


class CertificateProblem(Exception):
    """Nothing was changed; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate in a folder."""

    folder: str
    path: Path
    certificate: Certificate


def overview(pki: Path, now_ns: int) -> dict[str, Any]:
    """Everything there is: own, trusted, issuers, revoked, rejected, revocation lists, files that are broken."""
    trust, now = TrustList(pki), time_of(now_ns)
    made: dict[str, Any] = {"own": document(OwnFiles(pki).certificate(), now)}
    for folder in FOLDERS:
        made[folder] = [document(c, now, path) for path, c in trust.certificates(folder).items()]
    made["lists"] = [_list_document(crl, now) for f in FOLDERS[:2] for crl in trust.lists(f)]
    made["broken"] = [{"file": path, "reason": reason} for path, reason in trust.broken.items()]
    return made


def document(certificate: Certificate, now: datetime, path: Path | None = None) -> dict[str, Any]:
    """One certificate for people and scripts; `since`: when its file came."""
    end = certificate.not_valid_after_utc
    return {
        "thumbprint": thumbprint(certificate),
        "sha256": fingerprint(certificate),
        "subject": name(certificate),
        "issuer": certificate.issuer.rfc4514_string()[:200],
        "application": next(iter(uris(certificate)), ""),
        "from": certificate.not_valid_before_utc.isoformat(),
        "until": end.isoformat(),
        "days": (end - now) // timedelta(days=1),
        "since": None if path is None else datetime.fromtimestamp(int(path.stat().st_mtime), UTC).isoformat(),
    }


def _list_document(crl: x509.CertificateRevocationList, now: datetime) -> dict[str, Any]:
    due = crl.next_update_utc
    return {
        "issuer": crl.issuer.rfc4514_string()[:200],
        "revoked": len(crl),
        "due": None if due is None else due.isoformat(),
        "late": due is not None and due < now,
    }


def find(pki: Path, which: str) -> Found:
    """The certificate whose thumbprint or SHA-256 begins with `which` (at least 8 digits; colons are ignored).

    Raises:
        CertificateProblem: none, or several.
    """
    digits = which.replace(":", "").lower()
    if not _WHICH.fullmatch(digits):
        raise CertificateProblem(f"expected at least 8 digits of a thumbprint, got '{which[:80]}'")
    trust = TrustList(pki)
    found = [
        Found(folder, path, certificate)
        for folder in FOLDERS
        for path, certificate in trust.certificates(folder).items()
        if thumbprint(certificate).startswith(digits) or fingerprint(certificate).startswith(digits)
    ]
    if not found:
        raise CertificateProblem(f"no certificate {which[:80]} here; `vigie certs` lists them all")
    if len({f.certificate for f in found}) > 1:
        raise CertificateProblem(f"{which[:80]} begins {len(found)} thumbprints; give more digits")
    return found[0]


def load(raw: bytes) -> Certificate:
    """A certificate out of a file's bytes, DER or PEM.

    Raises:
        CertificateProblem: it is none, or no policy allows it.
    """
    try:
        pem = raw.lstrip().startswith(b"-----BEGIN")
        certificate = x509.load_pem_x509_certificate(raw) if pem else x509.load_der_x509_certificate(raw)
        check_algorithms(certificate)
    except (ValueError, Untrusted) as error:
        raise CertificateProblem(f"not a certificate that can be trusted: {error}") from error
    return certificate


def put(pki: Path, certificate: Certificate, folder: str) -> None:
    """Let a certificate stand in `folder` and nowhere else."""
    trust = TrustList(pki)
    write_whole(pki / folder / f"{thumbprint(certificate)}.der", der(certificate), 0o600)
    for other in FOLDERS:
        for path, known in trust.certificates(other).items():
            if known == certificate and path != pki / folder / f"{thumbprint(certificate)}.der":
                path.unlink(missing_ok=True)


# --- the server's own -------------------------------------------------------------------------------------------------


def renew(pki: Path, now_ns: int, *, with_new_key: bool = False) -> Certificate:
    """A new self-signed certificate with the names of the present one; the present one goes to own/former/."""
    own = OwnFiles(pki)
    present = own.certificate()
    key = new_key() if with_new_key else own.key()
    made = self_signed(key, present.subject, _names(present), time_of(now_ns))
    own.replace(made, key if with_new_key else None)
    return made


def request(pki: Path, *, with_new_key: bool = False) -> bytes:
    """A request (PEM) for the city's authority, with the names of the present certificate; kept as own/request.csr."""
    own = OwnFiles(pki)
    present = own.certificate()
    key = new_key() if with_new_key else own.key()
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(present.subject)
        .add_extension(_names(present), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    own.keep_request(made, key if with_new_key else None)
    return made


def install(pki: Path, raw: bytes, now_ns: int) -> Certificate:
    """The authority's answer becomes the server's certificate.

    Raises:
        CertificateProblem: it belongs to neither key, has expired, or names another application.
    """
    own, made = OwnFiles(pki), load(raw)
    key = next((k for k in own.keys() if k.public_key() == made.public_key()), None)
    if key is None:
        raise CertificateProblem("it belongs neither to the server's key nor to the one requested for")
    if not made.not_valid_before_utc <= time_of(now_ns) <= made.not_valid_after_utc:
        raise CertificateProblem(
            f"it is valid {made.not_valid_before_utc:%Y-%m-%d} to {made.not_valid_after_utc:%Y-%m-%d}"
        )
    if uris(made)[:1] != uris(own.certificate())[:1]:
        raise CertificateProblem(f"expected the ApplicationUri {uris(own.certificate())[:1]}, got {uris(made)[:1]}")
    own.replace(made, key)
    return made


def _names(certificate: Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


# --- what was done while no server ran --------------------------------------------------------------------------------


def note_offline(pki: Path, now_ns: int, login: str, text: str) -> None:
    """Remember for the journal, which the next server writes."""
    with (pki / "changes.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps([now_ns, login[:64], text[:500]]) + "\n")


def take_offline_notes(pki: Path) -> list[tuple[int, str, str]]:
    """What was noted: (UTC ns, login, text), oldest first. The caller removes the file once they are written."""
    notes = []
    try:
        lines = (pki / "changes.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    for line in lines[-OFFLINE_NOTES_MAX:]:
        try:
            at_ns, login, text = json.loads(line)
            notes.append((int(at_ns), str(login)[:64], str(text)[:500]))
        except (ValueError, TypeError):
            notes.append((0, "unknown", f"a note that cannot be read: {line[:200]}"))
    return notes


def forget_offline_notes(pki: Path) -> None:
    (pki / "changes.jsonl").unlink(missing_ok=True)


def time_of(now_ns: int) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(now_ns / NS_PER_S, UTC)
