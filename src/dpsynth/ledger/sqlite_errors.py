"""Failures of SQLite and of the file system in the ledger's words; the original texts name machine internals."""

from __future__ import annotations

import sqlite3

from dpsynth.errors import LedgerError

_BACKUP = "Restore it from a backup or an export; nothing was granted."
_BY_CODE = {
    sqlite3.SQLITE_BUSY: ("the ledger is locked by another process", "Wait until it has finished, then repeat."),
    sqlite3.SQLITE_LOCKED: ("the ledger is locked by another process", "Wait until it has finished, then repeat."),
    sqlite3.SQLITE_READONLY: ("the ledger cannot be written", "Check the permissions of the file and its directory."),
    sqlite3.SQLITE_PERM: ("no permission to use the ledger", "Check the permissions of the file and its directory."),
    sqlite3.SQLITE_AUTH: ("no permission to use the ledger", "Check the permissions of the file and its directory."),
    sqlite3.SQLITE_CANTOPEN: (
        "the ledger cannot be opened or written",
        "Check that it exists and that you may write to it and its directory.",
    ),
    sqlite3.SQLITE_FULL: ("the disk is full; the ledger is unchanged", "Free some space, then repeat."),
    sqlite3.SQLITE_IOERR: ("the ledger could not be read or written (I/O error)", "Check the disk, then repeat."),
    sqlite3.SQLITE_NOTADB: ("this file is not a ledger", "Give another --ledger path, or restore it from a backup."),
    sqlite3.SQLITE_CORRUPT: ("the ledger is corrupted or truncated", _BACKUP),
    sqlite3.SQLITE_CONSTRAINT: ("the ledger refused a change: it is append-only", None),
}


def as_ledger_error(error: sqlite3.Error | OSError, where: str) -> LedgerError:
    """The ``LedgerError`` for a failure of the database or the file system at ``where``."""
    if isinstance(error, PermissionError):
        return LedgerError("no permission to use the ledger", where=where, hint="Check the file and its directory.")
    if isinstance(error, OSError):
        return LedgerError("the ledger cannot be opened or created here", where=where, hint="Give another path.")
    code = getattr(error, "sqlite_errorcode", None)
    message, hint = _BY_CODE.get((code or 0) & 0xFF, ("the ledger is corrupted", _BACKUP))
    return LedgerError(message, where=where, hint=hint)
