"""Small domains: every marginal of one order is measured once, and the full joint table is fitted to them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from dpsynth.domain import Domain
from dpsynth.graph.residual import fit_joint
from dpsynth.models import MarkovRandomField, Model
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import Noise, crowded, expected_words
from dpsynth.synthesizers.estimation import JOINT_CELLS
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported

_COLUMNS, _CODES, _MEAN_CODES = 20, 16, 4
"""At most this many columns, codes of one column, and codes in the geometric mean of columns that vary: with more codes
the sums of large noisy tables serve one-ways and pairs worse than asking for those themselves.
"""

_QUESTIONS, _ANSWER_CELLS = 2048, 1 << 20
"""At most this many marginals, and cells of all of them."""

_UNKNOWN = 1e9
"""The variance, in rows², that counts for an interaction that nobody measures."""


@dataclass(frozen=True)
class DenseJoint:
    """All k-way marginals at one scale with the whole loss, k from the domain alone (``best_order``)."""

    name: ClassVar[str] = "dense"
    without_delta: ClassVar[bool] = False

    @staticmethod
    def suits(domain: Domain) -> bool:
        """Whether the joint table is small enough, and there is something to join."""
        varying = [size for size in domain.sizes if size > 1]
        most = min(JOINT_CELLS, _MEAN_CODES ** len(varying))
        return 1 < len(domain) <= _COLUMNS and max(domain.sizes) <= _CODES and math.prod(varying) <= most

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price; ``cells``: of the joint table."""
        order = best_order(domain)
        cliques = domain.cliques(order)
        noise, weights = Noise.planned(unit, governor), [1] * len(cliques)
        scale = max(noise.joint(loss, weights))
        cells = domain.cells(domain.attributes)
        seen = [scale * spread for spread in _one_way_spreads(domain, order)]
        return Plan(
            method=self.name,
            settings={"order": order},
            steps=(PlanStep(f"all {order}-way marginals", Fraction(1), loss.rho_exact, len(cliques), scale),),
            cells=cells,
            bytes=64 * 8 * cells + 32 * sum(domain.cells(clique) for clique in cliques),
            workload=cliques,
            expected_error=expected_words(domain, seen, rows_guess),
            warnings=tuple(crowded(domain, seen, rows_guess)),
            fixed_mu2=noise.fixed_mu2(loss, weights),
        )

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The joint distribution; spends all that remains in one measurement."""
        order = best_order(queryable.domain)
        answers = queryable.measure(queryable.domain.cliques(order), queryable.remaining)
        tree, convergence = fit_joint(queryable.domain, answers)
        return Model(MarkovRandomField(tree), answers, self.name, {"order": order}, convergence)


def best_order(domain: Domain) -> int:
    """The k for which measuring all k-way marginals, at one scale and a fixed loss, serves pairs and triples best.

    A larger k wastes little: a k-way answer holds every subset, and each subset is answered by many cliques at once.
    Columns, marginals and cells bound k.
    """
    orders = [1]
    for order in range(2, len(domain) + 1):
        if math.comb(len(domain), order) > _QUESTIONS:
            break
        if sum(domain.cells(clique) for clique in domain.cliques(order)) > _ANSWER_CELLS:
            break
        orders.append(order)
    return min(orders, key=lambda order: _workload_error(domain, order))


def _one_way_spreads(domain: Domain, order: int) -> list[float]:
    """For every attribute the noise of its one-way counts, merged from all answers, in scales of one answer."""
    spreads = []
    for attribute in domain:
        cells = [domain.cells(clique) for clique in domain.cliques(order) if attribute in clique]
        spreads.append(1.0 / math.sqrt(sum(domain[attribute] / count for count in cells)))
    return spreads


def _workload_error(domain: Domain, order: int) -> float:
    """The mean L1 error of unshrunk pairs plus that of triples, in scales of one question asked with the whole loss.

    The coefficients of a set of axes A have the variance C(d, k) / e(sizes outside A), e the elementary symmetric
    polynomial of degree d − k: what all k-way answers that hold A say together.
    """
    sizes = np.array(domain.sizes, dtype=np.float64)
    variances: dict[tuple[int, ...], float] = {}

    def variance(axes: tuple[int, ...]) -> float:
        if axes not in variances:
            symmetric = np.zeros(len(sizes) - len(axes) + 1)
            symmetric[0] = 1.0
            for size in np.delete(sizes, axes):
                symmetric[1:] += size * symmetric[:-1]
            known = len(axes) <= order
            variances[axes] = math.comb(len(sizes), order) / symmetric[len(sizes) - order] if known else _UNKNOWN
        return variances[axes]

    def error(clique: tuple[int, ...]) -> float:
        inside = itertools.chain.from_iterable(
            itertools.combinations(clique, count) for count in range(1, len(clique) + 1)
        )
        return math.sqrt(sum(math.prod(sizes[list(axes)] - 1) * variance(axes) for axes in inside))

    groups = [list(itertools.combinations(range(len(sizes)), ways)) for ways in (2, 3)]
    return sum(sum(map(error, group)) / max(len(group), 1) for group in groups)
