"""What a guarantee means in plain words, and what it does not protect."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import Any

from dpsynth.evidence import Color, ReleasedFigure

_CONTEXT = Context(prec=30, rounding=ROUND_CEILING)
_SHOWN = Context(prec=4, rounding=ROUND_CEILING)

NOT_PROTECTED = (
    "What is true of the population: what the table says of smokers in general, it says of every smoker.",
    "The schema: the names, categories, bounds and bins of the columns are public facts, and so are its constraints.",
    "That this data set exists, who holds it, and everything that was published of it in another way.",
    "Groups: k units together are protected k times less.",
    "Columns and tables that were not modeled: nothing here speaks of them.",
    "The raw table at its holder: the guarantee is about what was released, not about the safekeeping of the rest.",
)
"""What no guarantee of this kind protects."""

CANDIDATES = (
    "Release was conditional on an internal check of up to {count} candidates, fixed in advance; that bit, how many "
    "of them were brought, and any choice among models by evaluate, are outside the (ε, δ) statement."
)
"""The one sentence on audits that a public edition holds: the same whatever was found."""

UNCHECKED = (
    "This report was given no number of candidates: whether a check on the real rows came before the release is not "
    "said, and any choice among models by evaluate is outside the (ε, δ) statement."
)

OVERRIDDEN = (
    "The table was released under override: no internal check decided that it leaves. Any choice among models by "
    "evaluate is outside the (ε, δ) statement."
)


def meaning(
    guarantee: Mapping[str, Any], pool: Mapping[str, Any] | None, candidates: int | None, *, override: bool
) -> dict[str, str | None]:
    """The plain sentences: of this release, of all that the pool may ever release, and of candidates. No bound holds
    for a pool with disclosures without differential privacy, so nothing is said of it then.
    """
    unit, stated = str(guarantee.get("unit", "row")), "epsilon" in guarantee and "delta" in guarantee
    cap = None if pool is None or pool["disclosures"] else pool["cap"]
    checked = UNCHECKED if candidates is None else CANDIDATES.format(count=candidates)
    return {
        "release": sentence(guarantee["epsilon"], guarantee["delta"], unit) if stated else None,
        "pool": None if cap is None else sentence(cap["epsilon"], cap["delta"], unit),
        "candidates": OVERRIDDEN if override else checked,
    }


def right_at_most(epsilon: Fraction, delta: Fraction) -> Decimal:
    """How often whoever guesses if one unit is in the data is right at most, a fair coin deciding: (e^ε + δ)/(1 + e^ε).

    Rounded up at the 30th digit, at most 1. Source: Kairouz, Oh and Viswanath, ICML 2015, section 2.
    """
    grown = _CONTEXT.exp(_decimal(min(epsilon, Fraction(10_000))))
    share = _CONTEXT.divide(_CONTEXT.add(grown, _decimal(delta)), grown + 1)
    return min(share, Decimal(1))


def percent_up(share: Decimal) -> str:
    """A share in percent with two digits after the point, rounded up; below 100 while the share is below 1."""
    percent = (share * 100).quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    if percent == 100 and share < 1:
        return "almost 100 %"
    return f"{percent} %"


def whom(unit: str) -> str:
    """The unit as a noun: a person only where the unit is one."""
    return "row" if unit == "row" else "person"


def sentence(epsilon: str, delta: str, unit: str) -> str:
    """The plain sentence of what (epsilon, delta) means for one unit."""
    share = right_at_most(Fraction(epsilon), Fraction(delta))
    return (
        f"An attacker who knows all other rows and guesses whether one {whom(unit)} is in the data is right at most "
        f"{percent_up(share)} of the time; a coin is right 50 %."
    )


def guarantee_figures(guarantee: Mapping[str, Any], pool: Mapping[str, Any] | None) -> tuple[ReleasedFigure, ...]:
    """ε, δ and the attacker's best share, of this release and of the cap of its pool, if a bound holds for that."""
    stated = [("this release", guarantee.get("epsilon"), guarantee.get("delta"))]
    if pool is not None and not pool["disclosures"]:
        stated.append(("all of the pool", pool["cap"]["epsilon"], pool["cap"]["delta"]))
    found: list[ReleasedFigure] = []
    for what, epsilon, delta in stated:
        if epsilon is None or delta is None:
            continue
        source = f"the guarantee of {what}"
        share = right_at_most(Fraction(epsilon), Fraction(delta))
        found += [
            ReleasedFigure(f"epsilon of {what}", float(Fraction(epsilon)), "", Color.RELEASED, source),
            ReleasedFigure(f"delta of {what}", float(Fraction(delta)), "", Color.RELEASED, source),
            ReleasedFigure(
                f"share of right guesses, {what}", float(_SHOWN.plus(share)), "share", Color.RELEASED, source
            ),
        ]
    return tuple(found)


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
