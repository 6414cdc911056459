"""Secret coins that keep units out of a fit, on neighbors, batches, types and orders.

Held against docs/proofs/holdout.md. Statistical tests state their false-alarm rate; keys are fixed, so each either
always passes or never does.
"""

from __future__ import annotations

import json
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.curator import holdout as coins_module
from dpsynth.curator.bounding import canonical_ids
from dpsynth.curator.holdout import Coins, SideReader
from dpsynth.errors import DataMismatchError, DpsynthError, FileFormatError, OutputExistsError, UsageError
from dpsynth.pipeline.holdout import HoldoutWish, check_same_table, read_holdout
from dpsynth.privacy.unit import Unit
from dpsynth.tables import open_table

KEY = MaskKey(bytes(range(32)))
TENTH = Coins(KEY, Fraction(1, 10))
HALF = Coins(KEY, Fraction(1, 2))


def ids(values) -> pa.LargeBinaryArray:
    return canonical_ids(pa.array(values))


def rows_of(frame, coins, person=None, *, held, batch_rows=1 << 17, columns=("v",)):
    reader = SideReader(open_table(frame), coins, person, held=held)
    return [value for batch in reader.batches(columns, batch_rows) for value in batch.column("v").to_pylist()]


# --- coins -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [Fraction(1, 10), Fraction(1, 2), Fraction(1, 1000)])
def test_the_share_is_held_out(share):
    # False-alarm rate 1e-6 (a normal deviate beyond 4.9); shares off by 10 % are seen with power above 0.999.
    trials = 400_000
    coins = Coins(KEY, share)
    for found in (coins.of_rows(0, trials), coins.of_persons(ids([str(one) for one in range(trials)]))):
        deviation = (found.sum() - trials * share) / np.sqrt(float(trials * share * (1 - share)))
        assert abs(float(deviation)) < 4.9


@given(st.integers(0, 100), st.integers(0, 100))
def test_coins_of_rows_are_one_stream(start, rows):
    whole = HALF.of_rows(0, 300)
    assert HALF.of_rows(start, rows).tolist() == whole[start : start + rows].tolist()


def test_coins_of_rows_do_not_look_at_rows():
    first = pa.table({"v": list(range(500))})
    other = pa.table({"v": [7] * 500})
    places = rows_of(first, TENTH, held=True)
    assert places == np.flatnonzero(TENTH.of_rows(0, 500)).tolist()
    assert len(rows_of(other, TENTH, held=True)) == len(places)


@given(st.lists(st.sampled_from(["a", "b", "c", "dd", "", None, "12"]), min_size=1, max_size=30), st.integers(0, 29))
def test_a_persons_coin_is_its_own(names, place):
    name = names[place % len(names)]
    alone = HALF.of_persons(ids(pa.array([name], pa.string())))
    among = HALF.of_persons(ids(pa.array(names, pa.string())))
    assert among[place % len(names)] == alone[0]


def test_a_person_is_the_same_in_every_type():
    numbers = list(range(200))
    texts = HALF.of_persons(ids([f" {one} " for one in numbers]))
    assert texts.tolist() == HALF.of_persons(ids(numbers)).tolist()
    assert texts.tolist() == HALF.of_persons(ids([float(one) for one in numbers])).tolist()


def test_who_has_no_identifier_is_not_held_out():
    certain = Coins(KEY, Fraction(1, 2))
    assert not certain.of_persons(ids(pa.array([None, "", " "] * 50, pa.string()))).any()


def test_another_key_tosses_other_coins():
    other = Coins(MaskKey(bytes(range(1, 33))), Fraction(1, 2))
    assert (other.of_rows(0, 256) != HALF.of_rows(0, 256)).sum() > 64
    names = ids([str(one) for one in range(256)])
    assert (other.of_persons(names) != HALF.of_persons(names)).sum() > 64
    assert (HALF.of_persons(names) != HALF.of_rows(0, 256)).sum() > 64


@pytest.mark.parametrize("share", [Fraction(0), Fraction(-1, 10), Fraction(51, 100), Fraction(1)])
def test_a_share_beyond_a_half_is_refused(share):
    with pytest.raises(UsageError, match="at most 1/2"):
        Coins(KEY, share)


