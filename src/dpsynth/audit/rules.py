"""The hard rules of a gate: decided from public facts and the synthetic table, before any figure is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.audit.gate import RulePart
from dpsynth.evidence import Verdict
from dpsynth.schema import Schema

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_OLDEST = 90


@dataclass(frozen=True)
class ReleaseFacts:
    """What is known of a release without looking at anybody's rows.

    ``dp``: what the model and the table's sidecar say: true, false, whose claim it is, or ``None`` when nothing does.
    ``pool_epsilon``: the cap of the pool, ``None`` when no ledger here knows it. ``columns``: of the synthetic table.
    ``smallest``: the rows of its smallest class on the quasi-identifiers, 0 of an empty table.
    """

    schema: Schema
    columns: tuple[str, ...]
    dp: bool | str | None
    epsilon: float | None
    delta: float | None
    pool_epsilon: float | None
    smallest: int


@dataclass(frozen=True)
class Ruling:
    """One rule's verdict in words, with the citation of its gate."""

    rule: str
    verdict: Verdict
    words: str
    citation: str

    def to_dict(self) -> dict[str, str]:
        """The ruling as JSON-able data."""
        return {"rule": self.rule, "verdict": self.verdict.value, "words": self.words, "citation": self.citation}


def ruling(part: RulePart, facts: ReleaseFacts) -> Ruling:
    """What the rule says of these facts."""
    verdict, words = _RULES[part.rule](part, facts)
    return Ruling(part.rule, verdict, words, part.citation)


def _guarantee(_part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    if facts.dp is True:
        return Verdict.PASS, f"differentially private: epsilon {facts.epsilon:.4g}, delta {facts.delta:.4g}"
    if facts.dp is False:
        return Verdict.FAIL, (
            "dp: false. Nothing bounds what the table reveals: what the attacks did not find, others may. The figures "
            "speak of the attackers that were tried, and of nobody else"
        )
    if facts.dp is None:
        return Verdict.INCONCLUSIVE, "no model was given, so it is not known whether any guarantee holds"
    return Verdict.INCONCLUSIVE, f"the guarantee is {facts.dp}: their word, which dpsynth did not check"


def _public_domain(_part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    read = [field.name for field in facts.schema.modeled if field.source == "data"]
    if read:
        return Verdict.FAIL, f"read from the rows (source: data), not public and not paid for: {_listed(read)}"
    return Verdict.PASS, "every value and bound that the model can take is public, or was paid for"


def _identifiers(_part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    made_up = {field.name for field in facts.schema.fields if field.identifier is not None}
    direct = {field.name for field in facts.schema.fields if field.role == "direct-id"} | {facts.schema.unit.column}
    found = [name for name in facts.columns if name in direct - made_up]
    if found:
        return Verdict.FAIL, f"the table holds columns that name persons: {_listed(found)}"
    return Verdict.PASS, "no column of the table names persons"


def _pool_epsilon(part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    most = part.at_most or 0.0
    if facts.pool_epsilon is None:
        return Verdict.INCONCLUSIVE, "the ledger does not know the model's pool: give the ledger of the fit"
    if facts.pool_epsilon > most:
        return Verdict.FAIL, f"the pool's cap is epsilon {facts.pool_epsilon:.4g}; accepted is {most:g}"
    return Verdict.PASS, f"the pool's cap is epsilon {facts.pool_epsilon:.4g}, at most {most:g}"


def _smallest(part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    least = part.at_least or 1
    if facts.smallest < least:
        return Verdict.FAIL, f"the smallest class has {facts.smallest} rows; at least {least} are accepted"
    return Verdict.PASS, f"every class has at least {facts.smallest} rows"


def _years(_part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    found = [field.name for field in _written(facts) if field.type in ("date", "datetime")]
    if found:
        return Verdict.FAIL, f"dates finer than a year: {_listed(found)}"
    return Verdict.PASS, "no field is a date"


def _ages(_part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    bounds = {one["name"]: one.get("constraints", {}).get("maximum") for one in facts.schema.document["fields"]}
    found = [
        field.name
        for field in _written(facts)
        if "age" in words_of(field.name) and field.type in ("integer", "number") and _above(bounds[field.name])
    ]
    if found:
        return Verdict.FAIL, f"ages above 89 are told apart: {_listed(found)}"
    return Verdict.PASS, "no age above 89 is told apart"


def _names(part: RulePart, facts: ReleaseFacts) -> tuple[Verdict, str]:
    wanted = set(part.words or ())
    found = [field.name for field in _written(facts) if wanted & words_of(field.name)]
    if found:
        return Verdict.FAIL, (
            f"by their names, these may be identifiers: {_listed(found)}. If they are not, rename them, or take the "
            "word out of a gate file of your own"
        )
    return Verdict.PASS, f"no field is named {' or '.join(sorted(wanted))}"


_RULES: Mapping[str, Callable[[RulePart, ReleaseFacts], tuple[Verdict, str]]] = {
    "guarantee": _guarantee,
    "public-domain": _public_domain,
    "no-direct-identifiers": _identifiers,
    "pool-epsilon": _pool_epsilon,
    "smallest-class": _smallest,
    "years-only": _years,
    "ages-below-90": _ages,
    "field-names": _names,
}


def words_of(name: str) -> set[str]:
    """The words of a column's name in lower case, by case and punctuation.

    >>> sorted(words_of("homeZIP_code-2"))
    ['2', 'code', 'home', 'zip']
    """
    return {word.lower() for word in _WORD.findall(name)}


def _written(facts: ReleaseFacts) -> list[Any]:
    return [field for field in facts.schema.fields if field.name in facts.columns]


def _above(bound: object) -> bool:
    """Whether ages above 90 can be told apart; they can where no bound says otherwise."""
    return not isinstance(bound, int | float) or bound > _OLDEST


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
