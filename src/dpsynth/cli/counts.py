"""The counts of a few columns, each with its interval, as ``show`` prints them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from dpsynth.cli.layout import table
from dpsynth.errors import ResourceLimitError, UsageError

if TYPE_CHECKING:
    from dpsynth.models import MarginalInterval, Model

PRINTED_CELLS = 100_000
"""Larger marginals are for programs, not for a terminal."""


def marginal_of(model: Model, text: str, level: float) -> MarginalInterval:
    """The marginal of the columns in ``COL[,COL...]``; a column whose name holds a comma can be asked for alone.

    ``UsageError`` for columns that the model does not have, ``ResourceLimitError`` for too many cells.
    """
    names = (text,) if text in model.domain else tuple(text.split(","))
    unknown = [name for name in names if name not in model.domain]
    if unknown or len(set(names)) < len(names):
        raise UsageError(
            "a column appears twice" if not unknown else f"the model has no column {unknown[0]!r}",
            where="--marginal",
            hint="dpsynth show MODEL lists its columns; separate several by commas.",
        )
    cells = model.domain.cells(names)
    if cells > PRINTED_CELLS:
        raise ResourceLimitError(
            f"the marginal has {cells:,} cells, and at most {PRINTED_CELLS:,} are printed",
            where="--marginal",
            hint="Name fewer columns, or call Model.marginal in Python.",
        )
    return model.marginal(names, interval=level)


def counts_record(counts: MarginalInterval) -> dict[str, object]:
    """The marginal as JSON-able data: nested lists, one level per column; null where there is no standard error."""
    error = counts.standard_error.astype(object)
    error[error != error] = None  # noqa: PLR0124 (NaN is the value that differs from itself)
    return {
        "columns": list(counts.clique),
        "labels": {name: list(labels) for name, labels in counts.labels.items()},
        "level": counts.level,
        "basis": counts.basis,
        "estimate": counts.estimate.tolist(),
        "lower": counts.lower.tolist(),
        "upper": counts.upper.tolist(),
        "standard_error": error.tolist(),
    }


def counts_words(counts: MarginalInterval) -> str:
    """A line per cell, in whole rows: intervals are rounded outward."""
    names = itertools.product(*(counts.labels[name] for name in counts.clique))
    arrays = (counts.estimate, counts.lower, counts.upper, counts.standard_error)
    lines = [
        (*cell, f"{estimate:,.0f}", f"{math.floor(lower):,}", f"{math.ceil(upper):,}", _error(error))
        for cell, estimate, lower, upper, error in zip(names, *(array.flat for array in arrays), strict=True)
    ]
    chance = f"each true count lies from lower to upper with chance {counts.level:g}"
    head = f"Counts of the rows that entered the fit; {chance}."
    return f"{head}\n\n{table((*counts.clique, 'estimate', 'lower', 'upper', 'std. error'), lines)}"


def _error(error: float) -> str:
    return "bounds only" if math.isnan(error) else f"{error:,.1f}"
