"""The Python front door: the journeys of the command line for people who hold a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dpsynth.ledger import Ledger
from dpsynth.models import Model
from dpsynth.pipeline import fit as journey
from dpsynth.pipeline.plan import DEFAULT_DELTA, DEFAULT_MEMORY_LIMIT, DEFAULT_METHOD, Number
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema


def fit(
    data: Any,
    schema: Schema | str | Path | None = None,
    *,
    epsilon: Number | None = None,
    share: Number | None = None,
    delta: Number = DEFAULT_DELTA,
    method: str = DEFAULT_METHOD,
    unit: Unit | str | None = None,
    pool: str | None = None,
    purpose: str | None = None,
    ledger: Ledger | str | Path | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    discover_share: Number | None = None,
    max_stability: int = 1,
    holdout: Number | None = None,
    holdout_file: str | Path | None = None,
    **settings: Any,
) -> Model:
    """A model of ``data`` under (epsilon, delta)-differential privacy, paid from the ledger.

    Without a ``schema`` the domain is discovered under the same guarantee, for at most ``discover_share`` of the
    budget (default 1/3): only the column names are taken as public, and ``model.schema`` is what was learned. Without
    ``unit`` that protects one *row*.

    ``data``: a pandas, polars or pyarrow table, anything with an Arrow stream, or a path to CSV, Parquet or Arrow.
    ``ledger``: a ``Ledger``, a path, or ``None`` for the default one, which the command line uses too. An unknown pool
    is created with this budget as its cap, governed by GDP, or by pure epsilon when ``delta`` is 0; a pool that exists
    keeps its governor. ``settings`` go to the method. ``max_stability``: what was done to the table before, by its
    sidecar, may multiply all noise by so much at the same epsilon; beyond it, ``NoGuaranteeError``. ``holdout``: a
    share of the units, such as ``"10%"``, is kept out of the fit as the control group of an audit; the key that tells
    them again is written to ``holdout_file``, for its owner alone.

    Raises ``SchemaError``, ``DataMismatchError``, ``NoGuaranteeError`` and ``ResourceLimitError`` before anything is
    spent; ``BudgetExceededError`` when the pool refuses. A failure after the first row was read forfeits the
    reservation. Cost: two passes over the data or fewer.

    >>> import pandas, dpsynth
    >>> frame = pandas.DataFrame({"smoker": ["yes", "no"] * 500, "age": [30, 40, 50, 60] * 250})
    >>> schema = dpsynth.Schema.loads('''
    ... dpsynth: {version: 1, name: visits, unit: row}
    ... fields:
    ...   - {name: smoker, type: string, constraints: {required: true, enum: ["yes", "no"]},
    ...      dpsynth: {source: public, "null": "no"}}
    ...   - {name: age, type: integer, constraints: {required: true, minimum: 18, maximum: 97},
    ...      dpsynth: {source: public, "null": 18, bins: {width: 20}}}
    ... ''')
    >>> ledger = dpsynth.Ledger.in_memory()
    >>> model = dpsynth.fit(frame, schema, epsilon=1, ledger=ledger)
    >>> model.sample(3, where="smoker=yes", seed=1).columns.tolist()
    ['smoker', 'age']
    >>> model.marginal(("smoker", "age")).values.shape
    (2, 4)
    >>> dpsynth.fit(frame, schema, epsilon=1, ledger=ledger)
    Traceback (most recent call last):
    ...
    dpsynth.errors.BudgetExceededError: ...
    """
    return journey.fit(
        data,
        schema,
        epsilon=epsilon,
        share=share,
        delta=delta,
        method=method,
        settings=settings,
        unit=unit,
        pool=pool,
        purpose=purpose,
        ledger=ledger,
        memory_limit=memory_limit,
        discovery=discover_share,
        max_stability=max_stability,
        holdout=holdout,
        holdout_file=holdout_file,
    ).model
