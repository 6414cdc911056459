"""The journey of a report: a model, what was drawn from it, its ledger and its audit in; facts and pages out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dpsynth.errors import DataMismatchError, NoGuaranteeError
from dpsynth.ledger import Ledger
from dpsynth.metrics import CodedTable
from dpsynth.models import Model, load
from dpsynth.pipeline.reported import candidates_of, check_audit, model_digest, paid_from, read_audit, released_table
from dpsynth.report.marginals import ReleasedMarginal, released_marginal
from dpsynth.report.public import PublicReport

Edition = Literal["internal", "public"]


def public_report(
    model: Model | str | Path,
    *,
    synthetic: Any = None,
    audit: Mapping[str, Any] | str | Path | None = None,
    ledger: Ledger | str | Path | None = None,
    override: bool = False,
    delimiter: str | None = None,
) -> PublicReport:
    """The public edition: released numbers alone. Of the audit it takes how many candidates there could be, no more.

    Raises ``NoGuaranteeError`` (9) for a model without a guarantee or a claim, ``LedgerError`` (8) for a ledger of
    another population, ``DataMismatchError`` (3) for an audit or a table of another model.
    """
    made = model if isinstance(model, Model) else load(model)
    if not made.dp and made.claim is None:
        raise NoGuaranteeError("no guarantee is recorded in the model: there is nothing that a public report could say")
    read = None if audit is None else read_audit(audit)
    if read is not None:
        check_audit(read, model_digest(model), synthetic)
    paid = paid_from(ledger, made)
    table, labels = (None, ()) if synthetic is None else released_table(synthetic, made, delimiter=delimiter)
    return PublicReport(
        model=made,
        pool=paid.pool,
        marginals=_marginals(made, table),
        synthetic_rows=None if table is None else table.rows,
        table_labels=labels,
        questions=paid.questions,
        candidates=candidates_of(read),
        override=override,
    )


def _marginals(model: Model, table: CodedTable | None) -> tuple[ReleasedMarginal, ...]:
    names = list(model.domain)
    counts = [None] * len(names) if table is None else table.marginals([(name,) for name in names])
    return tuple(released_marginal(model, name, one) for name, one in zip(names, counts, strict=True))
