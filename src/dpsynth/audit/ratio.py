"""Exact likelihood-ratio audits of whole mechanisms on made-up tables, by name of what is audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.coded_table import Counts
from dpsynth.audit.game import Claim, Played, Ratios, played
from dpsynth.audit.gaussian_law import GaussianLaw
from dpsynth.audit.paired import Fit, PairedQueryable, log_ratios
from dpsynth.audit.recorded import RecordedQueryable
from dpsynth.audit.tree_law import TreeLaw
from dpsynth.audit.tree_prices import TreePrices
from dpsynth.audit.worst_case import BINARY, WorstCase, tree_divergence, worst_case
from dpsynth.privacy.conversions import DELTA_CONVERSION, budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

_CHUNK = 100_000
_SEARCHED = 3
"""Fits for each table that a search looks at."""


@dataclass(frozen=True)
class Setting:
    """What is asked of a mechanism, and how it is audited: on ``trials`` runs, at the level ``alpha``.

    ``rows``: of a unit. ``seed``: of the audit's own generators, one for the search and one for the game.
    """

    epsilon: Fraction
    delta: Fraction
    governor: Governor
    trials: int
    rows: int = 1
    alpha: float = 0.05
    seed: int = 0

    @cached_property
    def loss(self) -> PrivacyLoss:
        """The budget of a pool with this epsilon and delta."""
        return budget_of(self.epsilon, self.delta, self.governor)

    @property
    def unit(self) -> Unit:
        """A row, or a person with so many rows."""
        return Unit() if self.rows == 1 else Unit("person", self.rows)

    @property
    def converted_delta(self) -> float:
        """The delta at which the budget gives epsilon: the rest pays for thresholded discoveries."""
        return float(self.delta * DELTA_CONVERSION)

    @property
    def generators(self) -> tuple[np.random.Generator, np.random.Generator]:
        """For the search of the tables, and for the game: streams that share nothing."""
        search, game = np.random.SeedSequence(self.seed).spawn(2)
        return np.random.default_rng(search), np.random.default_rng(game)

    def to_dict(self) -> dict[str, Any]:
        """The setting as JSON-able data."""
        return {
            "epsilon": float(self.epsilon),
            "delta": float(self.delta),
            "governor": self.governor.value,
            "unit": str(self.unit),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class RatioAudit:
    """The audit of one mechanism: what, at which setting, on which neighbors, with which outcome."""

    mechanism: str
    setting: Setting
    neighbors: WorstCase | None
    played: Played

    @property
    def ratio(self) -> float | None:
        """``mu_lower`` over √(2 rho), or over mu where the pool is governed by it: information, not a verdict."""
        whole = self.played.claim.sqrt_two_rho or self.played.claim.mu
        return self.played.mu_lower / whole if whole else None

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON-able data."""
        return {
            "mechanism": self.mechanism,
            **self.setting.to_dict(),
            "neighbors": self.neighbors.to_dict() if self.neighbors else None,
            "ratio": self.ratio,
            **self.played.to_dict(),
        }


def audit_tree(setting: Setting) -> RatioAudit:
    """The unmodified spanning tree on three binary columns, by its restated law. Cost: about 7 µs of CPU a trial.

    ``UsageError`` under pure epsilon, for which the law is not restated, and without a trial.
    """
    law = TreeLaw(TreePrices(setting.governor, setting.loss, setting.rows))
    search, rng = setting.generators
    neighbors = worst_case(tree_divergence(law, search), setting.rows, search)
    claim = Claim.of(setting.governor, setting.loss, law.prices.most_mu2)
    outcome = played(
        lambda held, other: tree_ratios(law, neighbors, held, other, rng),
        claim,
        setting.trials,
        rng,
        alpha=setting.alpha,
        delta=setting.converted_delta,
    )
    return RatioAudit("mst (restated law)", setting, neighbors, outcome)


def audit_gaussian(setting: Setting, weights: Sequence[int]) -> RatioAudit:
    """Marginals with these weights, measured together for the whole budget, by their law.

    All tables are alike; the target's rows are (``gaussian_law``).
    """
    law = GaussianLaw.of(setting.governor, setting.loss, setting.rows, weights)
    _, rng = setting.generators
    outcome = played(
        lambda held, other: law.ratios(held, other, rng),
        Claim.of(setting.governor, setting.loss),
        setting.trials,
        rng,
        alpha=setting.alpha,
        delta=setting.converted_delta,
    )
    return RatioAudit("marginals by Gaussian noise alone (restated law)", setting, None, outcome)


def audit_fit(name: str, fit: Fit, setting: Setting, restarts: int = 30) -> RatioAudit:
    """A synthesizer as it is, on three binary columns: every run is a fit of its own. Works under every governor.

    Cost: ``trials`` and 6 ``restarts`` fits, each with about 1 ms for every primitive.
    """
    search, rng = setting.generators
    neighbors = worst_case(lambda tried: _searched(fit, setting, tried, search), setting.rows, search, restarts)
    tables = neighbors.coded

    def run(table: Counts, runs: int) -> Ratios:
        return log_ratios(fit, lambda: _recorded(setting, table, rng), tables, runs)

    def play(held: int, other: int) -> tuple[Ratios, Ratios]:
        return run(tables[0], held), run(tables[1], other)

    claim = Claim.of(setting.governor, setting.loss)
    return RatioAudit(name, setting, neighbors, played(play, claim, setting.trials, rng, alpha=setting.alpha))


def _searched(fit: Fit, setting: Setting, tried: WorstCase, rng: np.random.Generator) -> float:
    tables, found = tried.coded, 0.0
    for _ in range(_SEARCHED):
        paired = PairedQueryable.over(_recorded(setting, tables[0], rng), tables)
        fit(paired)
        found += paired.selection_divergence
    return found


def _recorded(setting: Setting, table: Counts, rng: np.random.Generator) -> RecordedQueryable:
    return RecordedQueryable(BINARY, table, setting.unit, setting.governor, setting.loss, rng)


def tree_ratios(
    law: TreeLaw, neighbors: WorstCase, held: int, other: int, rng: np.random.Generator
) -> tuple[Ratios, Ratios]:
    """The exact log-likelihood ratios of so many transcripts with and without the target's rows, float64."""

    def drawn(table: NDArray[np.int64], runs: int) -> Ratios:
        parts = [np.zeros(0)]
        for start in range(0, runs, _CHUNK):
            outputs, questions = law.drawn(table, min(_CHUNK, runs - start), rng)
            parts.append(law.log_ratios(outputs, questions, neighbors.table, neighbors.without))
        return np.concatenate(parts)

    return drawn(neighbors.table, held), drawn(neighbors.without, other)
