"""Balanced samples: equal numbers of every value, exact under conditions and constraints, and said so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from dpsynth.cli.main import APPLICATION
from dpsynth.errors import UsageError
from dpsynth.models import Model
from dpsynth.models.balancing import balanced
from dpsynth.pipeline.origin import drawing, model_digest
from dpsynth.pipeline.sample import sample
from dpsynth.schema import Schema
from model_examples import counts, people, random_field, random_mixture, random_network

SIZES = (4, 3, 5)
BASES = {
    "field": random_field(SIZES, 4, concentration=1.0),
    "mixture": random_mixture(SIZES, 5, concentration=1.0),
    "network": random_network(SIZES, 6, concentration=1.0),
}


@pytest.mark.parametrize("method", ["rounding", "iid"])
@pytest.mark.parametrize("kind", BASES)
def test_every_value_gets_the_same_number_of_rows_and_keeps_its_others(kind, method):
    model = Model(BASES[kind])
    table = model.sample(4_000, seed=0, method=method, balance="a")
    found = np.bincount(table["a"], minlength=4)
    # Four equal shares of 4,000 independent rows deviate by at most 150 but for a chance of 4e-7 (5.5 deviations).
    assert (found == 1000).all() if method == "rounding" else (np.abs(found - 1000) <= 150).all()
    joint = model.marginal(("a", "c")).values
    for value in range(4):
        given = joint[value] / joint[value].sum() * found[value]
        rows = np.bincount(table.loc[table["a"] == value, "c"], minlength=5)
        assert (np.abs(rows - given) <= 5 * np.sqrt(given) + 5).all()


def test_what_does_not_divide_is_shared_up_to_one_row_and_fewer_rows_than_values_are_drawn():
    model = Model(BASES["mixture"])
    found = np.bincount(model.sample(4_002, seed=1, balance="a")["a"], minlength=4)
    assert set(found) == {1000, 1001}
    assert len(model.sample(3, seed=1, balance="a")["a"].unique()) == 3
    assert len(model.sample(0, balance="a")) == 0


def test_rows_come_in_random_order():
    """Neighbors share a value in 1 of 4 cases; 5 deviations of 20,000 neighbors: false alarm rate below 1e-6."""
    codes = balanced(BASES["field"], "a", Model(BASES["field"]).codecs["a"]).sample_codes(
        20_000, np.random.default_rng(3)
    )["a"]
    assert abs((codes[1:] == codes[:-1]).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 20_000)


def test_nulls_and_conditions_and_bins():
    model = people()
    table = model.sample(600, seed=0, balance="smoker")
    assert table["smoker"].value_counts().to_dict() == {True: 300, False: 300}
    given = model.sample(500, where=["age 18..34", "sex = M"], seed=0, balance="age")
    assert given["age"].between(18, 34).all()
    assert (given["age"] // 10).value_counts().to_dict().keys() == {1, 2, 3}
    assert set((given["age"] // 10).value_counts()) == {166, 167}
    both = model.sample(200, where="smoker = true", seed=0, balance="smoker")
    assert both["smoker"].all()
    assert model.absent_values("smoker", "smoker = true") == ("false",)
    assert model.absent_values("sex") == ()
    with pytest.raises(UsageError, match="no rows with a value"):
        model.sample(5, where="smoker = null", balance="smoker")


def test_constraints_hold_in_balanced_samples():
    model = people()
    document = model.schema.to_dict()
    document["dpsynth"]["constraints"] = [{"never": ["sex = M", "age 90.."]}]
    held = replace(model, schema=Schema.from_dict(document))
    flat = balanced(held.constrained, "age", held.codecs["age"])
    assert flat.base is model.distribution
    assert len(flat.strata) == 19  # ten ages of women, nine of men
    table = held.sample(2_000, seed=0, balance="age")
    assert set((table["age"] // 10).value_counts()) == {200}
    assert (table.loc[table["age"] >= 90, "sex"] == "F").all()


def test_the_same_seed_gives_the_same_rows_in_batches_too():
    model = people()
    first = model.sample(300, seed=7, output="pyarrow", balance="sex")
    assert model.sample(300, seed=7, output="pyarrow", balance="sex").equals(first)
    batches = list(model.sample_batches(300, seed=7, batch_rows=7, balance="sex"))
    assert sum(batch.num_rows for batch in batches) == 300
    assert batches[0].column("sex").to_pylist() == first["sex"].to_pylist()[:7]


@pytest.mark.parametrize("column", ["", "sx", "sex = M", "\N{SNOWMAN}"])
def test_an_unknown_column_is_refused_at_once(column):
    with pytest.raises(UsageError, match="no column"):
        people().sample_batches(5, balance=column)
    with pytest.raises(UsageError, match="no column"):
        people().absent_values(column)


def test_the_file_says_that_it_is_balanced(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    outcome = sample(people(), path, n=40, seed=0, balance="sex")
    assert outcome.left_out == ()
    assert "balanced by 'sex'" in pq.read_schema(path).metadata[b"dpsynth"].decode()
    (label,) = json.loads(Path(f"{path}.dpsynth.json").read_text())["labels"]
    assert label == f"POST {drawing(model_digest(people()))} balanced by 'sex'"


def test_the_command_balances_and_says_what_it_left_out(tmp_path: Path):
    people().save(tmp_path / "m.dps")
    words = ["sample", str(tmp_path / "m.dps"), "-n", "50", "--seed", "1", "-o", str(tmp_path / "o.csv")]
    balance = ["--balance", "smoker", "--where", "smoker = true"]
    said = CliRunner().invoke(APPLICATION, [*words, *balance])
    assert said.exit_code == 0
    assert "Balanced by 'smoker'" in said.stderr
    assert "no rows of them: false" in said.stderr
    result = json.loads(CliRunner().invoke(APPLICATION, [*words, *balance, "--force", "--json"]).stdout)["result"]
    assert (result["rows"], result["balanced_by"], result["left_out"]) == (50, "smoker", ["false"])
    wrong = CliRunner().invoke(APPLICATION, [*words, "--force", "--balance", "smokes"])
    assert wrong.exit_code == 2
    assert "'smoker'" in wrong.stderr


def test_counts_of_the_balanced_distribution_are_exact():
    base = BASES["network"]
    found = balanced(base, "b", Model(base).codecs["b"])
    joint, plain = found.marginal(("a", "b", "c")), base.marginal(("a", "b", "c"))
    weights = plain.sum(axis=(0, 2))
    assert joint.sum(axis=(0, 2)) == pytest.approx(np.full(3, weights.min()))
    assert joint == pytest.approx(plain * (weights.min() / weights)[:, None])
    assert counts(found.sample_codes(9, np.random.default_rng(0)), base.domain, ("b",)).tolist() == [3, 3, 3]
