"""Export and import: extracts verify without private fields, histories continue but never fork."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import DpsynthError, FileFormatError, LedgerError, OutputExistsError
from dpsynth.ledger import Ledger, parse_extract, read_extract, verify_extract
from dpsynth.ledger.chain import canonical, digest
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)


def spend(ledger: Ledger, pool: str = "people") -> None:
    state = ledger.pool(pool)
    assert state is not None
    part = state.share_of_cap(Fraction(1, 10))
    with ledger.reserve(
        pool, part, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst", purpose="top secret", actor="ann"
    ) as transaction:
        transaction.touch()
        transaction.draw(part, {"question": "measure"})
        transaction.commit({})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.open(tmp_path / "ledger.db")
    for pool in ("people", "places"):
        ledger.create(pool, epsilon=Fraction(1), delta=DELTA)
        spend(ledger, pool)
    return ledger


def test_a_public_extract_verifies_and_tells_nothing_private(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "extract.jsonl"
    assert ledger.export(path, "people", public=True) == 5
    text = path.read_text()
    for secret in ("top secret", "ann", "salt", "places"):
        assert secret not in text
    verification = verify_extract(read_extract(path))
    assert verification.ok
    (state,) = verification.pools
    assert state == ledger.pool("people")
    assert verification.heads == {"people": state.head}


def test_a_full_export_is_private_and_complete(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    assert ledger.export(path) == 10
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "top secret" in path.read_text()
    assert verify_extract(read_extract(path)).pools == ledger.pools()


def test_an_export_overwrites_only_when_told(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        ledger.export(path)
    assert path.read_text() == "mine"
    assert ledger.export(path, force=True) == 10


def test_an_import_restores_everything(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export(tmp_path / "export.jsonl")
    restored = Ledger.open(tmp_path / "restored.db")
    assert restored.import_(tmp_path / "export.jsonl") == 10
    assert restored.pools() == ledger.pools()
    assert restored.events() == ledger.events()
    assert restored.verify().ok
    assert restored.import_(tmp_path / "export.jsonl") == 0
    spend(restored)
    assert restored.verify().ok


def test_an_import_continues_the_same_history(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export(tmp_path / "first.jsonl")
    other = Ledger.open(tmp_path / "other.db")
    other.import_(tmp_path / "first.jsonl")
    spend(ledger)
    ledger.export(tmp_path / "second.jsonl", "people")
    assert other.import_(tmp_path / "second.jsonl") == 4
    assert other.pool("people") == ledger.pool("people")
    assert other.import_(tmp_path / "first.jsonl") == 0, "an older export adds nothing and removes nothing"
    assert other.pool("people") == ledger.pool("people")


def test_a_fork_is_refused_as_a_whole(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export(tmp_path / "first.jsonl")
    other = Ledger.open(tmp_path / "other.db")
    other.import_(tmp_path / "first.jsonl")
    spend(ledger, "people")
    spend(ledger, "places")
    spend(other, "places")
    before = other.events()
    ledger.export(tmp_path / "second.jsonl")
    with pytest.raises(LedgerError, match="differ"):
        other.import_(tmp_path / "second.jsonl")
    assert other.events() == before, "not even the pool that would have continued"


def test_a_pool_of_the_same_name_is_another_history(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export(tmp_path / "export.jsonl", "people")
    other = Ledger.open(tmp_path / "other.db")
    other.create("people", epsilon=Fraction(1), delta=DELTA)
    with pytest.raises(LedgerError, match="differ"):
        other.import_(tmp_path / "export.jsonl")


def test_only_a_full_export_of_a_durable_ledger_is_imported(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export(tmp_path / "public.jsonl", public=True)
    memory = Ledger.in_memory()
    memory.create("people", epsilon=Fraction(1), delta=DELTA)
    memory.export(tmp_path / "memory.jsonl")
    for name in ("public.jsonl", "memory.jsonl"):
        with pytest.raises(LedgerError, match="full export"):
            Ledger.open(tmp_path / "other.db").import_(tmp_path / name)


Lines = list[str]


def with_rehashed_cap(lines: Lines) -> Lines:
    """A forger with full knowledge of the format gives the pool a cap beyond its epsilon."""
    record = json.loads(lines[1])
    record["body"]["data"]["cap"]["rho"] = str(int(record["body"]["data"]["cap"]["rho"]) * 2)
    record["hash"] = digest(canonical(record["body"]))
    return [lines[0], canonical(record), *lines[2:]]


FORGERIES: dict[str, Callable[[Lines], Lines]] = {
    "the last event is missing": lambda lines: lines[:-1],
    "an event is missing": lambda lines: lines[:2] + lines[3:],
    "two events are swapped": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "an event is repeated": lambda lines: [*lines, lines[-1]],
    "the method was changed": lambda lines: [line.replace('"mst"', '"aim"') for line in lines],
    "a charge was lowered": lambda lines: [line.replace('"draw":1', '"draw":2') for line in lines],
    "the head was changed": lambda lines: [lines[0].replace('"head":"', '"head":"0'), *lines[1:]],
    "no events": lambda lines: lines[:1],
    "the cap was lifted": with_rehashed_cap,
}


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_extracts_are_found(ledger: Ledger, tmp_path: Path, name: str, *, public: bool) -> None:
    forged = FORGERIES[name](list(ledger.extract("people", public=public)))
    verification = verify_extract(parse_extract(forged, "extract"))
    assert not verification.ok
    assert verification.pools == ()
    path = tmp_path / "forged.jsonl"
    path.write_text("\n".join(forged) + "\n")
    other = Ledger.open(tmp_path / "other.db")
    with pytest.raises(LedgerError):
        other.import_(path)
    assert other.pools() == ()


MALFORMED = {
    "empty": "",
    "text": "hello\n",
    "another format": '{"format":"x","version":1,"public":false,"ephemeral":false,"pools":[]}\n',
    "a newer version": '{"format":"dpsynth-ledger","version":2,"public":false,"ephemeral":false,"pools":[]}\n',
    "no header": '{"body":{},"hash":"x"}\n',
    "a list": "[]\n",
    "deep": "[" * 100_000 + "\n",
    "not text": "\xff\xfe",
    "a name that moves the cursor": (
        '{"format":"dpsynth-ledger","version":1,"public":true,"ephemeral":false,'
        '"pools":[{"pool":"\\u001b[2J","events":1,"head":"x"}]}\n'
    ),
    "an unnamed pool": (
        '{"format":"dpsynth-ledger","version":1,"public":true,"ephemeral":false,"pools":[]}\n'
        '{"body":{"pool":"x"},"hash":"x"}\n'
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_extract_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(MALFORMED[name], encoding="latin-1")
    with pytest.raises(FileFormatError):
        read_extract(path)


def test_a_missing_extract_is_told(tmp_path: Path) -> None:
    with pytest.raises(DpsynthError):
        read_extract(tmp_path / "nothing.jsonl")


def test_the_extract_of_an_ephemeral_ledger_says_so() -> None:
    ledger = Ledger.in_memory()
    ledger.create("people", epsilon=Fraction(1), delta=DELTA)
    extract = parse_extract(ledger.extract(), "memory")
    assert extract.ephemeral
    assert verify_extract(extract).pools[0].ephemeral
