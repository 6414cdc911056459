"""Inference: is a column of a person guessed better because that person was fitted? (WP216, section 2.2)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.distances import blocks
from dpsynth.audit.attacks.tables import AttackedTables, Targets, taken
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.errors import DomainError
from dpsynth.metrics import CodedTable

THREAT_MODEL = "holds the synthetic table and all columns of a person but one"


def inference(
    tables: AttackedTables,
    targets: Targets,
    reference: CodedTable,
    rng: np.random.Generator,
    secrets: Sequence[str] | None = None,
) -> tuple[Observed, ...]:
    """For every secret column (default: every column) guesses from the nearest synthetic row on all other columns.

    Right guesses for members against right guesses for controls: what belonging to the fit adds (Giomi et al. 2023,
    section 4.3; equality of codes). ``facts`` hold both rates and the ``baseline``, right guesses for the same members
    from ``reference`` rows of the population: what the release adds beyond that, it adds about everybody, fitted or
    not, so it is shown and not judged. A table with one column gives nothing. Raises ``DomainError`` for an unknown
    column.
    """
    names = tables.synthetic.domain.attributes
    for name in secrets or ():
        if name not in tables.synthetic.domain:
            raise DomainError("attribute not in the domain", where=name)
    numbers = [names.index(name) for name in (names if secrets is None else secrets)]
    if len(names) < 2:
        return ()
    synthetic = taken(tables.synthetic, rng.permutation(tables.synthetic.rows))
    members = _right(targets.members, synthetic, numbers)
    controls = _right(targets.controls, synthetic, numbers)
    baseline = _right(targets.members, reference, numbers)
    found = []
    for number, own, other, known in zip(numbers, members, controls, baseline, strict=True):
        facts = {"members": own.value, "controls": other.value, "baseline": known.value}
        where, estimate = f"column {names[number]}", Excess(own, other)
        found.append(Observed("inference", "nearest neighbor", THREAT_MODEL, where, "excess risk", estimate, facts))
    return tuple(found)


def _right(rows: CodedTable, source: CodedTable, secrets: Sequence[int]) -> list[Rate]:
    """Of every secret column how often the nearest row of ``source`` on all others has the same code."""
    right: NDArray[np.bool_] = np.zeros((len(secrets), rows.rows if source.rows else 0), dtype=bool)
    everything = range(len(rows.domain))
    for block in blocks(rows, source):
        total = block.distances(everything)
        lines = np.arange(len(total))
        for place, secret in enumerate(secrets):
            unequal = block.unequal(secret)
            nearest = (total - unequal).argmin(axis=1)
            right[place, block.targets] = ~unequal[lines, nearest]
    return [Rate.of(flags) for flags in right]
