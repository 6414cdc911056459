"""The SQLite store: one file, append-only tables, every write durable before it returns.

Rollback journal, not a write-ahead log: the ledger stays one file, opens on read-only media, and does not depend on
shared memory, which network file systems lack. ``synchronous=EXTRA`` is FULL plus a flush of the directory after the
journal is removed; without it a power cut could bring the journal back and undo an acknowledged charge.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from dpsynth.errors import LedgerError
from dpsynth.ledger.sqlite_errors import as_ledger_error
from dpsynth.ledger.store import Head, Row, Session

APPLICATION_ID = 0x44505359
FORMAT_VERSION = 1
BUSY_SECONDS = 30.0

_TABLES = (
    """CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    pool TEXT NOT NULL,
    seq INTEGER NOT NULL,
    txn TEXT NOT NULL,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    private TEXT,
    UNIQUE (pool, seq)
)""",
    "CREATE INDEX events_by_transaction ON events (txn, seq) WHERE txn <> ''",
    """CREATE TABLE balances (
    pool TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    balance TEXT NOT NULL
)""",
)
# INSERT OR REPLACE deletes without firing delete triggers, so insertion is guarded as well.
_GUARDS = (
    """CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER events_in_order BEFORE INSERT ON events
WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM events WHERE pool = NEW.pool), 0)
  OR EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER balances_no_delete BEFORE DELETE ON balances
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER balances_forward BEFORE UPDATE ON balances
WHEN NEW.pool <> OLD.pool OR NEW.position <> OLD.position OR NEW.seq <> OLD.seq + 1
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
)
_COLUMNS = "pool, seq, txn, hash, body, private"


class SqliteSession:
    """A ``Session`` inside one SQLite transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def pools(self) -> tuple[str, ...]:
        """The names of all pools, in order of creation."""
        return tuple(row[0] for row in self._connection.execute("SELECT pool FROM balances ORDER BY position"))

    def head(self, pool: str) -> Head | None:
        """The last row of a pool and its running balance; ``LedgerError`` if they disagree."""
        found = self._connection.execute("SELECT seq, hash, balance FROM balances WHERE pool = ?", (pool,)).fetchone()
        query = f"SELECT {_COLUMNS} FROM events WHERE pool = ? ORDER BY seq DESC LIMIT 1"  # noqa: S608 constant text
        last = self._connection.execute(query, (pool,)).fetchone()
        if found is None and last is None:
            return None
        if found is None or last is None or (last[1], last[3]) != (found[0], found[1]):
            raise LedgerError(
                "the running balance of a pool does not belong to its last event; nothing is granted", where=pool
            )
        return Head(Row(*last), found[2])

    def rows(self, pool: str) -> Iterator[Row]:
        """All events of a pool, oldest first."""
        query = f"SELECT {_COLUMNS} FROM events WHERE pool = ? ORDER BY seq"  # noqa: S608 constant text
        for found in self._connection.execute(query, (pool,)):
            yield Row(*found)

    def reservation(self, transaction: str) -> Row | None:
        """The first event of a transaction: its RESERVE."""
        query = f"SELECT {_COLUMNS} FROM events WHERE txn = ? AND txn <> '' ORDER BY seq LIMIT 1"  # noqa: S608
        found = self._connection.execute(query, (transaction,)).fetchone()
        return None if found is None else Row(*found)

    def append(self, row: Row, balance: str) -> None:
        """Append one event and replace the pool's running balance."""
        cursor = self._connection.execute(
            "INSERT INTO events (pool, seq, txn, hash, body, private) VALUES (?, ?, ?, ?, ?, ?)",
            (row.pool, row.seq, row.transaction, row.hash, row.body, row.private),
        )
        if row.seq == 1:
            self._connection.execute(
                "INSERT INTO balances (pool, position, seq, hash, balance) VALUES (?, ?, 1, ?, ?)",
                (row.pool, cursor.lastrowid, row.hash, balance),
            )
        else:
            self._connection.execute(
                "UPDATE balances SET seq = ?, hash = ?, balance = ? WHERE pool = ?",
                (row.seq, row.hash, balance, row.pool),
            )

    def problems(self) -> tuple[str, ...]:
        """The findings of SQLite's integrity check, missing guards, and events that belong to no pool."""
        found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
        present = {row[0] for row in self._connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        if not present.issuperset((*_TABLES, *_GUARDS)):
            found.append("the tables or the triggers that refuse changes are not those that dpsynth created")
        orphans = "SELECT count(*) FROM events WHERE pool NOT IN (SELECT pool FROM balances)"
        if self._connection.execute(orphans).fetchone()[0]:
            found.append("there are events of a pool that has no balance")
        return tuple(found)


class SqliteFile:
    """A durable store in one file, mode 0600. Connections live as long as a session, so threads and forks are safe."""

    ephemeral = False

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path.absolute()
        self._busy_seconds = busy_seconds

    @property
    def where(self) -> str:
        """The file's path."""
        return str(self._path)

    def exists(self) -> bool:
        """Whether the path exists."""
        try:
            return self._path.exists()
        except OSError as error:
            raise as_ledger_error(error, self.where) from None

    def reading(self) -> AbstractContextManager[Session]:
        """One consistent state of the file; ``LedgerError`` if there is none."""
        return self._session("BEGIN")

    def writing(self) -> AbstractContextManager[Session]:
        """An exclusive session, flushed to disk at its end; creates the file if there is none."""
        if not self.exists():
            create_file(self._path)
        return self._session("BEGIN IMMEDIATE")

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        try:
            if self._path.is_dir():
                raise LedgerError("the ledger path is a directory", where=self.where)
            # mode=rw never creates: a missing ledger must not silently become an empty one.
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw", uri=True, timeout=self._busy_seconds, isolation_level=None
            )
            try:
                connection.execute("PRAGMA synchronous=EXTRA")
                connection.execute("PRAGMA trusted_schema=OFF")
                yield from _within(connection, begin, self._path)
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise as_ledger_error(error, self.where) from None