# --- sides -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_rows", [1, 7, 8, 100, 1 << 17])
@pytest.mark.parametrize("person", [None, "id"])
def test_the_sides_are_the_table_however_it_is_read(person, batch_rows):
    frame = pa.table({"id": [f"p{one % 90}" for one in range(333)], "v": list(range(333))})
    held = rows_of(frame, HALF, person, held=True, batch_rows=batch_rows)
    kept = rows_of(frame, HALF, person, held=False, batch_rows=batch_rows)
    assert sorted(held + kept) == list(range(333))
    assert held == sorted(held) == rows_of(frame, HALF, person, held=True, columns=("id", "v"))


def test_all_rows_of_a_person_are_on_one_side():
    frame = pa.table({"id": [f"p{one % 40}" for one in range(400)], "v": [one % 40 for one in range(400)]})
    held, kept = (set(rows_of(frame, HALF, "id", held=side)) for side in (True, False))
    assert min(len(held), len(kept)) > 0
    assert not held & kept


def test_csv_and_frame_have_the_same_sides(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,v\n" + "".join(f"{one},{one}\n" for one in range(100)), encoding="utf-8")
    frame = pa.table({"id": list(range(100)), "v": list(range(100))})
    for person in (None, "id"):
        assert [int(text) for text in rows_of(str(path), HALF, person, held=True)] == rows_of(
            frame, HALF, person, held=True
        )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 5))
def test_neighbors_differ_by_one_person(persons, leaving):
    """Record and replay under one key: without a person, the training side is that without the person."""
    table = [(f"p{person}", place) for place, person in enumerate(persons)]
    without = [row for row in table if row[0] != f"p{leaving}"]
    before, after = (
        rows_of(pa.table({"id": [r[0] for r in rows], "v": [r[1] for r in rows]}), HALF, "id", held=False)
        if rows
        else []
        for rows in (table, without)
    )
    assert after == [place for place in before if persons[place] != leaving]


@given(st.integers(1, 60), st.data())
def test_neighbors_differ_by_one_row_under_the_coupling(size, data):
    """With a row's coin taken out of the stream, the training side loses that row at most."""
    leaving = data.draw(st.integers(0, size - 1))
    held = HALF.of_rows(0, size)
    frame = pa.table({"v": list(range(size))})
    before = rows_of(frame, HALF, held=False)
    with pytest.MonkeyPatch.context() as patch:
        coupled = np.delete(held, leaving)
        patch.setattr(Coins, "of_rows", lambda _self, start, rows: coupled[start : start + rows])
        after = rows_of(frame.filter(pa.array(np.arange(size) != leaving)), HALF, held=False)
    assert after == [row for row in before if row != leaving]
    assert len(before) - len(after) == (not held[leaving])


@pytest.mark.parametrize(("person", "column"), [("gone", "id"), ("id", [[1], [2]])])
def test_a_person_needs_a_column_that_can_name_one(person, column):
    frame = pa.table({"id": ["a", "b"] if column == "id" else column, "v": [1, 2]})
    with pytest.raises(DataMismatchError):
        SideReader(open_table(frame), HALF, person, held=True)


def test_a_wrong_column_is_refused_before_a_row_is_read():
    reader = SideReader(open_table(pa.table({"v": [1]})), HALF, None, held=True)
    with pytest.raises(DataMismatchError, match="'w'"):
        reader.batches(("w",))


def test_the_side_tells_the_table_behind_it():
    frame = pa.table({"id": ["a"], "v": [1]})
    reader = SideReader(open_table(frame), HALF, "id", held=False)
    assert (reader.where, reader.names, dict(reader.types)) == ("<frame>", ("id", "v"), {"id": "string", "v": "int64"})


# --- the key file ----------------------------------------------------------------------------------------------


def written(folder: Path, share="10%", data=None, unit=Unit()) -> Path:
    wish = HoldoutWish.of(share, folder / "m.holdout.json", None)
    wish.write(data, unit, "t" * 32)
    return wish.path


def test_the_key_file_brings_the_coins_back(tmp_path):
    wish = HoldoutWish.of("10%", None, tmp_path / "m.dps")
    wish.write("-", Unit("id", 3), "abc")
    found = read_holdout(tmp_path / "m.dps.holdout.json")
    assert (found.unit, found.transaction, found.sha256) == (Unit("id", 3), "abc", None)
    assert found.coins.share == Fraction(1, 10)
    assert found.coins.of_rows(0, 999).tolist() == wish.coins.of_rows(0, 999).tolist()
    frame = pa.table({"id": [str(one % 30) for one in range(99)], "v": list(range(99))})
    sides = [list(side(open_table(frame)).batches(("v",))) for side in (found.training, found.control)]
    assert [sum(batch.num_rows for batch in side) for side in sides] == [
        len(rows_of(frame, wish.coins, "id", held=held)) for held in (False, True)
    ]


