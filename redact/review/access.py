"""Who may come in: one-time links, accounts, sessions that expire, and a brake on guessing."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
import tomllib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from redact.errors import UsageError
from redact.review.words import ROLES

LINK_SECONDS = 15 * 60
IDLE_SECONDS = 30 * 60
SESSION_SECONDS = 8 * 3600
TRIES, TRIES_SECONDS = 5, 10 * 60
"""So many wrong keys for one account, and ten times as many for all, close the door for a while."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person, as the ledger knows them: `who` is opaque, and no name."""

    name: str  # what they log in with; never recorded
    who: str  # "op_" and 16 hex digits
    role: str  # one of ROLES
    key_sha256: str = ""  # of the access key, 256 random bits: a slow hash would add nothing


@dataclass(slots=True)
class Session:
    account: Account
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    started: float = 0.0
    seen: float = 0.0

    @property
    def role(self) -> str:
        return self.account.role

    @property
    def who(self) -> str:
        return self.account.who


class TooManyTriesError(Exception):
    """The door is closed for a while."""


class Sessions:
    """Sessions live in memory: they end with the page's process. Safe for threads."""

    def __init__(
        self, accounts: tuple[Account, ...] = (), now: Callable[[], float] = time.monotonic
    ) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._now, self._mutex = now, threading.Lock()
        self._links: dict[bytes, tuple[float, Account]] = {}
        self._sessions: dict[bytes, Session] = {}
        self._failed: dict[str, deque[float]] = {}

    @property
    def has_accounts(self) -> bool:
        return bool(self._accounts)

    def link(self, account: Account) -> str:
        """A token that lets this person in once, within a quarter of an hour."""
        token = secrets.token_urlsafe(32)
        with self._mutex:
            self._links[_digest(token)] = (self._now() + LINK_SECONDS, account)
        return token

    def redeem(self, token: str) -> str | None:
        """The cookie of a new session for a link's token, which is used up; else None."""
        with self._mutex:
            until, account = self._links.pop(_digest(token), (0.0, None))
            if account is None or self._now() > until:
                return None
            return self._begin(account)

    def login(self, name: str, key: str) -> str | None:
        """The cookie of a new session, or None if they are wrong. Raises TooManyTriesError."""
        account = self._accounts.get(name)
        with self._mutex:
            self._check_tries(name if account else "")
            given, expected = sha256(key.encode()).hexdigest(), "-" * 64
            if account:
                expected = account.key_sha256
            if not hmac.compare_digest(given, expected) or account is None:
                for of in (name if account else "", "*"):
                    self._failed.setdefault(of, deque()).append(self._now())
                return None
            return self._begin(account)

    def _check_tries(self, name: str) -> None:
        for of, tries in ((name, TRIES), ("*", 10 * TRIES)):
            failed = self._failed.get(of, deque())
            while failed and failed[0] < self._now() - TRIES_SECONDS:
                failed.popleft()
            if len(failed) >= tries:
                raise TooManyTriesError

    def _begin(self, account: Account) -> str:
        cookie = secrets.token_urlsafe(32)
        now = self._now()
        self._sessions[_digest(cookie)] = Session(account, started=now, seen=now)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, if it has not expired."""
        with self._mutex:
            session = self._sessions.get(_digest(cookie))
            if session is None:
                return None
            now = self._now()
            if now > session.seen + IDLE_SECONDS or now > session.started + SESSION_SECONDS:
                del self._sessions[_digest(cookie)]
                return None
            session.seen = now
            return session

    def end(self, session: Session) -> None:
        with self._mutex:
            self._sessions = {key: one for key, one in self._sessions.items() if one != session}


def _digest(token: str) -> bytes:
    """Looked up by digest, so that the time of a look-up says nothing of the token."""
    return sha256(token.encode("utf-8", "replace")).digest()


def load_accounts(path: Path) -> tuple[Account, ...]:
    """The accounts in a TOML file, as `redact account add` writes them. Raises UsageError."""
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others.", todo=f"chmod go= {path}")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        accounts = tuple(Account(**value) for value in values.pop("account", []))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise UsageError(
            f"the accounts in {path} can't be read ({type(error).__name__}).",
            means="The page was not started.",
            todo="Write them with redact account add.",
        ) from error
    for account in accounts:
        _check_account(account)
    if values or len({account.name for account in accounts}) != len(accounts):
        raise UsageError(f"{path} says something redact does not know, or a name twice.")
    return accounts


def _check_account(account: Account) -> None:
    good = (
        account.role in ROLES
        and re.fullmatch(r"op_[0-9a-f]{16}", str(account.who))
        and re.fullmatch(r"[0-9a-f]{64}", str(account.key_sha256))
        and re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", str(account.name))
    )
    if not good:
        raise UsageError("an account is not well formed.", todo="Write it with redact account add.")


def add_account(path: Path, name: str, role: str) -> str:
    """Add an account to a file, made if there is none; returns its access key, kept nowhere."""
    known = load_accounts(path) if path.exists() else ()
    key = secrets.token_urlsafe(32)
    account = Account(name, f"op_{secrets.token_hex(8)}", role, sha256(key.encode()).hexdigest())
    _check_account(account)
    if name in {one.name for one in known}:
        raise UsageError(f"there is an account {name!r} already.", means="Nothing was changed.")
    lines = [
        f'[[account]]\nname = "{one.name}"\nwho = "{one.who}"\nrole = "{one.role}"\n'
        f'key_sha256 = "{one.key_sha256}"\n'
        for one in (*known, account)
    ]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines), encoding="utf-8")
    return key


def own_id(folder: Path) -> str:
    """The opaque id of the person who runs this page without accounts; kept beside the keys."""
    path = folder / "operator"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("x", encoding="ascii") as file:
            file.write(f"op_{secrets.token_hex(8)}")
    except FileExistsError:
        pass
    found = path.read_text(encoding="ascii").strip()
    if not re.fullmatch(r"op_[0-9a-f]{16}", found):
        raise UsageError(f"{path} is not the id of a person.", todo="Delete it: another is made.")
    return found
