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

from dpsynth.ledger import Ledger, PoolState, Transaction
from dpsynth.models import Model
from dpsynth.pipeline.discovery import Learned, check_affordable, check_discoverable, discover_share
from dpsynth.pipeline.discovery_plan import DiscoveryPlan, plan_discovery
from dpsynth.pipeline.ingest import Ingest
from dpsynth.pipeline.manifest import provenance_of, versions
from dpsynth.pipeline.plan import (
    DEFAULT_DELTA,
    DEFAULT_MEMORY_LIMIT,
    DEFAULT_METHOD,
    Number,
    Price,
    PricedPlan,
    load_schema,
    price,
    unit_of,
)
from dpsynth.pipeline.prepared import Described, Fitted, Prepared, Undescribed
from dpsynth.pipeline.preprocessing import MAX_STABILITY, preprocessing_of
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.pipeline.reservation import Request, request_of, reserve
from dpsynth.pipeline.sealing import sealed
from dpsynth.pipeline.serving import check_workload
from dpsynth.pipeline.table_questions import asked_columns
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import synthesizer
from dpsynth.tables import atomic_write, open_table, table_name


@dataclass(frozen=True, eq=False)
class FitOutcome:
    """A model with what it cost: ``spent`` is the sum of its charges, ``pool`` the state after the commit. ``learned``:
    the domain that was discovered, of a fit without a schema.
    """

    model: Model
    priced: PricedPlan
    pool: PoolState
    created_pool: bool
    transaction: str
    spent: PrivacyLoss
    notes: tuple[str, ...]
    learned: Learned | None = None


def fit(
    data: Any,
    schema: Schema | str | Path | None = None,
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
    discovery: Number | None = None,
    max_stability: int = MAX_STABILITY,
    delimiter: str | None = None,
    output: str | Path | None = None,
    force: bool = False,
    announce: Callable[[PricedPlan | DiscoveryPlan], object] = lambda _: None,
    progress: Progress = silent,
) -> FitOutcome:
    """A model of the table under (epsilon, delta), or under a share of the pool's cap, paid from the ledger.

    Without a ``schema`` the domain is discovered first, for at most the share ``discovery`` of the same reservation;
    the header alone counts as public. ``announce`` is told the price before anything is spent. With ``output`` the
    model file is complete on disk before the ledger commits, and renamed into place after. Raises the errors of
    ``plan`` and ``DataMismatchError`` before anything is spent, and ``BudgetExceededError`` when the pool refuses; a
    failure after TOUCH forfeits the whole reservation.
    """
    wish = _Wish(data, method, dict(settings or {}), unit, memory_limit, max_stability, delimiter)
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    loaded = None if schema is None else load_schema(schema)
    if loaded is not None:
        loaded.require_fit()
    named = pool or (table_name(data) if loaded is None else loaded.population or loaded.name)
    request = request_of(book, named, epsilon, share, delta, discovers=loaded is None)
    ready = wish.undescribed(request, discover_share(discovery)) if loaded is None else wish.described(loaded, request)
    announce(ready.announced)
    target = atomic_write(output, force=force) if output is not None else nullcontext(None)
    with target as partial_file:
        return _spend(_Payment(book, request, purpose), ready, partial_file, progress)


@dataclass(frozen=True, eq=False)
class _Wish:
    """What was asked for, apart from its price."""

    data: Any
    method: str
    settings: dict[str, Any]
    unit: Unit | str | None
    memory_limit: int
    max_stability: int
    delimiter: str | None

    def described(self, schema: Schema, request: Request) -> Described:
        """The fit with this schema; everything that can be refused is refused here."""
        algorithm = synthesizer(self.method, **self.settings)
        whom = unit_of(schema, self.unit)
        preprocessing = preprocessing_of(self.data, whom, max_stability=self.max_stability)
        unit = preprocessing.seen(whom)
        priced = price(schema, algorithm, request, unit=unit, rows=None, memory_limit=self.memory_limit)
        priced = replace(priced, labels=preprocessing.labels)
        ingest = Ingest(open_table(self.data, delimiter=self.delimiter), schema, priced.unit)
        return Described(priced, algorithm, ingest, schema, preprocessing)

    def undescribed(self, request: Request, share: Any) -> Undescribed:
        """The fit that discovers its domain; refused under pure epsilon."""
        check_discoverable(request.governor)
        algorithm = synthesizer(self.method, **self.settings)
        whom = Unit.parse(self.unit) if isinstance(self.unit, str) else self.unit or Unit()
        preprocessing = preprocessing_of(self.data, whom, max_stability=self.max_stability)
        unit = preprocessing.seen(whom)
        reader = open_table(self.data, delimiter=self.delimiter)
        columns = asked_columns(reader, unit)
        check_workload(algorithm, columns)
        tag = Price(request.epsilon, request.delta, request.loss, request.governor)
        check_affordable(columns, tag, share, unit=unit, memory_limit=self.memory_limit)
        drawn = plan_discovery(tag, columns=len(columns), unit=unit, method=algorithm.name, share=share, rows=None)
        drawn = replace(drawn, labels=preprocessing.labels)
        return Undescribed(drawn, algorithm, reader, table_name(self.data), preprocessing, self.memory_limit)


@dataclass(frozen=True, eq=False)
class _Payment:
    """Who pays, how much and why."""

    book: Ledger
    request: Request
    purpose: str | None


def _spend(payment: _Payment, ready: Prepared, partial_file: Path | None, progress: Progress) -> FitOutcome:
    """Reserve, ask, reconcile, write and commit, in this order."""
    book, request = payment.book, payment.request
    details = {"settings": ready.settings, "versions": versions()}
    with reserve(
        book, request, unit=ready.unit, purpose=payment.purpose, method=ready.method, details=details
    ) as transaction:
        fitted = _ask(transaction, ready, progress)
        spent = reconcile(fitted.answers, transaction.draws, transaction.reservation, transaction.governor)
        facts = provenance_of(fitted.priced, ledger=book, transaction=transaction, spent=spent, labels=fitted.labels)
        if fitted.learned is not None:
            facts["discovery"] = fitted.learned.record()
            facts["warnings"] = list(fitted.notes)
        model = replace(fitted.model, schema=fitted.schema, provenance=facts)
        if partial_file is not None:
            model.write(partial_file)
        transaction.commit({"answers": len(fitted.answers), "method": fitted.priced.plan.method})
    progress("done", 1.0)
    return FitOutcome(
        model=model,
        priced=fitted.priced,
        pool=transaction.pool,
        created_pool=request.creates_pool,
        transaction=transaction.id,
        spent=spent,
        notes=(*fitted.notes, *ready.preprocessing.notes),
        learned=fitted.learned,
    )


def _ask(transaction: Transaction, ready: Prepared, progress: Progress) -> Fitted:
    """The fit itself: from here on a fault of anything but ours is told in constant words."""
    with sealed("fit"):
        transaction.touch()
        return ready.ask(transaction, progress)