class SqliteMemory:
    """A store that ends with the process: for notebooks and tests, never for releases."""

    ephemeral = True
    where = "<memory>"

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _create_tables(self._connection)

    def exists(self) -> bool:
        """Always."""
        return True

    def reading(self) -> AbstractContextManager[Session]:
        """One consistent state."""
        return self._session("BEGIN")

    def writing(self) -> AbstractContextManager[Session]:
        """An exclusive session."""
        return self._session("BEGIN IMMEDIATE")

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        with self._lock:
            try:
                yield from _within(self._connection, begin, None)
            except sqlite3.Error as error:
                raise as_ledger_error(error, self.where) from None


def create_file(path: Path) -> None:
    """A new, empty ledger at ``path``, complete or absent; directories that are missing are made with mode 0700.

    If another process creates it first, that ledger stands. Raises ``LedgerError`` if nothing can be written there.
    """
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        _make_directory(path.parent)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with suppress(FileExistsError):
            connection = sqlite3.connect(part, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous=EXTRA")
                _create_tables(connection)
            finally:
                connection.close()
            # A link never replaces an existing file: of two creators one wins, and no charge of the winner is lost.
            path.hardlink_to(part)
            _flush_directory(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise as_ledger_error(error, str(path)) from None
    finally:
        with suppress(OSError):
            part.unlink()


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _flush_directory(directory: Path) -> None:
    # Some systems cannot open or flush a directory; the new ledger holds no charge yet.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in (*_TABLES, *_GUARDS):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
    connection.execute("COMMIT")


def _within(connection: sqlite3.Connection, begin: str, path: Path | None) -> Iterator[Session]:
    connection.execute(begin)
    try:
        if path is not None:
            _check_file(connection, path)
        yield SqliteSession(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check_file(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not a whole ledger of a known format. SQLite itself refuses a file cut at a page boundary."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    size = path.stat().st_size
    if size == 0 or size % page_size:
        raise LedgerError("the ledger file is truncated", where=str(path), hint="Restore it from a backup.")
    if application != APPLICATION_ID:
        raise LedgerError("this file is a database, but not a ledger of dpsynth", where=str(path))
    if version > FORMAT_VERSION:
        raise LedgerError("the ledger was written by a newer dpsynth", where=str(path), hint="Upgrade dpsynth.")
    if version < 1:
        raise LedgerError("the ledger's format version is damaged", where=str(path))
