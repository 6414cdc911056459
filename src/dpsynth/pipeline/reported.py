"""What a report is gathered from: the model's pool, the released table's counts, an audit that belongs to both."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpsynth.errors import DataMismatchError, FileFormatError, LedgerError, UsageError
from dpsynth.ledger import Event, Ledger
from dpsynth.metrics import CodedTable
from dpsynth.models import Model
from dpsynth.pipeline.audited import coded
from dpsynth.pipeline.candidates import check_there, pool_of
from dpsynth.pipeline.holdout import table_digest
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.report.audit_facts import AuditFacts, audit_facts
from dpsynth.report.internal import Moment
from dpsynth.report.pool import PublicPool, discoveries, public_pool
from dpsynth.tables import open_table


@dataclass(frozen=True, eq=False)
class Paid:
    """The pool of a model in public, and all of its events (``events``: with private fields, internal)."""

    pool: PublicPool | None
    events: tuple[Event, ...]
    questions: tuple[Mapping[str, Any], ...]


def paid_from(ledger: Ledger | str | Path | None, model: Model) -> Paid:
    """What the ledger says of the pool that paid for the model; nothing for a model that no ledger paid for.

    ``LedgerError`` (8) when there is no ledger, or it does not know the pool: it is that of another population.
    """
    provenance = model.provenance
    if not model.dp or provenance.get("pool") is None:
        return Paid(None, (), ())
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    check_there(book, provenance)
    state = pool_of(book, provenance)
    if state is None and provenance.get("ledger") == "ephemeral":
        return Paid(None, (), ())
    if state is None:
        raise LedgerError(
            "this ledger does not know the pool that paid for the model: it is of another population",
            where=book.where,
            hint="Give the ledger of the fit with --ledger.",
        )
    events = book.events(state.name)
    transaction = str(provenance.get("transaction", ""))
    questions = discoveries(events, transaction, {one.receipt.event for one in model.answers})
    return Paid(public_pool(state, events, transaction), events, questions)


def released_table(synthetic: Any, model: Model, *, delimiter: str | None = None) -> tuple[CodedTable, tuple[str, ...]]:
    """The synthetic rows as codes of the model's schema, and the labels of the table that the model has none of.

    ``DataMismatchError`` for a table of other columns; ``UsageError`` for a model without a schema.
    """
    schema = model.schema
    if schema is None:
        raise UsageError("the model carries no schema to read the synthetic table by", where="--synthetic")
    labels = chain_of(synthetic) or ()
    reader = open_table(synthetic, delimiter=delimiter, quoted_line_breaks=True)
    unit = () if schema.unit.column is None else (schema.unit.column,)
    try:
        schema.check_columns(tuple(dict.fromkeys((*reader.names, *unit))), reader.types)
    except DataMismatchError as error:
        raise DataMismatchError(error.message, where=f"{reader.where} ({error.where})", hint=error.hint) from None
    known = set(model.provenance.get("labels", ()))
    return coded(reader, schema), tuple(label for label in labels if label not in known)


def read_audit(audit: Mapping[str, Any] | str | Path) -> AuditFacts:
    """The facts of audit.json; ``FileFormatError`` for anything else."""
    where = "--audit" if isinstance(audit, Mapping) else os.fspath(audit)
    found: Any = audit
    if not isinstance(audit, Mapping):
        try:
            found = json.loads(Path(audit).read_bytes())
        except OSError as error:
            what = "no such file" if isinstance(error, FileNotFoundError) else "the audit cannot be read"
            hint = "Write one: dpsynth audit release REAL SYNTHETIC --model MODEL -o FILE."
            raise FileFormatError(what, where=where, hint=hint) from None
        except (ValueError, RecursionError):
            raise FileFormatError("the audit is not JSON", where=where) from None
    try:
        if found["audit_version"] != 1 or found["kind"] != "release":
            raise ValueError
        return audit_facts(found)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        hint = "Give what 'dpsynth audit release -o audit.json' wrote."
        raise FileFormatError("this is not the audit of a release", where=where, hint=hint) from None


def check_audit(audit: AuditFacts, model: str, synthetic: Any) -> None:
    """``DataMismatchError`` (3) when the audit is of another model than the one of this digest, or another table."""
    digests = audit.digests
    if digests.get("model") != model:
        hint = "Audit this model: dpsynth audit release REAL SYNTHETIC --model MODEL."
        raise DataMismatchError("the audit is of another model", where="--audit", hint=hint)
    made = None if synthetic is None else table_digest(synthetic)
    if made is not None and digests.get("synthetic") != made:
        hint = "Audit the table that is to be released."
        raise DataMismatchError("the audit is of another synthetic table", where="--audit", hint=hint)


def candidates_of(audit: AuditFacts | None) -> int | None:
    """How many tables could be brought before a gate, as it was fixed in advance; ``None`` without an audit."""
    if audit is None:
        return None
    return audit.allowed if audit.candidate is None else audit.candidate[1]


def moments(events: Sequence[Event], transaction: str) -> tuple[Moment, ...]:
    """Who, when, why and to whom, internal. ``transaction``: that of the model's fit."""

    def of(event: Event) -> Moment:
        actor, host, purpose, reason, recipient = (
            _text(event.secret(name)) for name in ("actor", "host", "purpose", "reason", "recipient")
        )
        mine = bool(transaction) and event.transaction == transaction
        return Moment(event.kind, event.time, actor, host, purpose, reason, recipient, mine=mine)

    return tuple(of(event) for event in events)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
