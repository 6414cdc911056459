"""What a ledger needs of a database: atomic sessions over append-only rows, and one running balance per pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One stored event: canonical texts and the keys they are found by."""

    pool: str
    seq: int
    transaction: str
    hash: str
    body: str
    private: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a pool's chain: its last row, and the running balance that was written with it."""

    row: Row
    balance: str


class Session(Protocol):
    """Reads and writes inside one database transaction: all of it becomes durable, or none."""

    def pools(self) -> tuple[str, ...]:
        """The names of all pools, in order of creation."""
        ...

    def head(self, pool: str) -> Head | None:
        """The end of a pool's chain, or ``None`` for an unknown pool; ``LedgerError`` if row and balance disagree."""
        ...

    def rows(self, pool: str) -> Iterator[Row]:
        """All events of a pool, oldest first."""
        ...

    def reservation(self, transaction: str) -> Row | None:
        """The RESERVE event of a transaction."""
        ...

    def append(self, row: Row, balance: str) -> None:
        """Append one event and replace the pool's running balance."""
        ...

    def problems(self) -> tuple[str, ...]:
        """What the database itself finds wrong with its file or its guards, in plain words; empty when sound."""
        ...


class Store(Protocol):
    """A place for one ledger. Every failure of the database is a ``LedgerError``; nothing is granted then."""

    @property
    def where(self) -> str:
        """The store's name in messages."""
        ...

    @property
    def ephemeral(self) -> bool:
        """Whether the ledger ends with the process."""
        ...

    def exists(self) -> bool:
        """Whether a ledger was ever written here."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A session that sees one consistent state and writes nothing."""
        ...

    def writing(self) -> AbstractContextManager[Session]:
        """A session that excludes all other writers; durable on disk when the block is left without an error.

        Creates the ledger if there is none.
        """
        ...
