"""Refits for an audit: the room's own curator over rows with and without one record, and a ledger that ends with it.

Nothing of a refit is handed out but the verdict of an audit, which is INTERNAL. So its loss is charged to a pool in
memory, with the reservation of the released fit as its cap: no refit can ask more than that fit could.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.refits import PLAYED, InternalModel, Refit, left_out
from dpsynth.audit.judging import Observed
from dpsynth.curator.curator import Curator
from dpsynth.curator.sources import CountCache
from dpsynth.domain import Clique, Domain
from dpsynth.errors import UsageError
from dpsynth.ledger import Ledger
from dpsynth.metrics import CodedTable
from dpsynth.models import Model
from dpsynth.pipeline.progress import Progress
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.receipt import loss_from_record
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import synthesizer
from dpsynth.synthesizers.registry import settings_of

POOL = "refits of an audit"


@dataclass(frozen=True, eq=False)
class Games:
    """The leave-one-out games of an audit: ``rounds`` for each record, with ``refits`` over the fitted rows, if any."""

    refits: Callable[[CodedTable], Refit] | None
    rounds: int

    def played(
        self, fitted: CodedTable, seed: int, announce: Callable[[str], object], progress: Progress
    ) -> tuple[Observed, ...]:
        """What they found; after the second refit ``announce`` is told in words what all of them will take."""
        if self.refits is None:
            return ()
        refit = _timed(self.refits(fitted), self.rounds * min(PLAYED, fitted.rows), announce)
        return left_out(fitted, refit, self.rounds, np.random.default_rng((seed, self.rounds)), progress)


def _timed(refit: Refit, fits: int, announce: Callable[[str], object]) -> Refit:
    """The second refit is timed: the first one also loads libraries and counts the table."""
    made = 0

    def timed(record: CodedTable, present: bool) -> InternalModel:  # noqa: FBT001 (as in ``Refit``)
        nonlocal made
        start = time.monotonic()
        model = refit(record, present)
        made += 1
        if made == 2:
            seconds = time.monotonic() - start
            announce(f"A refit takes {seconds:,.2g} s: all {fits:,} take about {_duration(seconds * fits)}.")
        return model

    return timed


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{math.ceil(seconds):,} s"


def refits_of(model: Model, unit: Unit) -> Callable[[CodedTable], Refit]:
    """From the fitted rows to fits like the model's: its method, settings, governor and reservation.

    Raises ``UsageError`` for a model that holds no guarantee of dpsynth, protects persons of several rows, or learned
    its domain from the table.
    """
    facts = model.provenance.get("guarantee")
    if model.claim is not None or model.dp is not True or facts is None:
        raise UsageError("refits need a model that was fitted by dpsynth", where="--refits")
    if "discovery" in model.provenance:
        what = "the fit learned its domain from the table, which refits would not repeat"
        raise UsageError(what, where="--refits", hint="Fit with --schema, or leave --refits out.")
    if unit.rows != 1:
        what = f"the fit protects {unit}: refits leave out one row"
        raise UsageError(what, where="--refits", hint="Leave --refits out.")
    algorithm = synthesizer(model.method, **_given(model))
    loss = loss_from_record(facts["reservation"])
    epsilon, delta = Fraction(facts["epsilon"]), Fraction(facts["delta"])

    def over(fitted: CodedTable) -> Refit:
        shared = _Counts(fitted)

        def refit(record: CodedTable, present: bool) -> InternalModel:  # noqa: FBT001 (whether the record is there)
            ledger = Ledger.in_memory()
            ledger.create(POOL, epsilon=epsilon, delta=delta, governor=facts["governor"], unit=unit)
            asked = ledger.reserve(
                POOL, loss, unit=unit, epsilon=epsilon, delta=delta, method=algorithm.name, purpose="audit"
            )
            with asked as transaction:
                transaction.touch()
                source = _WithOrWithout(shared, record, present=present)
                made = algorithm.fit(Curator(source, unit, transaction))
                transaction.commit({})
            return InternalModel(tuple(one for one in made.answers if isinstance(one, NoisyMarginal)))

        return refit

    return over


def _given(model: Model) -> dict[str, Any]:
    """The settings that a model's method is made again with.

    A model also states what its method chose by itself. Where ``auto`` took the path of another method, the rest are
    settings of that method, some under the names of its own.
    """
    names = set(settings_of(model.method))
    if model.settings.get("path", "mixture") != "mixture":
        names &= {"workload", "effort", "max_model_size"}
    return {name: value for name, value in model.settings.items() if name in names}


class _Counts:
    """Exact counts of the fitted rows, counted once for all refits."""

    def __init__(self, fitted: CodedTable) -> None:
        self.fitted = fitted
        self._cache = CountCache()

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        held = {clique: self._cache.get(clique) for clique in cliques}
        missing = [clique for clique, found in held.items() if found is None]
        for clique, counted in zip(missing, self.fitted.marginals(missing), strict=True):
            self._cache.put(clique, counted)
            held[clique] = counted
        return [found for clique in cliques if (found := held[clique]) is not None]


class _WithOrWithout:
    """A ``MarginalSource``: the fitted rows, one of them left out unless it is ``present``."""

    def __init__(self, shared: _Counts, record: CodedTable, *, present: bool) -> None:
        self._shared, self._record, self._present = shared, record, present

    @property
    def domain(self) -> Domain:
        return self._shared.fitted.domain

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        found = self._shared.counts(cliques)
        if self._present:
            return found
        return [counts - one for counts, one in zip(found, self._record.marginals(cliques), strict=True)]

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        self._shared.counts(cliques)
