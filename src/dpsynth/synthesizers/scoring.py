"""Selection (McKenna et al. 2022, Algorithm 2, lines 6 to 8): who is a candidate, and what a candidate is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dpsynth.domain import Clique, Domain
from dpsynth.errors import ResourceLimitError
from dpsynth.graph.factors import Values
from dpsynth.graph.growth import ModelSize
from dpsynth.graph.incremental import IncrementalField
from dpsynth.graph.junction import junction_tree
from dpsynth.graph.sharing import SharedMarginals
from dpsynth.privacy.laws import COUNT_LIMIT, PENALTY_LIMIT
from dpsynth.privacy.queryable import Candidate
from dpsynth.synthesizers.allocation import MEAN_ABSOLUTE
from dpsynth.synthesizers.estimation import CELL_BYTES
from dpsynth.synthesizers.workload import Workload

Score = Literal["estimator", "published"]

OFFERED = 1_024
"""At most this many candidates are offered in one round; with more, rounds take turns."""


def noise_error(expected: Values, scale: float, score: Score) -> float:
    """The L1 error that measuring a clique at this scale is expected to leave, rows.

    ``published``: √(2/π) σ n_r, the error of the raw noisy counts. ``estimator``: what remains after shrinkage, at most
    2 x̂ in a cell: where the model expects fewer rows than noise, measuring teaches nothing, and rows that are elsewhere
    count there and where they are.
    """
    if score == "published":
        return MEAN_ABSOLUTE * scale * expected.size
    return float(np.minimum(MEAN_ABSOLUTE * scale, 2 * expected).sum())


@dataclass(frozen=True, eq=False)
class Offer:
    """The candidates of one round: cliques, what the model expects of them, and the question that asks for the best.

    ``errors``: what measuring each would leave, rows.
    """

    cliques: tuple[Clique, ...]
    expected: tuple[Values, ...]
    errors: tuple[float, ...]
    candidates: tuple[Candidate, ...]


def offer(field: IncrementalField, cliques: Sequence[Clique], workload: Workload, scale: float, score: Score) -> Offer:
    """Score these cliques: w_r (‖x_r − x̂_r‖₁ − error), weights and penalties as integers."""
    expected = SharedMarginals(field.calibrated).marginals(cliques)
    errors = [noise_error(values, scale, score) for values in expected]
    candidates = [
        Candidate(
            clique,
            np.minimum(np.rint(values), COUNT_LIMIT).astype(np.int64),
            workload.scores[clique],
            round(min(workload.scores[clique] * error, float(PENALTY_LIMIT // 2))),
        )
        for clique, values, error in zip(cliques, expected, errors, strict=True)
    ]
    return Offer(tuple(cliques), tuple(expected), tuple(errors), tuple(candidates))


def admitted(
    field: IncrementalField, cliques: Sequence[Clique], limit: float, turn: int, refused: dict[Clique, int]
) -> tuple[Clique, ...]:
    """The candidates C_t of a round: the cliques whose model stays within ``limit`` cells, or that it holds already.

    Above ``OFFERED`` cliques only every k-th is looked at, beginning with another one each ``turn``. ``refused`` keeps
    the cells that a clique was refused for: a model only grows, so until the limit reaches them nobody asks again.
    """
    stride = max(-(-len(cliques) // OFFERED), 1)
    size = field.size
    found = []
    for clique in cliques[turn % stride :: stride]:
        if not size.holds(clique):
            if refused.get(clique, 0) > limit:
                continue
            cells = size.cells(clique, limit)
            if cells > limit:
                refused[clique] = cells
                continue
        found.append(clique)
    return tuple(found)


def check_smallest(domain: Domain, workload: Workload, max_model_size: int) -> None:
    """Raise ``ResourceLimitError`` for a limit in bytes that not even the smallest candidate fits into."""
    size = ModelSize(domain, junction_tree(domain, []), ())
    least = min((size.cells(clique, math.inf) for clique in workload.closure), default=0) * CELL_BYTES
    if least > max_model_size:
        raise ResourceLimitError(
            f"no two columns fit into a model of {max_model_size:,} bytes",
            where="max_model_size",
            hint=f"Set it to at least {least}.",
        )
