"""The journey of a report: a model, what was drawn from it, its ledger and its audit in; facts and pages out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dpsynth.errors import NoGuaranteeError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.metrics import CodedTable
from dpsynth.models import Model, load
from dpsynth.pipeline.holdout import table_digest
from dpsynth.pipeline.origin import check_origin, drawn_labels, model_digest
from dpsynth.pipeline.report_utility import utility_of
from dpsynth.pipeline.reported import (
    Paid,
    candidates_of,
    check_audit,
    moments,
    paid_from,
    read_audit,
    released_table,
)
from dpsynth.report.internal import InternalReport
from dpsynth.report.marginals import ReleasedMarginal, released_marginal
from dpsynth.report.public import PublicReport
from dpsynth.report.report import Report
from dpsynth.schema import Schema

Edition = Literal["internal", "public"]


def report(
    model: Model | str | Path,
    *,
    synthetic: Any = None,
    audit: Mapping[str, Any] | str | Path | None = None,
    real: Any = None,
    schema: Schema | str | Path | None = None,
    ledger: Ledger | str | Path | None = None,
    edition: Edition = "internal",
    override: bool = False,
    delimiter: str | None = None,
) -> Report:
    """The report on a model, and on the table drawn from it, in one edition.

    ``internal`` shows the audit, who and when, and, with ``real``, distances from the real rows. ``public`` takes no
    real rows, a table only from a file whose sidecar says that it was drawn from the model (its exact counts are
    shown), and of the audit only how many candidates there could be. ``schema``: to read the real table by; the model's
    by default. ``override``: the table leaves whatever the gate said, and the report says that.

    Raises ``UsageError`` (2) for real rows in a public edition or without a synthetic table, ``DataMismatchError`` (3)
    for an audit or a table of another model and for a public edition of a table that nothing says was drawn from this,
    ``LedgerError`` (8) for a ledger that is not there or is of another population, and
    ``NoGuaranteeError`` (9) for a public edition of a model without a guarantee or a claim, or of a table of which
    its labels say that none holds.
    """
    if edition not in ("internal", "public"):
        raise UsageError("the edition is internal or public", where="--edition")
    if edition == "public" and real is not None:
        raise UsageError("a public edition takes no real rows", where="--real", hint="Use --edition internal.")
    if real is not None and synthetic is None:
        raise UsageError("real rows are compared with a synthetic table", where="--real", hint="Add --synthetic.")
    made = model if isinstance(model, Model) else load(model)
    if edition == "public" and not made.dp and made.claim is None:
        raise NoGuaranteeError("no guarantee is recorded in the model: there is nothing that a public report could say")
    digest = model_digest(model)
    found = None if audit is None else read_audit(audit)
    if found is not None:
        check_audit(found, digest, synthetic)
    drawn = synthetic is None or check_origin(synthetic, digest)
    if edition == "public" and synthetic is not None:
        drawn_labels(synthetic, digest)
    paid = paid_from(ledger, made)
    table, labels = (None, ()) if synthetic is None else released_table(synthetic, made, delimiter=delimiter)
    public = public_report(made, paid, table, labels, candidates=candidates_of(found), override=override)
    if edition == "public":
        return Report(public)
    utility = None if real is None else utility_of(real, synthetic, made, table, schema=schema, delimiter=delimiter)
    digests = {"model": digest, "synthetic table": None if synthetic is None else table_digest(synthetic)}
    return Report(InternalReport(public, found, utility, moments(paid.events), digests, drawn))


def public_report(
    model: Model,
    paid: Paid,
    table: CodedTable | None,
    labels: tuple[str, ...],
    *,
    candidates: int | None,
    override: bool,
) -> PublicReport:
    """The public edition on a model, what paid for it, and the coded rows of its table with their labels."""
    return PublicReport(
        model=model,
        pool=paid.pool,
        marginals=_marginals(model, table),
        synthetic_rows=None if table is None else table.rows,
        table_labels=labels,
        questions=paid.questions,
        candidates=candidates,
        override=override,
    )


def _marginals(model: Model, table: CodedTable | None) -> tuple[ReleasedMarginal, ...]:
    names = list(model.domain)
    counts = [None] * len(names) if table is None else table.marginals([(name,) for name in names])
    return tuple(released_marginal(model, name, one) for name, one in zip(names, counts, strict=True))
