"""The journey of a fit: reserve, touch, ask, reconcile, commit.

Everything that can be refused is refused before the reservation. Between RESERVE and TOUCH only names and physical
types of the table are opened. After TOUCH nothing about the rows may raise or branch; a fault there forfeits the
reservation. Proof page: ``docs/proofs/reserve-before-read.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dpsynth.errors import DpsynthError
from dpsynth.ledger import Ledger, PoolState, Transaction
from dpsynth.models import Model
from dpsynth.pipeline.ingest import Ingest, Preprocessing, preprocessing_of
from dpsynth.pipeline.manifest import provenance_of, versions
from dpsynth.pipeline.observed import ASKED, ObservedQueryable
from dpsynth.pipeline.plan import (
    DEFAULT_DELTA,
    DEFAULT_MEMORY_LIMIT,
    DEFAULT_METHOD,
    Number,
    PricedPlan,
    load_schema,
    price,
    unit_of,
)
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.pipeline.reservation import Request, request_of, reserve
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import Synthesizer, synthesizer
from dpsynth.tables import atomic_write, open_table


@dataclass(frozen=True, eq=False)
class FitOutcome:
    """A model with what it cost: ``spent`` is the sum of its charges, ``pool`` the state after the commit."""

    model: Model
    priced: PricedPlan
    pool: PoolState
    created_pool: bool
    transaction: str
    spent: PrivacyLoss
    notes: tuple[str, ...]


def fit(
    data: Any,
    schema: Schema | str | Path,
    *,
    epsilon: Number | None = None,
    share: Number | None = None,
    delta: Number = DEFAULT_DELTA,
    method: str = DEFAULT_METHOD,
    settings: Mapping[str, Any] | None = None,
    unit: Unit | str | None = None,
    pool: str | None = None,
    purpose: str | None = None,
    ledger: Ledger | str | Path | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    delimiter: str | None = None,
    output: str | Path | None = None,
    force: bool = False,
    announce: Callable[[PricedPlan], object] = lambda _: None,
    progress: Progress = silent,
) -> FitOutcome:
    """A model of the table under (epsilon, delta), or under a share of the pool's cap, paid from the ledger.

    ``announce`` is told the price before anything is spent. With ``output`` the model file is complete on disk before
    the ledger commits, and renamed into place after. Raises the errors of ``plan`` and ``DataMismatchError`` before
    anything is spent, and ``BudgetExceededError`` when the pool refuses; a failure after TOUCH forfeits the whole
    reservation.
    """
    loaded = load_schema(schema)
    loaded.require_fit()
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    request = request_of(book, pool or loaded.population or loaded.name, epsilon, share, delta)
    algorithm = synthesizer(method, **dict(settings or {}))
    priced = price(loaded, algorithm, request, unit=unit_of(loaded, unit), rows=None, memory_limit=memory_limit)
    preprocessing = preprocessing_of(data)
    ingest = Ingest(open_table(data, delimiter=delimiter), loaded, priced.unit)
    announce(priced)
    ready = _Ready(book, request, priced, preprocessing, ingest, algorithm, loaded, progress)
    target = atomic_write(output, force=force) if output is not None else nullcontext(None)
    with target as partial_file:
        model, transaction = _spend(ready, purpose, partial_file)
    return _outcome(ready, model, transaction)


@dataclass(frozen=True, eq=False)
class _Ready:
    """Everything that was decided before the reservation."""

    book: Ledger
    request: Request
    priced: PricedPlan
    preprocessing: Preprocessing
    ingest: Ingest
    algorithm: Synthesizer
    schema: Schema
    progress: Progress


def _spend(ready: _Ready, purpose: str | None, partial_file: Path | None) -> tuple[Model, Transaction]:
    """Reserve, ask, reconcile, write and commit, in this order."""
    priced, method = ready.priced, ready.algorithm.name
    details = {"settings": priced.plan.settings, "versions": versions()}
    with reserve(
        ready.book, ready.request, unit=priced.unit, purpose=purpose, method=method, details=details
    ) as transaction:
        fitted = _ask(transaction, ready)
        spent = reconcile(fitted.answers, transaction.draws, transaction.reservation, transaction.governor)
        labels = [*ready.preprocessing.labels, *ready.ingest.labels]
        facts = provenance_of(priced, ledger=ready.book, transaction=transaction, spent=spent, labels=labels)
        model = replace(fitted, schema=ready.schema, provenance=facts)
        if partial_file is not None:
            model.write(partial_file)
        transaction.commit({"answers": len(model.answers), "method": method})
    return model, transaction


def _outcome(ready: _Ready, model: Model, transaction: Transaction) -> FitOutcome:
    ready.progress("done", 1.0)
    return FitOutcome(
        model=model,
        priced=ready.priced,
        pool=transaction.pool,
        created_pool=ready.request.creates_pool,
        transaction=transaction.id,
        spent=sum((receipt.loss for receipt in transaction.draws), start=PrivacyLoss()),
        notes=ready.preprocessing.notes,
    )


def _ask(transaction: Transaction, ready: _Ready) -> Model:
    """The synthesizer's model. From here on a fault is constant text: the causes of others may quote cells."""
    try:
        transaction.touch()
        ready.progress("counting", 0.0)
        plan = ready.priced.plan
        curator = ready.ingest.curator(transaction, plan.workload, ready.preprocessing.stability)
        return ready.algorithm.fit(
            ObservedQueryable(curator, plan, ready.progress),
            lambda done: ready.progress("fitting the model", ASKED + (1 - ASKED) * done),
        )
    except DpsynthError:
        raise
    except MemoryError:
        raise DpsynthError("the fit ran out of memory; its reservation is forfeited") from None
    except Exception:
        raise DpsynthError(
            "the fit failed after the data was touched; its reservation is forfeited",
            hint="Nothing was released. Details are withheld because they could quote the data.",
        ) from None
