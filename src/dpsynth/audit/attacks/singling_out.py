"""Singling out: does a description read off one synthetic row fit exactly one person? (WP216, section 2.2)"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.tables import AttackedTables, row_numbers
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.errors import UsageError

FEWEST = 30
"""With fewer predicates of one size in the whole table, they are counted with those of the next size."""

MOST_SETS = 60
"""Column sets of one size that predicates are taken from."""

THREAT_MODEL = "holds the synthetic table alone"


def singling_out(
    tables: AttackedTables, rng: np.random.Generator, *, sizes: Sequence[int] = (1, 3, 6), attempts: int = 2_000
) -> tuple[Observed, ...]:
    """For each number of columns: predicates that one synthetic row alone fulfills, and whom they isolate.

    A predicate is the equality of some columns with a synthetic row's codes. It succeeds on a member when it fits
    exactly one row of the fitted and the held-out rows together and that row was fitted, on a control when that row
    was held out; there are fitted/held-out times more members to be hit (``Excess.factor``). At most ``attempts``
    distinct predicates, from at most ``MOST_SETS`` random column sets; one rate per size (``FEWEST`` aside), none for
    more columns than there are. After Giomi et al. 2023, section 4.1, with the number of predicates that were *found*
    as the denominator.
    """
    if attempts < 1 or any(size < 1 for size in sizes):
        raise UsageError("the number of attempts and of columns of a predicate are at least 1")
    wanted = sorted({size for size in sizes if size <= len(tables.synthetic.domain)})
    factor = tables.fitted.rows / tables.held_out.rows if tables.held_out.rows else 1.0
    found, pooled, hits = [], [], np.zeros((2, 0), dtype=bool)
    for size in wanted:
        sets = _column_sets(tables.synthetic.domain.attributes, size, rng)
        hits = np.concatenate([hits, _hits(tables, sets, attempts, rng)], axis=1)
        pooled.append(str(size))
        if hits.shape[1] < FEWEST and size != wanted[-1]:
            continue
        estimate = Excess(Rate.of(hits[0]), Rate.of(hits[1] if tables.held_out.rows else hits[1, :0]), factor)
        words = f"{' and '.join(pooled)} column" + ("s" if pooled != ["1"] else "")
        found.append(Observed("singling out", "predicates", THREAT_MODEL, words, "excess risk", estimate))
        pooled, hits = [], hits[:, :0]
    return tuple(found)


def _column_sets(names: Sequence[str], size: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    if math.comb(len(names), size) <= MOST_SETS:
        return list(itertools.combinations(names, size))
    drawn = {tuple(sorted(rng.choice(len(names), size, replace=False).tolist())) for _ in range(MOST_SETS)}
    return [tuple(names[i] for i in numbers) for numbers in sorted(drawn)]


def _hits(
    tables: AttackedTables, sets: Sequence[tuple[str, ...]], attempts: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """For every predicate whether it isolates a member, and whether it isolates a control: shape (2, predicates)."""
    everything = (tables.synthetic, tables.fitted, tables.held_out)
    each = -(-attempts // len(sets))
    hits = np.zeros((2, 0), dtype=bool)
    for columns in sets:
        numbers = row_numbers(everything, columns)
        cells = max((int(part.max()) + 1 for part in numbers if len(part)), default=0)
        synthetic, fitted, held_out = (np.bincount(part, minlength=cells) for part in numbers)
        unique = np.flatnonzero(synthetic == 1)
        drawn = rng.permutation(unique)[:each]
        alone = fitted[drawn] + held_out[drawn] == 1
        hits = np.concatenate([hits, alone & np.stack([fitted[drawn] == 1, held_out[drawn] == 1])], axis=1)
    found: NDArray[np.bool_] = hits[:, rng.permutation(hits.shape[1])[:attempts]]
    return found