def test_the_key_file_is_its_owners_alone_and_says_internal(tmp_path):
    path = written(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "INTERNAL" in json.loads(path.read_text())["notice"]


def test_a_key_is_never_overwritten(tmp_path):
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="stands here already"):
        HoldoutWish.of("10%", path, None)
    late = HoldoutWish.of("10%", tmp_path / "other.json", None)
    late.path.write_bytes(before)
    with pytest.raises(OutputExistsError):
        late.write(None, Unit(), "t")
    assert late.path.read_bytes() == before
    assert not late.written


def test_the_key_is_shown_nowhere(tmp_path):
    wish = HoldoutWish.of("10%", tmp_path / "k.json", None)
    assert wish.text not in repr(wish) + str(wish.coins)


def test_every_wish_has_a_key_of_its_own(tmp_path):
    first, second = (HoldoutWish.of("1/2", tmp_path / "k.json", None) for _ in range(2))
    assert first.text != second.text
    assert first.coins.of_rows(0, 256).tolist() != second.coins.of_rows(0, 256).tolist()


@pytest.mark.parametrize("share", ["ten", "", "1/0", "nan", "0%", "60%", "-1/10", [1], "1e999"])
def test_a_share_that_is_none_is_refused(share, tmp_path):
    with pytest.raises(UsageError):
        HoldoutWish.of(share, tmp_path / "k.json", None)


def test_a_holdout_needs_a_place_for_its_key_and_a_key_a_holdout(tmp_path):
    with pytest.raises(UsageError, match="file of its own"):
        HoldoutWish.of("10%", None, None)
    with pytest.raises(UsageError, match="nothing is held out"):
        HoldoutWish.of(None, tmp_path / "k.json", None)
    assert HoldoutWish.of(None, None, "m.dps") is None
    (tmp_path / "link").symlink_to(tmp_path / "m.dps")
    for place in (tmp_path / "m.dps", tmp_path / "link"):
        with pytest.raises(UsageError, match="where the model goes"):
            HoldoutWish.of("10%", place, tmp_path / "m.dps")


GOOD = {
    "dpsynth_holdout": 1,
    "transaction": "t",
    "unit": "row",
    "share": "1/10",
    "key": bytes(range(32)).hex(),
    "table_sha256": None,
}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 70_000,
        *(json.dumps({key: value for key, value in GOOD.items() if key != gone}).encode() for gone in GOOD),
        *(
            json.dumps({**GOOD, key: value}).encode()
            for key, value in [
                ("dpsynth_holdout", 2),
                ("key", "00" * 32),
                ("key", "secret"),
                ("key", 7),
                ("share", "2"),
                ("share", "1/0"),
                ("unit", "people"),
                ("table_sha256", 7),
            ]
        ),
    ],
    ids=range(20),
)
def test_a_file_that_is_no_key_is_refused_in_constant_words(broken, tmp_path):
    path = tmp_path / "k.json"
    path.write_bytes(broken)
    with pytest.raises(FileFormatError, match=r"^.*k\.json: this is not a holdout file of this version$"):
        read_holdout(path)


def test_a_missing_key_file_is_said(tmp_path):
    with pytest.raises(DpsynthError, match="no such file"):
        read_holdout(tmp_path / "gone.json")


def test_the_table_of_the_fit_is_told_by_its_digest(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("v\n1\n", encoding="utf-8")
    holdout = read_holdout(written(tmp_path, data=table))
    assert check_same_table(holdout, table)
    assert not check_same_table(holdout, pa.table({"v": [1]}))
    table.write_text("v\n2\n", encoding="utf-8")
    with pytest.raises(DataMismatchError, match="not the file that was fitted"):
        check_same_table(holdout, table)


def test_a_coin_below_the_share_is_held_out_at_any_size(monkeypatch):
    stream = np.array([0, 2**63 - 1, 2**63, 2**64 - 1] * 2, ">u8").tobytes()
    monkeypatch.setattr(coins_module.MaskKey, "hashing", lambda *_: _Fixed(stream))
    assert HALF.of_rows(0, 4).tolist() == [True, True, False, False]


class _Fixed:
    def __init__(self, stream):
        self._stream = stream

    def digests(self, cells, size):
        return [self._stream[:size] for _ in cells]
