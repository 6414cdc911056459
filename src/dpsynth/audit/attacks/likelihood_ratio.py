"""The exact likelihood ratio of one record against the noisy marginals that a model keeps.

The attacker knows every other row: what is left is whether the answers are those of the table with the record or
without it. No attacker who sees the answers, or whatever was computed from them, tells better from the marginals
alone; selections are not part of the ratio, so the whole transcript can tell more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import DomainError
from dpsynth.metrics import CodedTable
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.laws import discrete_gaussian_log_probability, discrete_laplace_log_probability

Values = NDArray[np.float64]


def log_likelihood_ratios(
    rows: CodedTable, fitted: CodedTable, answers: Sequence[NoisyMarginal], *, members: bool
) -> Values:
    """Of every row log P[answers | others and the row] − log P[answers | others], nats, float64.

    ``others`` are all fitted rows: without the row itself when the rows are ``members`` (each one row of ``fitted``).
    For refits of a fixed table with and without one record, hand in the table with it and ``members``, whichever was
    fitted: a positive ratio guesses that the record was in (``rates.Guesses``).
    Exact if every fitted row was counted, one row per unit. Cost: the cells of the answers and one look-up per row
    and answer. Raises ``DomainError`` if an answer does not fit the domain.
    """
    total = np.zeros(rows.rows)
    for answer in answers:
        counts, cells = _counted(fitted, answer), cells_of(rows, answer)
        noise = answer.values.ravel() - counts
        # A member's answers were drawn around the count with it, so without it the noise would be one more.
        given, otherwise = (noise, noise + 1) if members else (noise - 1, noise)
        ratios = _log_probability(answer, given) - _log_probability(answer, otherwise)
        total += ratios[cells]
    return total


def _counted(table: CodedTable, answer: NoisyMarginal) -> NDArray[np.int64]:
    return np.bincount(cells_of(table, answer), minlength=answer.values.size).astype(np.int64, copy=False)


def cells_of(table: CodedTable, answer: NoisyMarginal) -> NDArray[np.int64]:
    """The cell of an answer that every row falls into, int64, in C order; ``DomainError`` if it does not fit."""
    buckets = {name: np.array(mapped, dtype=np.int64) for name, mapped in answer.coarsening}
    table.domain.check_clique(answer.clique)
    fits = (len(buckets.get(name, range(table.domain[name]))) == table.domain[name] for name in answer.clique)
    coarse = (int(buckets[name].max()) + 1 if name in buckets else table.domain[name] for name in answer.clique)
    if not all(fits) or answer.values.shape != tuple(coarse):
        raise DomainError("a noisy marginal does not fit the tables' domain", where=",".join(answer.clique))
    codes: list[Any] = [
        buckets[name][table.columns[name]] if name in buckets else table.columns[name].astype(np.int64)
        for name in answer.clique
    ]
    if not codes:
        return np.zeros(table.rows, dtype=np.int64)
    found: NDArray[np.int64] = np.ravel_multi_index(codes, answer.values.shape)
    return found


def _log_probability(answer: NoisyMarginal, noise: NDArray[np.int64]) -> Values:
    law = discrete_laplace_log_probability if answer.law == "laplace" else discrete_gaussian_log_probability
    return law(noise, answer.scale)
