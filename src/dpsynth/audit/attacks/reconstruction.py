"""Linear reconstruction: secret bits of many persons at once, from counts of the synthetic table or of the model.

Annamalai, Gadotti & Rocher, "A linear reconstruction approach for attribute inference attacks against synthetic data",
USENIX Security 2024: counts by quasi-identifiers and a secret bit are linear in the bits. Here the attacker holds a
list of fitted and held-out persons, without knowing which are which, so that the two groups differ by the fit alone.
Why least squares and no linear program: ``docs/reference/attacks.md``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.densities import MOST_CELLS
from dpsynth.audit.attacks.likelihood_ratio import cells_of
from dpsynth.audit.attacks.tables import AttackedTables, joined
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.domain import Clique
from dpsynth.errors import DomainError
from dpsynth.metrics import CodedTable
from dpsynth.privacy.answers import NoisyMarginal

Bits = NDArray[np.bool_]

MOST_CLIQUES = 100
"""Marginals of the other columns that are asked for, drawn at random from the pairs, or triples of few columns."""

STEPS = 60
"""Steps of the least-squares solver: as many again change few bits."""

TABLE = ("linear reconstruction", "holds the synthetic table and all columns but one of a list of persons, some fitted")
MODEL = (
    "linear reconstruction from the model",
    "holds the model with its noisy marginals and all columns but one of a list of persons, some fitted",
)
"""Each attacker's name and what he has."""


def reconstruction(
    tables: AttackedTables,
    rng: np.random.Generator,
    secrets: Sequence[str] | None = None,
    answers: Sequence[NoisyMarginal] = (),
) -> tuple[Observed, ...]:
    """For every secret column (default: every column) how many persons' bits are right, fitted against held-out.

    The bit: the code is at most the one that splits the synthetic rows most evenly. Least squares with a weak pull to
    the mean, then the largest solutions get the bit, as many as the synthetic table's share says: on the counts of the
    synthetic table, and on the model's ``answers`` that hold the column, each weighted by its noise. Sparse: memory
    and each step follow persons × marginals. Constant bits, tables of one column and columns without an answer say
    nothing and are left out. Raises ``DomainError`` for an unknown column or an answer that does not fit.
    """
    domain = tables.synthetic.domain
    for name in secrets or ():
        if name not in domain:
            raise DomainError("attribute not in the domain", where=name)
    persons = joined([tables.fitted, tables.held_out])
    if not (persons.rows and tables.synthetic.rows):
        return ()
    found: list[Observed] = []
    for secret in domain if secrets is None else secrets:
        code = _even_split(tables.synthetic, secret)
        bits = persons.columns[secret] <= code
        share = float((tables.synthetic.columns[secret] <= code).mean())
        if not 0 < share < 1:
            continue
        systems = (
            (TABLE, _of_table(persons, tables, secret, code, rng)),
            (MODEL, _of_answers(persons, answers, secret, code)),
        )
        for attacker, system in systems:
            if system is not None:
                right = _guessed(*system, share, tables.fitted.rows, rng) == bits
                found.append(_observed(attacker, secret, right, tables.fitted.rows))
    return tuple(found)


def _guessed(matrix: Any, counts: NDArray[np.float64], share: float, fitted: int, rng: np.random.Generator) -> Bits:
    """The persons with the largest solutions, as many as the share says."""
    persons = matrix.shape[1]
    solution = _solved(matrix, counts, share * fitted / persons)
    guess = np.zeros(persons, dtype=bool)
    # Equal solutions are told apart at random, or the order of the rows would decide.
    guess[np.lexsort((rng.random(persons), -solution))[: round(share * persons)]] = True
    return guess


def _observed(attacker: tuple[str, str], secret: str, right: Bits, fitted: int) -> Observed:
    rates = Excess(Rate.of(right[:fitted]), Rate.of(right[fitted:]))
    facts = {"members": rates.members.value, "controls": rates.controls.value}
    return Observed("inference", *attacker, f"column {secret}", "excess risk", rates, facts)


def _even_split(table: CodedTable, attribute: str) -> int:
    below = np.cumsum(np.bincount(table.columns[attribute]))
    return int(np.abs(2 * below - table.rows).argmin())


