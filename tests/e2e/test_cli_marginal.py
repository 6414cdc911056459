"""``dpsynth show MODEL --marginal``: counts with their intervals, and every way to ask wrongly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.domain import Domain
from dpsynth.models import MarkovRandomField, MixtureOfProducts, Model
from dpsynth.privacy.answers import NoisyMarginal, Receipt
from dpsynth.privacy.loss import PrivacyLoss
from model_examples import answered, people


@pytest.fixture(autouse=True)
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = people()
    assert isinstance(model.distribution, MarkovRandomField)
    Model(model.distribution, answered(model.distribution), schema=model.schema).save("model.dps")
    model.save("silent.dps")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, ["show", *arguments])


def test_a_marginal_is_a_table_with_a_line_per_cell() -> None:
    result = run("model.dps", "--marginal", "sex,age")
    assert result.exit_code == 0
    head, blank, names, *lines = result.stdout.splitlines()
    assert "each true count lies from lower to upper with chance 0.95" in head
    assert "rows that entered the fit" in head
    assert not blank
    assert names.split() == ["sex", "age", "estimate", "lower", "upper", "std.", "error"]
    assert len(lines) == 2 * people().domain["age"]
    assert lines[0].startswith("F ")


def test_json_has_the_same_numbers_as_python() -> None:
    result = run("model.dps", "--marginal", "smoker", "--interval", "0.5", "--json")
    shown = json.loads(result.stdout)["result"]
    field = people().distribution
    assert isinstance(field, MarkovRandomField)
    expected = Model(field, answered(field), schema=people().schema).marginal("smoker", interval=0.5)
    assert shown["marginal"]["columns"] == ["smoker"]
    assert shown["marginal"]["basis"] == "measured"
    assert shown["marginal"]["level"] == 0.5
    assert shown["marginal"]["labels"] == {"smoker": list(expected.labels["smoker"])}
    for name in ("estimate", "lower", "upper", "standard_error"):
        assert np.allclose(shown["marginal"][name], getattr(expected, name))
    assert "answers" in shown


def test_cells_without_an_estimate_of_their_own_say_so() -> None:
    assert run("model.dps", "--marginal", "sex,smoker").stdout.count("bounds only") == 6
    shown = json.loads(run("model.dps", "--marginal", "sex,smoker", "--json").stdout)["result"]["marginal"]
    assert shown["basis"] == "bound"
    assert {error for line in shown["standard_error"] for error in line} == {None}


def test_printed_intervals_are_rounded_outward() -> None:
    line = run("model.dps", "--marginal", "sex").stdout.splitlines()[3]
    shown = json.loads(run("model.dps", "--marginal", "sex", "--json").stdout)["result"]["marginal"]
    lower, upper = (int(number.replace(",", "")) for number in re.findall(r"[\d,.]+", line)[1:3])
    assert lower <= shown["lower"][0] < lower + 1
    assert upper - 1 < shown["upper"][0] <= upper


def test_a_column_whose_name_holds_a_comma_is_asked_for_alone() -> None:
    domain = Domain(("a,b",), (2,))
    answer = NoisyMarginal(
        ("a,b",), np.array([10, 20]), 2.0, 1, Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss()), "opendp"
    )
    Model(MixtureOfProducts(domain, 30.0, np.ones(1), np.array([[0.4, 0.6]])), (answer,)).save("comma.dps")
    assert run("comma.dps", "--marginal", "a,b").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("model.dps", "--marginal", "nobody"), 2, "no column 'nobody'"),
        (("model.dps", "--marginal", "sex,,age"), 2, "no column ''"),
        (("model.dps", "--marginal", ""), 2, "no column ''"),
        (("model.dps", "--marginal", "sex,sex"), 2, "a column appears twice"),
        (("model.dps", "--marginal", "sex", "--interval", "95"), 2, "strictly between 0 and 1"),
        (("model.dps", "--marginal", "sex", "--interval", "0"), 2, "strictly between 0 and 1"),
        (("model.dps", "--marginal", "sex", "--interval", "nan"), 2, "strictly between 0 and 1"),
        (("model.dps", "--marginal", "sex", "--interval", "1e-400"), 2, "strictly between 0 and 1"),
        (("model.dps", "--interval", "0.9"), 2, "--marginal"),
        (("silent.dps", "--marginal", "sex"), 2, "no noisy counts"),
        (("absent.dps", "--marginal", "sex"), 3, ""),
    ],
    ids=str,
)
def test_wrong_questions_are_refused(arguments: tuple[str, ...], code: int, words: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_too_many_cells_are_not_printed() -> None:
    sizes = (100, 100, 11)
    mixture = MixtureOfProducts(
        Domain(("a", "b", "c"), sizes), 30.0, np.ones(1), np.concatenate([np.full(k, 1 / k) for k in sizes])[None]
    )
    Model(mixture).save("wide.dps")
    result = run("wide.dps", "--marginal", "a,b,c")
    assert result.exit_code == 7
    assert "110,000 cells" in result.stderr
