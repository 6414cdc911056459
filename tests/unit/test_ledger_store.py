"""The SQLite file: append-only, private, durable, and refused in plain words when it is anything but whole."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import LedgerError, UsageError
from dpsynth.ledger import Ledger, PoolState, Transaction, default_path
from dpsynth.ledger.sqlite import SqliteFile, create_file
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)


def spend(ledger: Ledger, state: PoolState, *, commit: bool = True) -> Transaction:
    loss = state.share_of_cap(Fraction(1, 10))
    with ledger.reserve(
        state.name, loss, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="independent", purpose="test"
    ) as transaction:
        transaction.touch()
        transaction.draw(loss, {"question": "measure"})
        if commit:
            transaction.commit({})
    return transaction


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one pool of six events."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path, busy_seconds=0.2)
    spend(ledger, ledger.create("people", epsilon=Fraction(1), delta=DELTA))
    return path


STATEMENTS = [
    "UPDATE events SET body = '{}'",
    "UPDATE events SET private = NULL",
    "DELETE FROM events",
    "DELETE FROM events WHERE seq = 5",
    "DELETE FROM balances",
    "REPLACE INTO events (position, pool, seq, txn, hash, body) VALUES (1, 'people', 6, '', '', '')",
    "REPLACE INTO events (pool, seq, txn, hash, body) VALUES ('people', 1, '', '', '')",
    "INSERT INTO events (pool, seq, txn, hash, body) VALUES ('people', 9, '', '', '')",
    "UPDATE balances SET balance = '{}'",
    "UPDATE balances SET seq = 1, hash = ''",
    "UPDATE balances SET pool = 'others', seq = seq + 1",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_changes(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    finally:
        connection.close()
    assert Ledger.open(path).verify().ok


def force(path: Path, statement: str) -> None:
    """Change the file as somebody would who first removes the guards."""
    connection = sqlite3.connect(path)
    try:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


TAMPERED_AT_THE_HEAD = [
    "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    "DELETE FROM events",
    "DELETE FROM balances",
    'UPDATE balances SET balance = replace(balance, \'"forfeited":{"delta":"0"\', \'"forfeited":{"delta":"1"\')',
    "UPDATE balances SET hash = ''",
    "UPDATE balances SET balance = 'x'",
    'UPDATE events SET body = replace(body, \'"kind":"COMMIT"\', \'"kind":"TOUCH"\')',
    "UPDATE events SET body = 'x' WHERE seq = 5",
    "UPDATE events SET hash = '00'",
]


@pytest.mark.parametrize("statement", TAMPERED_AT_THE_HEAD)
def test_an_inconsistent_head_grants_nothing_and_is_found_at_constant_cost(path: Path, statement: str) -> None:
    force(path, statement)
    ledger = Ledger(SqliteFile(path))
    loss_asked = Ledger.in_memory().create("x", epsilon=Fraction(1, 100), delta=DELTA).cap
    with pytest.raises(LedgerError):
        ledger.reserve("people", loss_asked, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst")
    with pytest.raises(LedgerError):
        assert ledger.pool("people") is None, "a pool that lost its balance must not look absent"
    assert not ledger.verify().ok


TAMPERED_INSIDE = [
    'UPDATE events SET body = replace(body, \'"method":"independent"\', \'"method":"indepandent"\')',
    "UPDATE events SET private = NULL WHERE seq = 2",
    "UPDATE events SET private = replace(private, 'purpose', 'porpuse') WHERE seq = 2",
    "UPDATE events SET txn = 'other' WHERE seq = 3",
    "UPDATE events SET hash = '00' WHERE seq = 2",
    "DELETE FROM events WHERE seq = 3",
    "UPDATE events SET body = replace(body, ',', ', ') WHERE seq = 2",
    "SELECT 1",
]


@pytest.mark.parametrize("statement", TAMPERED_INSIDE)
def test_verify_finds_changes_anywhere_and_missing_guards(path: Path, statement: str) -> None:
    force(path, statement)
    verification = Ledger.open(path).verify()
    assert not verification.ok
    assert any("triggers" in problem for problem in verification.problems)
    assert (len(verification.problems) > 1) == (statement != "SELECT 1")


def test_verify_finds_a_head_that_is_no_longer_there(path: Path) -> None:
    ledger = Ledger.open(path)
    noted = ledger.verify().heads
    assert ledger.verify(noted).ok
    spend(ledger, ledger.pools()[0])
    assert ledger.verify(noted).ok, "an older head stays part of the chain"
    assert not ledger.verify({"people": "00" * 32}).ok
    assert not ledger.verify({"others": "00" * 32}).ok


def damage(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"this is no database at all\n" * 400,
    "half": lambda data: data[: len(data) // 8192 * 4096],
    "cut inside a page": lambda data: data[:-1000],
    "one page": lambda data: data[:4096],
    "header overwritten": lambda data: b"\0" * 100 + data[100:],
    "all but the header overwritten": lambda data: data[:100] + b"\xff" * (len(data) - 100),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, name: str) -> None:
    damage(path, DAMAGES[name])
    before = path.read_bytes()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path)
    assert caught.value.exit_code == 8
    assert caught.value.where == str(path)
    with pytest.raises(LedgerError):
        Ledger(SqliteFile(path)).create("fresh", epsilon=Fraction(1), delta=DELTA)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("user_version=2", "newer"),
        ("user_version=0", "damaged"),
        ("application_id=7", "not a ledger"),
    ],
)
def test_another_format_is_refused(path: Path, pragma: str, message: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    with pytest.raises(LedgerError, match=message):
        Ledger.open(path)


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE events (x)")
    connection.close()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(path)


def test_a_locked_ledger_is_told_after_the_busy_time(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(LedgerError, match="locked"):
            Ledger.open(path, busy_seconds=0.05)
    finally:
        connection.close()
    assert Ledger.open(path).pools()


def test_a_writer_waits_for_another(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, connection.execute, ["ROLLBACK"])
    release.start()
    state = Ledger.open(path, busy_seconds=20).create("others", epsilon=Fraction(1), delta=DELTA)
    release.join()
    connection.close()
    assert state.name == "others"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="directory"):
        Ledger.open(tmp_path)


def test_a_path_below_a_file_is_refused(path: Path) -> None:
    with pytest.raises(LedgerError):
        Ledger.open(path / "ledger.db").create("people", epsilon=Fraction(1), delta=DELTA)


def test_a_read_only_ledger_is_read_but_never_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not bind root, so SQLite itself is told that the file is read-only."""
    connect = sqlite3.connect

    def connect_read_only(target: str, **settings: object) -> sqlite3.Connection:
        return connect(target.replace("?mode=rw", "?mode=ro"), **settings)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect_read_only)
    ledger = Ledger.open(path)
    state = ledger.pool("people")
    assert state is not None
    assert ledger.verify().ok
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.raise_cap("people", epsilon=Fraction(2), delta=DELTA, reason="more")
    assert ledger.pool("people") == state


