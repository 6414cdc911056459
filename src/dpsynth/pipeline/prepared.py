"""A fit that is ready to be paid for: with a schema, or with a table whose header alone is public.

Everything before ``ask`` happens before the reservation; ``ask`` is the part after TOUCH.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dpsynth.curator.curator import Curator
from dpsynth.ledger import Transaction
from dpsynth.models import Model
from dpsynth.pipeline.discovery import Learned, affordable, learn, nothing_learned
from dpsynth.pipeline.discovery_plan import DiscoveryPlan
from dpsynth.pipeline.ingest import Ingest
from dpsynth.pipeline.observed import ASKED, ObservedQueryable
from dpsynth.pipeline.plan import Price, PricedPlan
from dpsynth.pipeline.preprocessing import Preprocessing
from dpsynth.pipeline.progress import Progress
from dpsynth.pipeline.serving import reductions, serving
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.reconciliation import Answer
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.schema.document import writable
from dpsynth.synthesizers import Synthesizer
from dpsynth.tables import TableReader


@dataclass(frozen=True, eq=False)
class Fitted:
    """What came out after TOUCH: the model, the schema and plan it was made with, and everything that was answered.

    ``notes``: where that is not what was asked for.
    """

    model: Model
    schema: Schema
    priced: PricedPlan
    answers: tuple[Answer, ...]
    labels: tuple[str, ...]
    learned: Learned | None = None
    notes: tuple[str, ...] = ()


class Prepared(Protocol):
    """A fit ready to be paid for."""

    @property
    def announced(self) -> PricedPlan | DiscoveryPlan:
        """Its price, for whoever decides."""
        ...

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        ...

    @property
    def method(self) -> str:
        """The name of the synthesizer."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """What was done to the table before."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the ledger's event says about it."""
        ...

    def ask(self, transaction: Transaction, progress: Progress) -> Fitted:
        """The fit over a touched transaction: charged questions only."""
        ...


@dataclass(frozen=True, eq=False)
class Described:
    """A fit of a table with its schema."""

    priced: PricedPlan
    algorithm: Synthesizer
    ingest: Ingest
    schema: Schema
    preprocessing: Preprocessing

    @property
    def announced(self) -> PricedPlan:
        """Its price."""
        return self.priced

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self.priced.unit

    @property
    def method(self) -> str:
        """The name of the synthesizer."""
        return self.algorithm.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the plan."""
        return self.priced.plan.settings

    def ask(self, transaction: Transaction, progress: Progress) -> Fitted:
        """The synthesizer's model."""
        progress("counting", 0.0)
        curator = self.ingest.curator(transaction, self.priced.plan.workload)
        model = _fitted(self.priced, self.algorithm, curator, progress)
        labels = (*self.preprocessing.labels, *self.ingest.labels)
        return Fitted(model, self.schema, self.priced, model.answers, labels)


@dataclass(frozen=True, eq=False)
class Undescribed:
    """A fit of a table without a schema: its domain is discovered first, from the same reservation.

    ``name``: of the pool, and of the schema if one can hold it.
    """

    announced: DiscoveryPlan
    algorithm: Synthesizer
    reader: TableReader
    name: str
    preprocessing: Preprocessing
    memory_limit: int

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self.announced.unit

    @property
    def method(self) -> str:
        """The name of the synthesizer that was asked for."""
        return self.algorithm.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """The share of discovery."""
        return {"discover_share": str(self.announced.share)}

    def ask(self, transaction: Transaction, progress: Progress) -> Fitted:
        """The discovery, then the synthesizer's model over what it found."""
        learned = learn(
            self.reader,
            self.unit,
            transaction,
            share=self.announced.share,
            name=self.name if writable(self.name) else "table",
            progress=_first(progress, _DISCOVERED),
        )
        if not learned.modeled:
            raise nothing_learned(learned)
        price = self.announced.price
        left = Price(price.epsilon, price.delta, transaction.remaining, price.governor)
        served, notes = serving(self.algorithm, learned)
        wanted = learned, served
        learned, method, priced = affordable(learned, served, left, unit=self.unit, memory_limit=self.memory_limit)
        notes += reductions(wanted, (learned, method))
        ingest = Ingest(self.reader, learned.schema, self.unit)
        curator = ingest.curator(transaction, priced.plan.workload)
        model = _fitted(priced, method, curator, _rest(progress))
        found = Label(LabelKind.COSTS, f"domain discovered with {float(learned.share):.1%} of the loss")
        labels = (*self.preprocessing.labels, str(found), *ingest.labels)
        answers = (*learned.discovery.answers, *model.answers)
        return Fitted(model, learned.schema, priced, answers, labels, learned, notes)


_DISCOVERED = 0.3
"""The part of the progress of a fit without a schema that discovery is."""


def _first(progress: Progress, part: float) -> Progress:
    return lambda stage, done: progress(stage, part * done)


def _rest(progress: Progress) -> Progress:
    return lambda stage, done: progress(stage, _DISCOVERED + (1 - _DISCOVERED) * done)


def _fitted(priced: PricedPlan, algorithm: Synthesizer, curator: Curator, progress: Progress) -> Model:
    return algorithm.fit(
        ObservedQueryable(curator, priced.plan, progress),
        lambda done: progress("fitting the model", ASKED + (1 - ASKED) * done),
    )
