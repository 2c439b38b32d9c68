# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_certs.py
"""Certificates of the OPC UA server: who is trusted, who was turned away, and the server's own.

  vigie certs                          all of them: thumbprint, until when, since when, subject
  vigie certs show 3f2a91c0            one, in full; 8 digits of its thumbprint are enough
  vigie certs trust 3f2a91c0           let a client in that was turned away, or was revoked
  vigie certs trust cityca.pem         let in a client, or all clients of an authority, from a file
  vigie certs revoke 3f2a91c0          put a client out at once, whoever vouches for it
  vigie certs renew [--new-key]        a new certificate for the server itself
  vigie certs request [--new-key]      a request for the city's authority, printed as PEM
  vigie certs install answer.pem       the authority's answer becomes the server's certificate

Through the running server, in your own name: it takes effect at once, and is in the journal. Where no server runs with
this state folder the files are changed, and the next server writes it into the journal. After 'renew' sessions go on;
with a new key all connections end, and clients must trust the new certificate.
"""

from __future__ import annotations

import argparse
import base64
import getpass
from pathlib import Path
from typing import Any

from config.model import Role
from supervisor.cli import ask
from supervisor.control.client import ControlClient, find_state_dir
from supervisor.failure import Failure
from supervisor.options import CONTROL_SOCKET

_ACTIONS = ("list", "show", "trust", "revoke", "renew", "request", "install")
_FOLDERS = {"trusted": "trusted", "issuers": "issuers", "revoked": "revoked", "rejected": "turned away"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="list")
    parser.add_argument("which", nargs="?", metavar="THUMBPRINT|FILE")
    parser.add_argument("--new-key", action="store_true", help="replace the server's key too (renew, request)")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    asked = _asked(args)
    state_dir = find_state_dir(args.state)
    if (state_dir / CONTROL_SOCKET).exists():
        with ControlClient(state_dir) as control:
            answer = control.call("certs", **asked)
    else:
        answer = _on_the_files(state_dir / "pki", asked)
    if args.json:
        ask.print_json(answer)
    elif args.action == "list":
        _print_list(answer)
    elif args.action == "request":
        print(answer["request"], end="")
    else:
        _print_one(args.action, answer)
    return 0


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    asked: dict[str, Any] = {"action": args.action}
    if args.action in ("show", "trust", "revoke", "install"):
        if args.which is None:
            raise Failure(f"{args.action}: which one? give its thumbprint{' or a file' * (args.action != 'show')}")
        path = Path(args.which)
        if args.action != "show" and path.is_file():
            asked["data"] = base64.b64encode(path.read_bytes()[: 32 * 1024]).decode()
        else:
            asked["which"] = args.which
    elif args.new_key:
        asked["new_key"] = True
    return asked


def _on_the_files(pki: Path, asked: dict[str, Any]) -> Any:
    """No server runs: the same on the files, noted for the journal of the next one."""
    import asyncio

    from supervisor.clock import SystemClock
    from supervisor.control.certs import Certs, OfflineJournal
    from supervisor.people import User

    if not pki.is_dir():
        raise Failure(f"there is no {pki}; the server makes it at its first start, or name its folder with --state")

    async def run(job: Any) -> Any:
        return job()

    async def renewed(_new_key: bool) -> None:
        """Nobody is connected."""

    user = User(getpass.getuser(), Role.ENGINEER)
    certs = Certs(pki, OfflineJournal(pki), run, renewed)
    try:
        return asyncio.run(certs.carry_out(user, "command line, no server", asked, SystemClock().wall_ns()))
    except ValueError as error:
        raise Failure(str(error)) from error
    except PermissionError as error:
        raise Failure(f"{error.filename}: permission denied; run it as the server's own login") from error


def _print_list(answer: dict[str, Any]) -> None:
    console = ask.console()
    table = ask.table(("", "thumbprint", "valid until", "days", "since", "subject"), right=("days",))
    _row(table, "own", answer["own"])
    for folder, shown in _FOLDERS.items():
        for document in answer[folder]:
            _row(table, shown, document)
    console.print(table)
    for crl in answer["lists"]:
        late = ", LATE: it still counts, but ask the authority for a new one" if crl["late"] else ""
        console.print(
            ask.plain(f"revocation list of {crl['issuer']}: {crl['revoked']} revoked, due {crl['due']}{late}")
        )
    for broken in answer["broken"]:
        console.print(ask.plain(f"{broken['file']}: {broken['reason']}; it trusts nobody"))


def _row(table: Any, folder: str, document: dict[str, Any]) -> None:
    since = (document["since"] or "")[:10]
    days = "expired" if document["days"] < 0 else str(document["days"])
    cells = (folder, document["thumbprint"], document["until"][:10], days, since, document["subject"])
    table.add_row(*map(ask.plain, cells))


def _print_one(action: str, document: dict[str, Any]) -> None:
    done = {"trust": "trusted", "revoke": "revoked", "renew": "renewed", "install": "installed"}.get(action)
    if done is not None:
        print(f"{done}  {document['thumbprint']}  {document['subject']}")
        return
    for key, value in document.items():
        print(f"{key:<12} {value}")
