"""Pools of each governor from the command line: what is printed, what is refused, and that a fit follows its pool."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger
from dpsynth.models import load
from dpsynth.pipeline.reservation import request_of, reserve
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.unit import Unit

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - name: sex
    type: string
    constraints: {enum: [Female, Male]}
    dpsynth: {source: public}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 119}
    dpsynth: {source: public, bins: {width: 10}}
  - name: town
    type: string
    constraints: {enum: [North, South]}
    dpsynth: {source: public}
"""
TABLE = "sex,age,town\n" + "".join(
    f"{sex},{age},{town}\n" for sex in ("Female", "Male") for age in range(20, 60) for town in ("North", "South")
)
PRICE = ("--schema", "schema.yaml", "--epsilon", "1")
FIT = ("fit", "people.csv", *PRICE, "-o", "model.dps")


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("schema.yaml").write_text(SCHEMA)
    Path("people.csv").write_text(TABLE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def answer(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)["result"]
    return found


def refused(message: str, *arguments: str) -> None:
    """Exit 2 with this message; no model appears, and no pool is created or charged."""
    before = Ledger.open().pools()
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert not Path("model.dps").exists()
    assert Ledger.open().pools() == before


@pytest.mark.parametrize(
    ("delta", "method", "governor", "words"),
    [
        ("1e-9", "mst", "gdp", "Gaussian (GDP), in mu²"),
        ("0", "mst", "pure", "pure epsilon, without a delta"),
        ("0", "independent", "pure", "pure epsilon, without a delta"),
        ("0", "direct", "pure", "pure epsilon, without a delta"),
    ],
)
def test_a_fit_makes_a_pool_of_the_governor_that_suits(delta: str, method: str, governor: str, words: str) -> None:
    wish = ("--delta", delta, "--method", method)
    assert words in run("plan", *PRICE, *wish).output
    plan = answer("plan", *PRICE, *wish)
    assert plan["governor"] == governor
    fitted = run(*FIT, *wish)
    assert fitted.exit_code == 0, fitted.output
    assert words in fitted.stderr
    assert f"delta {delta}" in fitted.stderr
    (pool,) = Ledger.open().pools()
    assert pool.governor == governor
    assert words in run("ledger", "show").output
    shown = run("show", "model.dps")
    assert words in shown.output
    model = load("model.dps")
    assert {answer.law for answer in model.answers} <= (
        {"laplace", "permute-and-flip"} if governor == "pure" else {"gaussian", "exponential"}
    )
    assert model.provenance["guarantee"]["governor"] == governor
    spent = sum(pool.governor.units(receipt.loss) for receipt in {a.receipt for a in model.answers})
    assert spent == pool.governor.units(pool.charged) <= pool.governor.units(pool.cap)
    assert plan["amount"] == pytest.approx(float(pool.governor.amount(pool.cap)), rel=1e-9)
    assert run("fit", "people.csv", *PRICE, *wish, "-o", "second.dps").exit_code == 4
    assert Ledger.open().verify().ok


def test_a_fit_follows_a_zcdp_pool() -> None:
    assert run("ledger", "create", "people", "--epsilon", "2", "--delta", "1e-9", "--governor", "zcdp").exit_code == 0
    fitted = run(*FIT, "--method", "independent")
    assert fitted.exit_code == 0, fitted.output
    assert "zero-concentrated (zCDP), in rho" in fitted.stderr
    assert "Spent rho 0.0148" in fitted.stderr
    (pool,) = Ledger.open().pools()
    assert pool.governor is Governor.ZCDP
    share = answer("fit", "people.csv", "-s", "schema.yaml", "--share", "1/5", "--method", "mst", "-o", "b.dps")
    assert share["governor"] == "zcdp"
    plan = answer("plan", *PRICE, "--governor", "zcdp", "--method", "independent")
    assert (plan["governor"], plan["amount"]) == ("zcdp", plan["rho"])


def test_a_share_of_a_pure_pool_is_a_share_of_its_epsilon() -> None:
    assert run("ledger", "create", "people", "--epsilon", "2", "--delta", "0").exit_code == 0
    wish = ("--share", "1/5", "--method", "independent")
    found = answer("fit", "people.csv", "-s", "schema.yaml", *wish, "-o", "model.dps")
    assert found["epsilon"] == pytest.approx(0.4)
    assert found["delta"] == 0
    assert found["pool"]["largest_next_epsilon"] == pytest.approx(1.6)


@pytest.mark.parametrize("method", ["auto", "aim"])
def test_methods_that_need_a_delta_say_which_do_not(method: str) -> None:
    for command in (FIT, ("plan", *PRICE)):
        refused("needs a delta", *command, "--delta", "0", "--method", method)
        refused("use --method direct or independent or mst", *command, "--delta", "0", "--method", method)


def test_a_pool_and_a_fit_both_have_a_delta_or_neither() -> None:
    assert run("ledger", "create", "people", "--epsilon", "2", "--delta", "0").exit_code == 0
    refused("pure epsilon: its fits have no delta", *FIT, "--method", "mst")
    refused("Ask --delta 0", *FIT, "--method", "mst", "--delta", "1e-9")
    assert run("ledger", "create", "others", "--epsilon", "2", "--delta", "1e-9").exit_code == 0
    refused("needs a pool of pure epsilon", *FIT, "--method", "mst", "--delta", "0", "--pool", "others")


@pytest.mark.parametrize(
    ("message", "wish"),
    [
        ("below 1", ("--delta", "1")),
        ("below 1", ("--delta", "-1e-9")),
        ("below 1", ("--delta", "nan")),
        ("pure epsilon", ("--delta", "x")),
        ("delta must lie strictly between 0 and 1", ("--delta", "0", "--governor", "gdp")),
        ("delta must lie strictly between 0 and 1", ("--delta", "0", "--governor", "zcdp")),
        ("'gdp', 'zcdp'", ("--delta", "1e-9", "--governor", "pure")),
        ("'gdp', 'zcdp'", ("--delta", "1e-9", "--governor", "")),
    ],
)
def test_bad_deltas_and_governors_exit_two(message: str, wish: tuple[str, ...]) -> None:
    refused(message, "ledger", "create", "people", "--epsilon", "1", *wish)


def test_raising_a_pure_pool_needs_no_delta() -> None:
    assert run("ledger", "create", "people", "--epsilon", "1", "--delta", "0").exit_code == 0
    refused("delta of 0", "ledger", "raise", "people", "--epsilon", "2", "--delta", "1e-9", "--reason", "more")
    raised = run("ledger", "raise", "people", "--epsilon", "2", "--delta", "0", "--reason", "more")
    assert raised.exit_code == 0, raised.output
    assert Ledger.open().pools()[0].epsilon == 2


def test_a_pool_that_appears_in_another_currency_meanwhile_is_not_spent_from() -> None:
    book = Ledger.in_memory()
    request = request_of(book, "people", 1, None, "1e-9")
    assert (request.governor, request.creates_pool) == (Governor.GDP, True)
    book.create("people", epsilon=Fraction(1), delta=Fraction(1, 10**9), governor="zcdp")
    with pytest.raises(BudgetExceededError, match="another currency"):
        reserve(book, request, unit=Unit(), purpose=None, method="mst", details={})
    assert [event.kind for event in book.events()] == ["CREATE"]
    again = request_of(book, "people", 1, None, "1e-9")
    assert again.governor is Governor.ZCDP
    assert reserve(book, again, unit=Unit(), purpose=None, method="mst", details={}).governor is Governor.ZCDP
