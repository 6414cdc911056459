"""The k-anonymity view: equivalence classes of a released table, and which of its unique rows are somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.audit.attacks.tables import AttackedTables, row_numbers
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.domain import Clique
from dpsynth.errors import UsageError
from dpsynth.metrics import CodedTable

MATCHING = "knows the quasi-identifiers of everybody and looks for rows of one person"
SUPPORT = "knows a code that only one person holds and looks whether the release has it"


def equivalence_classes(table: CodedTable, quasi: Clique) -> dict[str, float]:
    """The number of classes, the smallest one's rows, the rows alone in theirs; of an empty table all zero."""
    (numbers,) = row_numbers([table], quasi)
    sizes = np.bincount(numbers)
    return {
        "classes": float(len(sizes)),
        "smallest": float(sizes.min()) if len(sizes) else 0.0,
        "alone": float(np.count_nonzero(sizes == 1)),
        "rows": float(table.rows),
    }


def unique_matches(tables: AttackedTables, quasi: Sequence[str] | None = None) -> Observed:
    """Of the persons who are alone with their ``quasi`` codes (default: all columns), how many are met by a synthetic
    row that is alone with them too: fitted persons against held-out ones.

    Alone means among fitted and held-out rows together. ``facts``: the synthetic table's equivalence classes. Raises
    ``DomainError`` for an unknown column.
    """
    clique = tables.synthetic.domain.canonical(tables.synthetic.domain if quasi is None else quasi)
    counts = _counts(tables, clique)
    alone = counts[1] + counts[2] == 1
    met = counts[0] == 1
    members, controls = (Rate.of(met[alone & (part == 1)]) for part in counts[1:])
    return Observed(
        "equivalence classes",
        "unique matches",
        MATCHING,
        "quasi-identifiers" if quasi is not None else "all columns",
        "excess risk",
        Excess(members, controls),
        equivalence_classes(tables.synthetic, clique),
    )


def support(tables: AttackedTables, undeclared: int = 0) -> Observed:
    """Of the codes that one person alone holds, how many the synthetic table has: fitted persons against held-out.

    A domain read from the data has the codes of fitted persons and of nobody else. Codes of all columns together.
    ``undeclared``: values that one held-out person alone holds and that the release's domain has no code for: they are
    tried on controls without success. Raises ``UsageError`` for a negative number.
    """
    if undeclared < 0:
        raise UsageError("the number of undeclared values is at least 0")
    sides: list[list[Any]] = [[], []]
    for name in tables.synthetic.domain:
        synthetic, fitted, held_out = _counts(tables, (name,))
        for side, own in zip(sides, (fitted, held_out), strict=True):
            side.append(synthetic[(fitted + held_out == 1) & (own == 1)] > 0)
    sides[1].append(np.zeros(undeclared, dtype=bool))
    members, controls = (Rate.of(np.concatenate([np.zeros(0, dtype=bool), *side])) for side in sides)
    estimate = Excess(members, controls)
    return Observed("membership", "support", SUPPORT, "codes of one person", "excess risk", estimate)


def has_rare_code(synthetic: CodedTable, attribute: str, code: int) -> bool:
    """Whether any synthetic row holds this code: the guess of the support attack on one planted record."""
    return bool((synthetic.columns[attribute] == code).any())


def _counts(tables: AttackedTables, clique: Clique) -> list[Any]:
    """How many synthetic, fitted and held-out rows there are in every occupied cell."""
    numbers = row_numbers((tables.synthetic, tables.fitted, tables.held_out), clique)
    cells = max((int(part.max()) + 1 for part in numbers if len(part)), default=0)
    return [np.bincount(part, minlength=cells) for part in numbers]
