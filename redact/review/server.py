"""Starting the page: which addresses it may listen on, and what it says when it is up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from redact.errors import StoreError, UsageError
from redact.ledger.keys import default_folder
from redact.review.access import Account, Sessions, load_accounts, own_id
from redact.review.app import make_app
from redact.review.asking import Site
from redact.review.opened import Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the page is served, and who may come in."""

    address: str = "127.0.0.1"
    port: int = 8765
    accounts: Path | None = None
    certificate: Path | None = None  # PEM, with its key
    key: Path | None = None
    behind: str | None = None  # the https address of the proxy in front
    known_leaks: Path | None = None
    witness: Path | None = None  # a file that remembers how the log stood

    def check(self) -> None:
        """Raises UsageError for a page that others could reach without accounts and encryption."""
        if bool(self.certificate) != bool(self.key):
            raise UsageError("--certificate and --key belong together.", means=_NOT_STARTED)
        if self.behind and urlsplit(self.behind).scheme != "https":
            raise UsageError("--behind takes an https address.", means=_NOT_STARTED)
        try:
            alone = ip_address(self.address).is_loopback
        except ValueError as error:
            raise UsageError(f"{self.address!r} is no IP address.", means=_NOT_STARTED) from error
        safe = self.accounts is not None and (self.certificate or self.behind)
        if not safe and (not alone or self.behind):
            raise UsageError(
                f"others could reach the page on {self.address}.",
                means=_NOT_STARTED,
                todo="Give --accounts, and --certificate with --key or --behind; or stay here.",
            )

    def origins(self, port: int) -> frozenset[str]:
        """The origins under which a browser may know the page."""
        if self.behind:
            parts = urlsplit(self.behind)
            return frozenset({f"{parts.scheme}://{parts.netloc}"})
        scheme = "https" if self.certificate else "http"
        host = f"[{self.address}]" if ":" in self.address else self.address
        names = {host, "localhost"} if ip_address(self.address).is_loopback else {host}
        return frozenset(f"{scheme}://{name}:{port}" for name in names)


_NOT_STARTED = "The page was not started."


def serve(store: Path, where: Where, say: Callable[[str, str | None], None]) -> None:
    """
    Serve the page until it is stopped; `say` gets its address, and the one-time link if any.

    Raises UsageError for settings that would let others in, StoreError where the port is taken.
    """
    where.check()
    accounts = load_accounts(where.accounts) if where.accounts else ()
    listener = listen(where)
    port = listener.getsockname()[1]
    origins = where.origins(port)
    with Opened(store, witness=where.witness) as opened:
        site = Site(
            opened=opened,
            sessions=Sessions(accounts),
            origins=origins,
            cookie=f"redact_review_{port}",
            secure=bool(where.certificate or where.behind),
            probes=where.known_leaks,
        )
        threading.Thread(target=opened.prepare, daemon=True).start()
        base = next(origin for origin in sorted(origins))
        link = None
        if not accounts:
            person = Account("local", own_id(default_folder()), "officer")
            link = f"{base}/enter/{site.sessions.link(person)}"
        say(base, link)
        config = uvicorn.Config(
            make_app(site), log_level="error", access_log=False, server_header=False,
            proxy_headers=False, ssl_certfile=where.certificate, ssl_keyfile=where.key,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listener])


def listen(where: Where) -> socket.socket:
    """Raises StoreError where the port is taken."""
    try:
        family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
        return socket.create_server((where.address, where.port), family=family, backlog=256)
    except OSError as error:
        raise StoreError(
            f"the page can't listen on {where.address}, port {where.port}: {error.strerror}.",
            means=_NOT_STARTED,
            todo="Choose another --port; 0 takes a free one.",
        ) from error
