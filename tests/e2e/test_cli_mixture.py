"""The commands on a model file that holds a mixture of products: the same as on any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.models import MixtureOfProducts, Model
from model_examples import people


@pytest.fixture(autouse=True)
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    schema, rng = people().schema, np.random.default_rng(3)
    assert schema is not None
    blocks = [rng.dirichlet(np.ones(size), size=6) for size in schema.domain.sizes]
    mixture = MixtureOfProducts(schema.domain, 400.0, rng.dirichlet(np.ones(6)), np.concatenate(blocks, axis=1))
    Model(mixture, schema=schema, method="auto").save("model.dps")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(APPLICATION, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def test_show_names_the_kind_and_the_size() -> None:
    assert "mixture of products, 282 numbers" in run("show", "model.dps").output
    shown = json.loads(run("show", "model.dps", "--json").stdout)["result"]
    assert shown["distribution"] == {"kind": "mixture-of-products", "cells": 282}
    assert shown["columns"]["sex"] == 2


def test_rows_repeat_by_seed_and_obey_conditions() -> None:
    for name in ("one.csv", "two.csv"):
        run("sample", "model.dps", "-n", "50", "--seed", "1", "--where", "sex=M", "-o", name)
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    assert set(pa_csv.read_csv("one.csv")["sex"].to_pylist()) == {"M"}


def test_a_sample_is_close_to_its_model() -> None:
    run("sample", "model.dps", "-n", "400", "--seed", "1", "-o", "rows.csv")
    found = json.loads(run("evaluate", "rows.csv", "model.dps", "--json").stdout)["result"]
    means = {way["ways"]: way["mean"]["value"] for way in found["marginals"]}
    assert means[1] < 0.02
    assert means[2] < 0.1
