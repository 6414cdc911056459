"""The long table of noisy marginals: written and read back, from every kind of frame, in any order of rows."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dpsynth
from dpsynth.errors import DataMismatchError, DpsynthError, OutputExistsError, UsageError
from dpsynth.models import ClaimedMarginal, Model
from dpsynth.pipeline import marginal_table
from dpsynth.pipeline.marginal_table import column_of, read_marginals, write_marginals
from dpsynth.privacy.answers import NoisyMarginal
from model_examples import answered, people, random_field

SCHEMA = people().schema
assert SCHEMA is not None
CLIQUES = [("age", "sex"), ("born",), ("score", "smoker", "sex"), ()]


def claims() -> tuple[ClaimedMarginal, ...]:
    rng = np.random.default_rng(3)
    shapes = [SCHEMA.domain.shape(clique) for clique in CLIQUES]
    return tuple(
        ClaimedMarginal(f"table {number}", clique, np.asarray(rng.normal(20, 9, shape)), 0.5 + number)
        for number, (clique, shape) in enumerate(zip(CLIQUES, shapes, strict=True))
    )


def model() -> Model:
    facts = {"dp": "claimed by A", "claim": {"owner": "A", "text": None}}
    return Model(people().distribution, schema=SCHEMA, provenance=facts, claims=claims())


def same(found: tuple[ClaimedMarginal, ...], wanted: tuple[ClaimedMarginal, ...]) -> bool:
    """Equal tables, whatever the order of axes: what is read has its axes in schema order."""
    return len(found) == len(wanted) and all(
        (one.name, one.scale) == (other.name, other.scale)
        and one.clique == SCHEMA.domain.canonical(other.clique)
        and np.array_equal(one.values, other.values.transpose([other.clique.index(name) for name in one.clique]))
        for one, other in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz", "t.arrow"])
@pytest.mark.parametrize("values", ["labels", "codes"])
def test_what_is_written_is_read_back_to_the_last_bit(tmp_path, name, values):
    written = write_marginals(model(), tmp_path / name, values=values)
    assert written.rows == sum(one.values.size for one in claims())
    assert same(read_marginals(tmp_path / name, SCHEMA, values=values), claims())
    with pytest.raises(OutputExistsError):
        write_marginals(model(), tmp_path / name)


def frame(tmp_path: Path) -> pa.Table:
    write_marginals(model(), tmp_path / "frame.parquet", values="codes", force=True)
    table = pd.read_parquet(tmp_path / "frame.parquet")
    fields = [column for column in table if column in SCHEMA.domain]
    return table.astype(dict.fromkeys(fields, float))


@pytest.mark.parametrize("convert", [lambda f: f, pl.from_pandas, pa.Table.from_pandas], ids=range(3))
def test_frames_of_floats_with_gaps_are_read(tmp_path, convert):
    assert same(read_marginals(convert(frame(tmp_path)), SCHEMA, values="codes"), claims())


def test_missing_numbers_that_are_no_nulls_mean_the_same(tmp_path):
    table = pa.table({name: pa.array(frame(tmp_path)[name], from_pandas=False) for name in frame(tmp_path)})
    assert table["age"].null_count == 0
    assert same(read_marginals(table, SCHEMA, values="codes"), claims())


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_rows_may_come_in_any_order_and_in_batches_of_any_size(tmp_path, monkeypatch, batch):
    monkeypatch.setattr(marginal_table, "_BATCH_ROWS", batch)
    shuffled = frame(tmp_path).sample(frac=1, random_state=batch)
    found = sorted(read_marginals(shuffled, SCHEMA, values="codes"), key=lambda one: one.name)
    assert same(tuple(found), claims())


def test_more_cells_than_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(marginal_table, "CELLS", 20)
    with pytest.raises(DpsynthError, match="more than 20 cells") as caught:
        read_marginals(frame(tmp_path), SCHEMA, values="codes")
    assert caught.value.exit_code == 7


def test_a_fit_is_exported_and_estimated_again_to_the_same_model(tmp_path):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.integers(0, 3, 900), "b": rng.integers(0, 2, 900), "c": rng.integers(0, 4, 900)})
    schema = dpsynth.Schema.from_domain({"a": 3, "b": 2, "c": 4}, public="made up")
    fitted = dpsynth.fit(data, schema, epsilon=1, method="direct", ledger=dpsynth.Ledger.in_memory())
    dpsynth.write_marginals(fitted, tmp_path / "ours.parquet")
    again = dpsynth.estimate(tmp_path / "ours.parquet", schema, owner="ourselves")
    assert [one.scale for one in again.claims] == [one.scale for one in fitted.answers]
    for clique in itertools.combinations("abc", 2):
        assert np.allclose(again.marginal(clique).values, fitted.marginal(clique).values, rtol=1e-9)
    assert fitted.dp
    assert not again.dp
    assert again.answers == ()


def test_what_cannot_be_written_is_refused_before_a_file_appears(tmp_path):
    coarse = people()
    (answer, *_) = answered(random_field((3, 2), 1))
    assert isinstance(answer, NoisyMarginal)
    bucketed = NoisyMarginal(
        ("sex",), np.array([1]), 1.0, 1, answer.receipt, "fake", (("sex", (0, 0)),)
    )  # one bucket for both values
    for bad, message in [
        (coarse, "no noisy marginals"),
        (Model(coarse.distribution, (bucketed,), schema=SCHEMA), "buckets"),
    ]:
        with pytest.raises(UsageError, match=message):
            write_marginals(bad, tmp_path / "t.csv")
    with pytest.raises(UsageError, match="labels or codes"):
        write_marginals(model(), tmp_path / "t.csv", values="names")
    with pytest.raises(UsageError, match="labels or codes"):
        read_marginals(tmp_path / "t.csv", SCHEMA, values="names")
    with pytest.raises(UsageError, match="format"):
        write_marginals(model(), tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())


@given(st.lists(st.sampled_from(["field:", "count", "scale", "marginal", "x"]), max_size=3).map("".join))
def test_the_column_of_a_field_is_never_mistaken(name):
    others = ["field:count", "count", "field:field:count", "x", "field:"]
    assert column_of(name) not in {"marginal", "count", "scale"}
    assert all((column_of(name) == column_of(other)) == (name == other) for other in others)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3)), min_size=1, max_size=4))
def test_a_bent_file_is_read_or_refused_in_one_of_our_errors(tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("bent")
    write_marginals(model(), folder / "t.csv")
    data = bytearray((folder / "t.csv").read_bytes())
    for place, junk in edits:
        data[place % len(data) : place % len(data) + 2] = junk
    (folder / "t.csv").write_bytes(bytes(data))
    found: tuple[ClaimedMarginal, ...] = ()
    with contextlib.suppress(DataMismatchError):
        found = read_marginals(folder / "t.csv", SCHEMA)
    assert all(np.isfinite(one.values).all() and one.scale > 0 for one in found)
