"""Every question of a discovery has a share of the budget, whatever kinds of columns the table has."""

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.ledger import Ledger
from dpsynth.pipeline.fit import fit

ROWS = 20_000


def _draws() -> np.random.Generator:
    return np.random.default_rng(20261126)


def _texts() -> pa.Table:
    """Texts alone, of which one column is on a public list that is completed, then looked through."""
    countries = np.array(["France", "Germany", "Italy", "Spain", "Poland"])
    draws = _draws()
    return pa.table(
        {"country": countries[draws.integers(0, 5, ROWS)], "sex": np.array(["F", "M"])[draws.integers(0, 2, ROWS)]}
    )


def _numbers() -> pa.Table:
    """Whole numbers alone, one of a wide range in which a single value is frequent."""
    draws = _draws()
    income = np.where(draws.random(ROWS) < 0.4, 0, draws.integers(1, 500_000, ROWS))
    return pa.table({"income": income, "age": draws.integers(0, 90, ROWS)})


@pytest.mark.parametrize("table", [_texts, _numbers])
def test_a_table_of_one_kind_of_columns_is_discovered(table):
    # False alarm: a column of 20,000 rows is lost to noise of tens of rows at epsilon 10, below 1e-12.
    data = table()
    outcome = fit(data, epsilon=10, method="independent", ledger=Ledger.in_memory())
    assert set(outcome.model.schema.domain) == set(data.column_names)