def test_no_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LedgerError, match="no permission"):
        Ledger.open(tmp_path / "ledger.db").create("people", epsilon=Fraction(1), delta=DELTA)


def test_a_full_disk_is_told_and_charges_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_limited(*arguments: object, **settings: object) -> sqlite3.Connection:
        connection = connect(*arguments, **settings)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count=1")
        return connection  # type: ignore[no-any-return]

    before = path.read_bytes()
    monkeypatch.setattr(sqlite3, "connect", connect_limited)
    ledger = Ledger.open(path)
    with pytest.raises(LedgerError, match="full"):
        ledger.record("people", "AUDIT", {"note": "x" * 100_000})
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_files_and_directories_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.db"
    Ledger.open(path).create("people", epsilon=Fraction(1), delta=DELTA)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("a", "a/b")] == [0o700, 0o700]
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]


def test_opening_and_reading_create_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "a" / "ledger.db")
    assert (ledger.pools(), ledger.events(), ledger.pool("people"), ledger.recover()) == ((), (), None, ())
    assert not ledger.exists()
    for call in (ledger.verify, ledger.extract, lambda: ledger.forfeit("x", "gone")):
        with pytest.raises(LedgerError, match="no ledger"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_the_creator_who_comes_second_keeps_the_first_ledger(path: Path) -> None:
    before = path.read_bytes()
    create_file(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]


def test_a_file_system_without_links_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(LedgerError, match="cannot be opened or created"):
        Ledger.open(tmp_path / "ledger.db").create("people", epsilon=Fraction(1), delta=DELTA)
    assert list(tmp_path.iterdir()) == []


def test_writes_reach_the_disk_before_they_return(path: Path) -> None:
    with SqliteFile(path).writing() as session:
        connection = session._connection  # type: ignore[attr-defined]
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_failing_session_leaves_no_trace(path: Path) -> None:
    ledger = Ledger.open(path)
    before = ledger.events()

    class Boom(BaseException):
        pass

    store = SqliteFile(path)
    row = None
    with pytest.raises(Boom), store.writing() as session:  # noqa: PT012 the session is what raises
        head = session.head("people")
        assert head is not None
        row = head.row
        session.append(type(row)("people", row.seq + 1, "", "00", "{}", None), "{}")
        raise Boom
    assert ledger.events() == before


def test_the_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DPSYNTH_LEDGER", raising=False)
    assert default_path() == tmp_path / ".local" / "share" / "dpsynth" / "ledger.db"
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "x.db"))
    assert default_path() == tmp_path / "x.db"
    Ledger.open().create("people", epsilon=Fraction(1), delta=DELTA)
    assert (tmp_path / "x.db").exists()


def test_a_server_address_is_refused() -> None:
    with pytest.raises(UsageError):
        Ledger.open("postgresql://host/database")


def test_a_path_with_strange_characters_works(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20 d" / "lédger.db"
    Ledger.open(path).create("people", epsilon=Fraction(1), delta=DELTA)
    assert Ledger.open(path).pool("people") is not None
    assert [file.name for file in path.parent.iterdir()] == ["lédger.db"]
