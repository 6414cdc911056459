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
from dpsynth.pipeline.csv_values import readable
from dpsynth.pipeline.discovery import Learned, check_affordable, check_discoverable, discover_share
from dpsynth.pipeline.discovery_plan import DiscoveryPlan, plan_discovery
from dpsynth.pipeline.holdout import HoldoutWish, kept_with
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
from dpsynth.pipeline.preprocessing import MAX_STABILITY, Preprocessing, preprocessing_of
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
from dpsynth.tables import TableReader, atomic_write, open_table, table_name


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
    once: str | None = None,
    ledger: Ledger | str | Path | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    discovery: Number | None = None,
    max_stability: int = MAX_STABILITY,
    delimiter: str | None = None,
    holdout: Number | None = None,
    holdout_file: str | Path | None = None,
    output: str | Path | None = None,
    force: bool = False,
    announce: Callable[[PricedPlan | DiscoveryPlan], object] = lambda _: None,
    progress: Progress = silent,
) -> FitOutcome:
    """A model of the table under (epsilon, delta), or under a share of the pool's cap, paid from the ledger.

    Without a ``schema`` the domain is discovered first, for at most the share ``discovery`` of the same reservation;
    the header alone counts as public. ``holdout``: a share of the units, chosen by secret coins whose key goes to
    ``holdout_file`` (default: ``OUTPUT.holdout.json``), is kept out of the fit for an audit. ``once``: a key under
    which the pool pays for at most one fit. ``announce`` is told the price before anything is spent. With ``output``
    the model file is complete on disk before the ledger commits, and renamed into place after. Raises the errors of
    ``plan`` and ``DataMismatchError`` before anything is spent, and ``BudgetExceededError`` when the pool refuses; a
    failure after TOUCH forfeits the whole reservation.
    """
    apart = HoldoutWish.of(holdout, holdout_file, output)
    wish = _Wish(data, method, dict(settings or {}), unit, memory_limit, max_stability, delimiter, apart)
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    loaded = None if schema is None else load_schema(schema)
    if loaded is not None:
        loaded.require_fit()
    named = pool or (table_name(data) if loaded is None else loaded.population or loaded.name)
    request = replace(request_of(book, named, epsilon, share, delta, discovers=loaded is None), once=once)
    ready = wish.undescribed(request, discover_share(discovery)) if loaded is None else wish.described(loaded, request)
    announce(ready.announced)
    target = atomic_write(output, force=force) if output is not None else nullcontext(None)
    with kept_with(apart), target as partial_file:
        return _spend(_Payment(book, request, purpose), ready, _Outputs(data, partial_file, apart), progress)


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
    holdout: HoldoutWish | None

    def described(self, schema: Schema, request: Request) -> Described:
        """The fit with this schema; everything that can be refused is refused here."""
        algorithm = synthesizer(self.method, **self.settings)
        whom = unit_of(schema, self.unit)
        preprocessing = self._preprocessing(whom)
        unit = preprocessing.seen(whom)
        priced = price(schema, algorithm, request, unit=unit, rows=None, memory_limit=self.memory_limit)
        priced = replace(priced, labels=preprocessing.labels)
        ingest = Ingest(self._reader(priced.unit, schema), schema, priced.unit)
        return Described(priced, algorithm, ingest, schema, preprocessing)

    def undescribed(self, request: Request, share: Any) -> Undescribed:
        """The fit that discovers its domain; refused under pure epsilon."""
        check_discoverable(request.governor)
        algorithm = synthesizer(self.method, **self.settings)
        whom = Unit.parse(self.unit) if isinstance(self.unit, str) else self.unit or Unit()
        preprocessing = self._preprocessing(whom)
        unit = preprocessing.seen(whom)
        reader = self._reader(unit)
        columns = asked_columns(reader, unit)
        check_workload(algorithm, columns)
        tag = Price(request.epsilon, request.delta, request.loss, request.governor)
        check_affordable(columns, tag, share, unit=unit, memory_limit=self.memory_limit)
        drawn = plan_discovery(tag, columns=len(columns), unit=unit, method=algorithm.name, share=share, rows=None)
        drawn = replace(drawn, labels=preprocessing.labels)
        return Undescribed(drawn, algorithm, reader, table_name(self.data), preprocessing, self.memory_limit)

    def _preprocessing(self, unit: Unit) -> Preprocessing:
        done = preprocessing_of(self.data, unit, max_stability=self.max_stability)
        return done if self.holdout is None else self.holdout.labeled(done)

    def _reader(self, unit: Unit, schema: Schema | None = None) -> TableReader:
        """The table that may be read: all of it, or what is not held out."""
        reader = readable(open_table(self.data, delimiter=self.delimiter), schema)
        return reader if self.holdout is None else self.holdout.training(reader, unit)


@dataclass(frozen=True, eq=False)
class _Payment:
    """Who pays, how much and why."""

    book: Ledger
    request: Request
    purpose: str | None


@dataclass(frozen=True, eq=False)
class _Outputs:
    """What is on disk before the ledger commits: the model, and the key of what was held out of the table."""

    data: Any
    partial_file: Path | None
    holdout: HoldoutWish | None

    def write(self, model: Model, unit: Unit, transaction: Transaction) -> None:
        if self.partial_file is not None:
            model.write(self.partial_file)
        if self.holdout is not None:
            self.holdout.write(self.data, unit, transaction.id)


def _spend(payment: _Payment, ready: Prepared, outputs: _Outputs, progress: Progress) -> FitOutcome:
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
        outputs.write(model, ready.unit, transaction)
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
