"""A log in PostgreSQL 15 or newer, for writers on many machines: one of them at a time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from redact.errors import StoreError
from redact.ledger.database import TABLES, Row, TakenError, commit
from redact.ledger.files import LOCK_SECONDS

try:
    import psycopg
except ImportError as error:
    raise StoreError(
        "a ledger in PostgreSQL needs a client library that is not installed.",
        todo="pip install 'redact[postgres]'",
    ) from error

LOCK = "hashtext('redact ledger ' || current_schema())"
"""The advisory lock of a log's database: who holds it writes."""

HOLDER = """
SELECT pid, coalesce(host(client_addr), 'this machine') FROM pg_locks JOIN pg_stat_activity
USING (pid) WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Postgres:
    """
    A database of its own, or a schema of its own (by `?options=-csearch_path%3DNAME`).

    `url` names no password: the client library finds it (PGPASSWORD, ~/.pgpass), so that the store
    can remember the URL.
    """

    def __init__(self, url: str, *, seconds: float = LOCK_SECONDS) -> None:
        with _said():
            if psycopg.conninfo.conninfo_to_dict(url).get("password"):
                raise StoreError(
                    "the ledger's address holds a password, and the store would remember it.",
                    todo="Put it into ~/.pgpass or PGPASSWORD, and leave it out of the address.",
                )
            self._db = psycopg.connect(url, autocommit=True, application_name="redact")
            self._cursors: list[Any] = []
            self._db.execute("SET synchronous_commit = on")
            self._db.execute(f"SET lock_timeout = '{round(1000 * seconds)}ms'")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        with _said():
            cursor = self._db.execute(_marked(query), values)
            return cursor.fetchall() if cursor.description else []

    def stream(self, query: str) -> Iterator[list[Row]]:
        with _said():
            cursor = self._db.cursor(name=f"redact_{secrets.token_hex(8)}")
            self._cursors.append(cursor)
            cursor.execute(_marked(query))
        while True:
            with _said():
                batch = cursor.fetchmany(500)
            if not batch:
                return
            yield batch

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        marks = ", ".join(["%s"] * len(rows[0]))
        try:
            with _said():
                self._db.cursor().executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        except StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise TakenError from error
            raise

    def begin_reading(self) -> None:
        self.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def begin_writing(self) -> None:
        self.rows("BEGIN")

    def commit(self) -> None:
        self.rows("COMMIT")

    def rollback(self) -> None:
        if self.reading and not self._db.closed:
            self.rows("ROLLBACK")
        while self._cursors:  # the server's end of them went with the transaction
            self._cursors.pop().close()

    @property
    def reading(self) -> bool:
        return self._db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    def alone(self) -> AbstractContextManager[None]:
        return self.everywhere()

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """The session holds the lock, and the server frees it when the session ends."""
        try:
            self.rows(f"SELECT pg_advisory_lock({LOCK})")
        except StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise self._held() from error
            raise
        try:
            yield
        finally:
            if not self._db.closed:
                self.rows(f"SELECT pg_advisory_unlock({LOCK})")

    def _held(self) -> StoreError:
        holders = [f"process {pid} of the server, from {host}" for pid, host in self.rows(HOLDER)]
        return StoreError(
            f"the ledger is being written by {', '.join(holders) or 'another run'}.",
            todo="Wait for that run to end, or end it, then run again.",
        )

    def problems(self) -> list[str]:
        """The server checks its own pages as it reads them (data checksums)."""
        return []

    def fill(self, meta: Mapping[str, str]) -> None:
        types = {"number": "BIGINT", "bytes": "BYTEA", "packed": ""}
        with self.everywhere():
            self.begin_writing()
            try:
                self.rows(TABLES.format(**types))
                self.insert("meta", [*meta.items()])
                commit(self)
            except BaseException:
                self.rollback()
                raise

    def is_filled(self) -> bool:
        found = "SELECT 1 FROM pg_tables WHERE tablename = 'meta' AND schemaname = current_schema()"
        return bool(self.rows(found))

    def close(self) -> None:
        self._db.close()


def _marked(query: str) -> Any:
    return query.replace("?", "%s")


@contextmanager
def _said() -> Iterator[None]:
    """What the server or the client library raises, as one error of ours."""
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(
            f"the ledger's PostgreSQL server says: {str(error).splitlines()[0]}.",
            todo="See to the server (is it up, has it space, may this user write), then run again.",
        ) from error
