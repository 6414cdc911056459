"""``Model.sample``: sizes, seeds, batches, conditions, outputs; marginals with labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dpsynth.errors import DomainError, UsageError
from dpsynth.models import Model, dealing
from model_examples import people, random_field


@pytest.fixture(scope="module")
def model():
    return people()


def test_the_default_size_is_the_noisy_total(model):
    assert model.default_rows == 500
    assert len(model.sample(output="pyarrow")) == 500
    assert Model(random_field((2, 3), 0, total=41.6)).default_rows == 42


def test_zero_rows_is_an_empty_table_with_columns_and_types(model):
    empty, some = model.sample(0), model.sample(5, seed=0)
    assert len(empty) == 0
    assert empty.dtypes.tolist() == some.dtypes.tolist()
    assert list(model.sample_batches(0)) == []
    assert model.sample(0, output="pyarrow").schema == model.arrow_schema


def test_the_same_seed_gives_the_same_table_and_others_differ(model):
    first = model.sample(300, seed=7, output="pyarrow")
    assert model.sample(300, seed=7, output="pyarrow").equals(first)
    assert not model.sample(300, seed=8, output="pyarrow").equals(first)
    assert not model.sample(300, output="pyarrow").equals(model.sample(300, output="pyarrow"))


def test_the_global_generators_are_neither_read_nor_moved(model):
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the point of the test)
    model.sample(50, seed=1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("batch_rows", [1, 33, 100, 10**9])
def test_batches_are_the_same_rows_whatever_their_size(monkeypatch, model, batch_rows):
    monkeypatch.setattr(dealing, "BLOCK_ROWS", 100)
    whole = model.sample(250, seed=3, output="pyarrow")
    batches = list(model.sample_batches(250, seed=3, batch_rows=batch_rows))
    assert max(batch.num_rows for batch in batches) <= batch_rows
    assert pa.Table.from_batches(batches).combine_chunks() == whole.combine_chunks()


def test_values_stand_within_the_schema(model):
    table = model.sample(400, seed=0)
    assert table["age"].dropna().between(0, 99).all()
    assert table["score"].dropna().between(0, 1).all()
    assert set(table["sex"]) <= {"F", "M"}
    assert table["born"].dropna().between(pd.Timestamp("2000-01-01"), pd.Timestamp("2001-12-31")).all()


@pytest.mark.parametrize("bad", [-1, 2**41])
def test_impossible_sizes_are_refused(model, bad):
    with pytest.raises(UsageError, match="number of rows"):
        model.sample(bad)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"n": 1.5}, "whole number"),
        ({"n": 1, "seed": -1}, "seed"),
        ({"n": 1, "seed": "x"}, "whole number"),
        ({"n": 1, "method": "magic"}, "rounding or iid"),
        ({"n": 1, "output": "excel"}, "pandas, polars or pyarrow"),
    ],
)
def test_wrong_arguments_are_refused(model, arguments, problem):
    with pytest.raises(UsageError, match=problem):
        model.sample(**arguments)


def test_batches_refuse_at_once_not_at_the_first_batch(model):
    with pytest.raises(UsageError, match="at least 1 row"):
        model.sample_batches(5, batch_rows=0)
    with pytest.raises(UsageError, match="no column"):
        model.sample_batches(5, where="height 1..2")


def test_conditions_hold_in_every_row_even_inside_bins(model):
    table = model.sample(200, where=["age 15..34", "age 18..", "sex=M", "born 2000-02-10..2000-03-05"], seed=0)
    assert table["age"].between(18, 34).all()
    assert (table["sex"] == "M").all()
    assert table["born"].between(pd.Timestamp("2000-02-10"), pd.Timestamp("2000-03-05")).all()


def test_conditioning_matches_the_model(model):
    joint = model.distribution.marginal(("age", "sex"))
    weights = np.array([0, 0.2, 1, 0.5, *[0] * 7])
    n = 4000
    table = model.sample(n, where="age 18..34", seed=1)
    expected = (joint * weights[:, None]).sum(axis=0)
    share = (table["sex"] == "M").mean()
    assert share == pytest.approx(expected[1] / expected.sum(), abs=2 / n)
    teens = ((joint * weights[:, None])[1] / expected.sum()).sum()
    assert (table["age"] < 20).mean() == pytest.approx(teens, abs=3 / n)


def test_impossible_conditions_say_so(model):
    with pytest.raises(UsageError, match="no value of this column"):
        model.sample(1, where=["age 15..17", "age 18.."])
    with pytest.raises(UsageError, match="no value of this column"):
        model.sample(1, where=["sex=F", "sex=M"])
    field = random_field((2, 2), 0)
    beliefs = (np.array([[600.0, 0.0], [0.0, 400.0]]),)
    tree = type(field.tree)(field.tree.tree, beliefs, 1000.0)
    never = Model(type(field)(tree))
    with pytest.raises(UsageError, match="impossible") as caught:
        never.sample(1, where=["a=0", "b=1"])
    assert caught.value.exit_code == 2
    assert len(never.sample(9, where=["a=1", "b=1"])) == 9


def test_a_model_of_an_empty_table_has_only_the_empty_sample():
    field = random_field((2, 3), 0, total=0.0)
    assert len(Model(field).sample()) == 0
    with pytest.raises(UsageError, match="empty table"):
        Model(field).sample(1)


def test_without_a_schema_values_are_codes():
    model = Model(random_field((3, 300), 0))
    table = model.sample(100, seed=0, output="pyarrow", where={"a": [1, 2]})
    assert table.schema.types == [pa.int32(), pa.int32()]
    assert set(table["a"].to_pylist()) <= {1, 2}
    assert set(model.sample(20, where="b 100..")["b"] >= 100) == {True}
    with pytest.raises(UsageError, match="whole numbers"):
        model.sample(1, where="a=x")
    with pytest.raises(UsageError, match="no value"):
        model.sample(1, where="a=7")


def test_outputs_hold_the_same_rows(model):
    pl = pytest.importorskip("polars")
    arrow = model.sample(50, seed=2, output="pyarrow")
    polars = model.sample(50, seed=2, output="polars")
    assert isinstance(polars, pl.DataFrame)
    assert polars.to_arrow().cast(arrow.schema).to_pylist() == arrow.to_pylist()
    assert model.sample(50, seed=2)["score"].isna().sum() == arrow["score"].null_count


def test_marginals_carry_labels(model):
    marginal = model.marginal(("sex", "smoker"))
    assert marginal.labels == {"sex": ("F", "M"), "smoker": model.schema.codec("smoker").labels}
    assert marginal.values.shape == (2, 3)
    assert marginal.values.sum() == pytest.approx(model.total)
    assert model.marginal("sex").clique == ("sex",)
    assert Model(random_field((3, 2), 0)).marginal("a").labels["a"] == ("0", "1", "2")
    with pytest.raises(DomainError, match="not in the domain"):
        model.marginal("height")
    with pytest.raises(DomainError, match="twice"):
        model.marginal(("sex", "sex"))


def test_the_guarantee_is_what_the_pipeline_recorded(model):
    assert model.dp
    assert not Model(random_field((2, 2), 0)).dp


def test_a_model_prints_as_one_line() -> None:
    model = people()
    size = f"{len(model.domain)} columns, about 500 rows"
    assert repr(model) == f"<dpsynth.Model by {model.method}: {size}, no guarantee recorded>"
    stated = {"dp": True, "guarantee": {"epsilon": "2", "delta": "1e-9"}}
    assert repr(replace(model, provenance=stated)).endswith("about 500 rows, epsilon 2, delta 1e-9>")
