"""Linear reconstruction: secret bits of many persons at once from counts of the synthetic table.

Annamalai, Gadotti & Rocher, "A linear reconstruction approach for attribute inference attacks against synthetic data",
USENIX Security 2024: counts by quasi-identifiers and a secret bit are linear in the bits. Here the attacker holds a
list of fitted and held-out persons, without knowing which are which, so that the two groups differ by the fit alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.densities import MOST_CELLS
from dpsynth.audit.attacks.tables import AttackedTables, joined
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.domain import Clique
from dpsynth.errors import DomainError
from dpsynth.metrics import CodedTable

Bits = NDArray[np.bool_]

MOST_CLIQUES = 100
"""Marginals of the other columns that are asked for, drawn at random from the pairs, or triples of few columns."""

STEPS = 60
"""Steps of the least-squares solver: as many again change few bits."""

THREAT_MODEL = "holds the synthetic table and all columns but one of a list of persons, fitted ones among them"


def reconstruction(
    tables: AttackedTables, rng: np.random.Generator, secrets: Sequence[str] | None = None
) -> tuple[Observed, ...]:
    """For every secret column (default: every column) how many persons' bits are right, fitted against held-out.

    The bit: the code is at most the one that splits the synthetic rows most evenly. Least squares with a weak pull to
    the mean, then the largest solutions get the bit, as many as the synthetic table's share says. Sparse: memory and
    each step follow persons × marginals. Constant bits and tables of one column say nothing and are left out. Raises
    ``DomainError`` for an unknown column.
    """
    domain = tables.synthetic.domain
    for name in secrets or ():
        if name not in domain:
            raise DomainError("attribute not in the domain", where=name)
    persons = joined([tables.fitted, tables.held_out])
    if not (persons.rows and tables.synthetic.rows):
        return ()
    found = []
    for secret in domain if secrets is None else secrets:
        right = _right(persons, tables, secret, rng)
        if right is not None:
            split = tables.fitted.rows
            rates = Excess(Rate.of(right[:split]), Rate.of(right[split:]))
            facts = {"members": rates.members.value, "controls": rates.controls.value}
            where = f"column {secret}"
            found.append(
                Observed("inference", "linear reconstruction", THREAT_MODEL, where, "excess risk", rates, facts)
            )
    return tuple(found)


def _right(persons: CodedTable, tables: AttackedTables, secret: str, rng: np.random.Generator) -> Bits | None:
    """For every person whether the reconstructed bit is right; ``None`` if there is nothing to reconstruct."""
    synthetic = tables.synthetic
    code = _even_split(synthetic, secret)
    truth, flags = persons.columns[secret] <= code, synthetic.columns[secret] <= code
    cliques = _cliques(persons, secret, rng)
    if flags.all() or not flags.any() or not cliques:
        return None
    share = float(flags.mean())
    matrix, counted = _system(persons, synthetic, flags, cliques)
    scaled = counted * tables.fitted.rows / synthetic.rows
    solution = _solved(matrix, scaled, share * tables.fitted.rows / persons.rows)
    ones = round(share * persons.rows)
    guess = np.zeros(persons.rows, dtype=bool)
    # Equal solutions are told apart at random, or the order of the rows would decide.
    guess[np.lexsort((rng.random(persons.rows), -solution))[:ones]] = True
    right: Bits = guess == truth
    return right


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


def _system(
    persons: CodedTable, synthetic: CodedTable, flags: Bits, cliques: Sequence[Clique]
) -> tuple[Any, NDArray[np.float64]]:
    """Which persons every count sums over (sparse, counts × persons), and the synthetic rows with the bit in each."""
    from scipy.sparse import csr_array

    cells, counted, start = [], [], 0
    for clique in cliques:
        shape = persons.domain.shape(clique)
        ours, theirs = (
            np.ravel_multi_index([table.columns[name] for name in clique], shape) for table in (persons, synthetic)
        )
        # Cells without persons hold no unknown: they would be rows of zeros.
        occupied, places = np.unique(ours, return_inverse=True)
        cells.append(places + start)
        counted.append(np.bincount(theirs[flags], minlength=int(np.prod(shape)))[occupied])
        start += len(occupied)
    columns = np.tile(np.arange(persons.rows), len(cliques))
    matrix = csr_array((np.ones(len(columns)), (np.concatenate(cells), columns)), shape=(start, persons.rows))
    return matrix, np.concatenate(counted).astype(np.float64)


def _solved(matrix: Any, counts: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """The least-squares bits, float64, pulled to the mean where the counts say nothing."""
    from scipy.sparse.linalg import lsqr

    start = np.full(matrix.shape[1], mean)
    solution: NDArray[np.float64] = lsqr(matrix, counts - matrix @ start, damp=1e-3, iter_lim=STEPS)[0]
    return start + solution
