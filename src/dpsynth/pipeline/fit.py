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
from dpsynth.pipeline.ingest import Ingest, preprocessing_of
from dpsynth.pipeline.manifest import provenance_of, versions
from dpsynth.pipeline.observed import ObservedQueryable
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
from dpsynth.synthesizers import Plan, Synthesizer, synthesizer
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
    whom = unit_of(loaded, unit)
    algorithm = synthesizer(method, **dict(settings or {}))
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    request = request_of(book, pool or loaded.population or loaded.name, epsilon, share, delta)
    priced = _price(loaded, algorithm, request, whom, memory_limit)
    preprocessing = preprocessing_of(data)
    reader = open_table(data, delimiter=delimiter)
    ingest = Ingest(reader, loaded, whom)
    announce(priced)
    target = atomic_write(output, force=force) if output is not None else nullcontext(None)
    with target as partial_file:
        details = {"settings": priced.plan.settings, "versions": versions()}
        transaction = reserve(book, request, unit=whom, purpose=purpose, method=method, details=details)
        with transaction:
            fitted = _ask(
                transaction, ingest, algorithm, priced.plan, stability=preprocessing.stability, progress=progress
            )
            spent = reconcile(fitted.answers, transaction.draws, transaction.reservation)
            facts = provenance_of(
                priced,
                ledger=book,
                pool=transaction.pool,
                transaction=transaction,
                spent=spent,
                labels=[*preprocessing.labels, *ingest.labels],
            )
            model = replace(fitted, schema=loaded, provenance=facts)
            if partial_file is not None:
                model.write(partial_file)
            transaction.commit({"answers": len(model.answers), "method": method})
    state = book.pool(request.pool)
    if state is None:
        raise DpsynthError("the pool vanished from the ledger", where=request.pool)
    progress("done", 1.0)
    return FitOutcome(model, priced, state, request.creates_pool, transaction.id, spent, preprocessing.notes)


def _price(schema: Schema, method: Synthesizer, request: Request, unit: Unit, memory_limit: int) -> PricedPlan:
    return price(
        schema,
        method,
        epsilon=request.epsilon,
        delta=request.delta,
        loss=request.loss,
        unit=unit,
        rows=None,
        memory_limit=memory_limit,
    )


def _ask(
    transaction: Transaction, ingest: Ingest, method: Synthesizer, plan: Plan, *, stability: int, progress: Progress
) -> Model:
    """The synthesizer's model. From here on a fault is constant text: the causes of others may quote cells."""
    try:
        transaction.touch()
        progress("counting", 0.0)
        curator = ingest.curator(transaction, plan.workload, stability)
        return method.fit(ObservedQueryable(curator, plan, progress))
    except DpsynthError:
        raise
    except MemoryError:
        raise DpsynthError("the fit ran out of memory; its reservation is forfeited") from None
    except Exception:
        raise DpsynthError(
            "the fit failed after the data was touched; its reservation is forfeited",
            hint="Nothing was released. Details are withheld because they could quote the data.",
        ) from None
