"""The journey of an estimate: from somebody else's noisy marginals to a model that carries their claim.

No row, no curator, no ledger: nothing is charged, no answer has a receipt, and the model states no guarantee of
dpsynth. What the tables reveal is for their owner to vouch for; whatever is computed from them is post-processing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dpsynth.domain import Domain
from dpsynth.errors import DataMismatchError
from dpsynth.graph.consistency import contradictions
from dpsynth.graph.pooling import merged
from dpsynth.models import Claim, ClaimedMarginal, Model
from dpsynth.models.model import ROW_LIMIT
from dpsynth.pipeline.manifest import versions
from dpsynth.pipeline.marginal_table import Spelling, quoted, read_marginals
from dpsynth.pipeline.plan import load_schema
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.schema import Schema
from dpsynth.synthesizers.effort import effort_of
from dpsynth.synthesizers.estimation import estimated, estimator_for

_NAMED = 5
"""Of more marginals or fields than this a warning names the first."""


def estimate(
    marginals: Any,
    schema: Schema | str | Path,
    *,
    owner: str,
    claim: str | None = None,
    values: Spelling = "labels",
    max_model_size: int | None = None,
    effort: str = "default",
    delimiter: str | None = None,
    progress: Progress = silent,
) -> Model:
    """A model of already-noised tables, stamped ``dp: claimed by OWNER``.

    ``marginals``: a long table with one row a cell, as a path (CSV, Parquet, Arrow), ``-`` or a frame; its columns are
    ``marginal``, one per field, ``count`` and ``scale`` (the standard deviation of the noise). ``values``: whether
    cells hold labels of the schema or integer codes. ``claim``: the guarantee in its owner's words. The model has no
    receipt and ``Model.dp`` is false; what is odd about the tables stands in ``provenance["warnings"]``.

    Raises ``UsageError`` for a bad owner or option, ``SchemaError`` and ``NoGuaranteeError`` for a schema that a fit
    could not use, ``DataMismatchError`` for tables that do not fit it, and ``ResourceLimitError`` when the sets of
    fields need a larger model than ``max_model_size`` (bytes; default: that of ``effort``).

    >>> import pandas, dpsynth
    >>> schema = dpsynth.Schema.from_domain({"a": 2, "b": 2}, public="questionnaire")
    >>> tables = pandas.DataFrame(
    ...     {"marginal": ["a and b"] * 4, "a": [0, 0, 1, 1], "b": [0, 1, 0, 1], "count": [60.2, -1.5, 3.1, 40.7]}
    ... ).assign(scale=2.0)
    >>> dpsynth.estimate(tables, schema, owner="Statistics Office")
    <dpsynth.Model by estimate: 2 columns, about 102 rows, dp: claimed by Statistics Office>
    """
    vouched = Claim(owner, claim)
    size = effort_of(effort).model_size if max_model_size is None else max_model_size
    loaded = load_schema(schema)
    loaded.require_fit()
    domain = loaded.domain
    progress("reading the marginals", 0.0)
    claims = read_marginals(marginals, loaded, values=values, delimiter=delimiter)
    estimator = estimator_for(domain, [one.clique for one in claims], max_model_size=size)
    warnings = _warnings(domain, claims)
    distribution, convergence = estimated(
        domain,
        claims,
        max_model_size=size,
        effort=effort,
        report=lambda done: progress("fitting the model", 0.2 + 0.8 * done),
    )
    progress("done", 1.0)
    facts = {
        "dp": vouched.stamp,
        "claim": vouched.record(),
        "warnings": warnings,
        "labels": [str(Label(LabelKind.POST, "estimate"))],
        "versions": versions(),
    }
    settings = {"path": estimator, "effort": effort, "max_model_size": size}
    return Model(distribution, (), "estimate", settings, convergence, loaded, facts, claims)


def _warnings(domain: Domain, claims: Sequence[ClaimedMarginal]) -> list[str]:
    """What is odd about the tables and yet no error, in plain words."""
    total = _total(domain, claims)
    found = []
    if total < 1.0:
        found.append(f"the marginals sum to {total:,.1f} rows: the model has the least total, 1 row")
    if doubts := contradictions(domain, claims):
        said = [
            f"{quoted(claims[doubt.position].name)} by {doubt.deviations:,.1f} standard deviations "
            f"({'total' if doubt.attribute is None else f'counts of {doubt.attribute}'})"
            for doubt in doubts[:_NAMED]
        ]
        found.append(
            f"marginals contradict the others by more than their noise explains: {'; '.join(said)}"
            f"{_more(len(doubts))}. They were settled by inverse variance: check tables and scales"
        )
    covered = {attribute for one in claims for attribute in one.clique}
    if bare := [attribute for attribute in domain if attribute not in covered]:
        found.append(f"no marginal holds {', '.join(bare[:_NAMED])}{_more(len(bare))}: the values are spread evenly")
    return found


def _total(domain: Domain, claims: Sequence[ClaimedMarginal]) -> float:
    """The pooled number of rows before it is floored; ``DataMismatchError`` for more than a model can have."""
    targets = merged(domain, claims)
    precisions = [1.0 / (target.values.size * target.variance) for target in targets]
    weighted = [float(target.values.sum()) * precision for target, precision in zip(targets, precisions, strict=True)]
    total = sum(weighted) / sum(precisions)
    if total > ROW_LIMIT:
        raise DataMismatchError(f"the marginals sum to more rows than a model can have ({ROW_LIMIT:,})")
    return total


def _more(count: int) -> str:
    return f" and {count - _NAMED:,} more" if count > _NAMED else ""
