"""What a discovery says of itself: a guarantee that is never stated smaller than it is, and what stayed unknown."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.cli.discovery import learned_words
from dpsynth.errors import DpsynthError
from dpsynth.ledger import Ledger
from dpsynth.pipeline.schema_discovery import learn_schema
from dpsynth.pipeline.sealing import sealed


@pytest.fixture(scope="module")
def table() -> pa.Table:
    draws = np.random.default_rng(5)
    towns = draws.choice(["Ashford", "Brook"], 20_000).tolist()
    rare = [f"Hamlet {index}" if index % 10 == 0 else town for index, town in enumerate(towns)]
    return pa.table({"town": rare, "sex": draws.choice(["F", "M"], 20_000)})


def test_a_learned_schema_never_states_a_smaller_epsilon(table, tmp_path):
    epsilon = Fraction("3.00000123456789123456")
    learn_schema(table, tmp_path / "s.yaml", epsilon=epsilon, ledger=Ledger.in_memory())
    stated = re.search(r"epsilon ([0-9.]+),", (tmp_path / "s.yaml").read_text(encoding="utf-8"))
    assert stated is not None
    assert Fraction(stated[1]) >= epsilon


def test_the_outcome_says_that_rare_values_became_other(table, tmp_path):
    # False alarm: a tenth of 20,000 rows against noise of tens of rows, below 1e-12.
    done = learn_schema(table, tmp_path / "s.yaml", epsilon=10, ledger=Ledger.in_memory())
    words = learned_words(done.learned.record())
    assert re.search(r"town +text +2 values, and other$", words, re.MULTILINE)
    assert re.search(r"sex +text +2 values$", words, re.MULTILINE)
    assert "other" in done.learned.schema.codec("town").labels


@pytest.mark.parametrize("fault", [ValueError("Ann Smith"), MemoryError("Ann Smith")])
def test_a_fault_after_touch_is_told_in_constant_words(fault):
    with pytest.raises(DpsynthError) as caught, sealed("fit"):
        raise fault
    assert "Ann" not in f"{caught.value}{caught.value.hint}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
