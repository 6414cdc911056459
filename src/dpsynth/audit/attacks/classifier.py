"""A classifier that tells synthetic rows from the population: a record that it takes for synthetic counts as fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.tables import first, joined
from dpsynth.metrics import CodedTable

Values = NDArray[np.float64]

PENALTY = 1.0
"""Half of the squared weights times this is added to the loss, in nats of the whole sample."""


def synthetic_log_odds(rows: CodedTable, synthetic: CodedTable, reference: CodedTable) -> Values:
    """Of every row the log odds, nats, that it is synthetic: logistic regression with one weight per code.

    Trained on as many synthetic as reference rows (the top of both tables), which leaves it no weight for a mere
    difference in size. Zeros when either has no rows. Source: Hayes et al., "LOGAN", PoPETs 2019, black-box attack with
    auxiliary knowledge.
    """
    from scipy.optimize import minimize

    size = min(synthetic.rows, reference.rows)
    if not size:
        return np.zeros(rows.rows)
    trained = _places(joined([first(synthetic, size), first(reference, size)]))
    signs = np.repeat([1.0, -1.0], size)

    def loss(weights: Values) -> tuple[float, Values]:
        margins = signs * weights[trained].sum(axis=0)
        pull = -signs / (1 + np.exp(np.clip(margins, -500, 500)))
        pulls = np.broadcast_to(pull, trained.shape)
        gradient = np.bincount(trained.ravel(), weights=pulls.ravel(), minlength=len(weights))
        value = np.logaddexp(0, -margins).sum() + PENALTY / 2 * weights @ weights
        return float(value), gradient + PENALTY * weights

    start = np.zeros(sum(rows.domain.sizes))
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    odds: Values = found.x[_places(rows)].sum(axis=0)
    return odds


def _places(table: CodedTable) -> NDArray[np.int64]:
    """The weight of every code of every row, shape (attributes, rows)."""
    offsets = np.cumsum([0, *table.domain.sizes])
    parts = [table.columns[name].astype(np.int64) + offsets[k] for k, name in enumerate(table.domain)]
    return np.array(parts, dtype=np.int64).reshape(len(parts), table.rows)