def _cliques(persons: CodedTable, secret: str, rng: np.random.Generator) -> list[Clique]:
    others = [name for name in persons.domain if name != secret]
    ways = min(3 if len(others) <= 10 else 2, len(others))
    if not ways:
        return []
    found = [c for c in itertools.combinations(others, ways) if persons.domain.cells(c) <= MOST_CELLS]
    if len(found) <= MOST_CLIQUES:
        return found
    return [found[i] for i in sorted(rng.choice(len(found), MOST_CLIQUES, replace=False).tolist())]


def _of_table(
    persons: CodedTable, tables: AttackedTables, secret: str, code: int, rng: np.random.Generator
) -> tuple[Any, NDArray[np.float64]] | None:
    """Which persons every count sums over (sparse, counts × persons), and the synthetic rows with the bit in each,
    scaled to the fitted rows; ``None`` without other columns.
    """
    synthetic, found = tables.synthetic, []
    flags = synthetic.columns[secret] <= code
    for clique in _cliques(persons, secret, rng):
        shape = persons.domain.shape(clique)
        ours, theirs = (
            np.ravel_multi_index([table.columns[name] for name in clique], shape) for table in (persons, synthetic)
        )
        counted = np.bincount(theirs[flags], minlength=int(np.prod(shape)))
        found.append((ours, counted * tables.fitted.rows / synthetic.rows, 1.0))
    return _stacked(found)


def _of_answers(
    persons: CodedTable, answers: Sequence[NoisyMarginal], secret: str, code: int
) -> tuple[Any, NDArray[np.float64]] | None:
    """The same with the noisy counts of every answer that tells the bit, in units of their noise.

    Codes that were counted together have the bit if all of them do.
    """
    found = []
    for answer in answers:
        ones = _buckets_up_to(code, answer, secret)
        if not ones.any():
            continue
        axis = answer.clique.index(secret)
        counted = np.moveaxis(answer.values, axis, -1)[..., ones].sum(axis=-1)
        places = np.unravel_index(cells_of(persons, answer), answer.values.shape)
        others = [place for number, place in enumerate(places) if number != axis]
        cells = np.ravel_multi_index(others, counted.shape) if others else np.zeros(persons.rows, dtype=np.int64)
        found.append((cells, counted.ravel(), 1 / (answer.scale * math.sqrt(ones.sum()))))
    return _stacked(found)


def _buckets_up_to(code: int, answer: NoisyMarginal, secret: str) -> Bits:
    """Which places along the axis of the secret column hold codes with the bit alone; none without such an axis."""
    if secret not in answer.clique:
        return np.zeros(0, dtype=bool)
    buckets = dict(answer.coarsening).get(secret)
    if buckets is None:
        return np.arange(answer.values.shape[answer.clique.index(secret)]) <= code
    largest = np.zeros(max(buckets) + 1, dtype=np.int64)
    np.maximum.at(largest, np.array(buckets), np.arange(len(buckets)))
    return largest <= code


def _stacked(parts: Sequence[tuple[Any, Any, float]]) -> tuple[Any, NDArray[np.float64]] | None:
    """One system of all parts: the cell that every person is counted in, the counts, and the weight of each count."""
    from scipy.sparse import csr_array

    if not parts:
        return None
    rows, counts, weights, start = [], [], [], 0
    for cells, counted, weight in parts:
        # Cells without persons hold no unknown: they would be rows of zeros.
        occupied, places = np.unique(cells, return_inverse=True)
        rows.append(places + start)
        counts.append(weight * counted[occupied])
        weights.append(np.full(len(places), weight))
        start += len(occupied)
    persons = len(rows[0])
    columns = np.tile(np.arange(persons), len(parts))
    matrix = csr_array((np.concatenate(weights), (np.concatenate(rows), columns)), shape=(start, persons))
    return matrix, np.concatenate(counts)


def _solved(matrix: Any, counts: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """The least-squares bits, float64, pulled to the mean where the counts say nothing."""
    from scipy.sparse.linalg import lsqr

    start = np.full(matrix.shape[1], mean)
    solution: NDArray[np.float64] = lsqr(matrix, counts - matrix @ start, damp=1e-3, iter_lim=STEPS)[0]
    return start + solution
