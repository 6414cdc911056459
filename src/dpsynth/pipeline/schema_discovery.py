"""The journey of ``schema init --dp``: a schema learned under differential privacy, paid for once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dpsynth.discovery.draft import learned_text
from dpsynth.errors import UsageError
from dpsynth.ledger import Ledger, PoolState, Transaction
from dpsynth.pipeline.discovery import Learned, check_affordable, check_discoverable, learn, nothing_learned
from dpsynth.pipeline.manifest import decimal_text, versions
from dpsynth.pipeline.plan import DEFAULT_DELTA, DEFAULT_MEMORY_LIMIT, Number, Price
from dpsynth.pipeline.preprocessing import MAX_STABILITY, preprocessing_of
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.pipeline.reservation import Request, request_of, reserve
from dpsynth.pipeline.sealing import sealed
from dpsynth.pipeline.table_questions import asked_columns
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit
from dpsynth.schema.document import writable
from dpsynth.tables import TableReader, atomic_write, open_table, table_name

METHOD = "discovery"


@dataclass(frozen=True)
class LearnedSchema:
    """A schema file that was written, and what it cost. ``notes``: what the user should know about the table."""

    learned: Learned
    request: Request
    unit: Unit
    pool: PoolState
    spent: PrivacyLoss
    notes: tuple[str, ...]


def learn_schema(
    data: Any,
    output: str | Path,
    *,
    epsilon: Number,
    delta: Number = DEFAULT_DELTA,
    unit: Unit | None = None,
    name: str | None = None,
    pool: str | None = None,
    purpose: str | None = None,
    ledger: Ledger | str | Path | None = None,
    max_stability: int = MAX_STABILITY,
    delimiter: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> LearnedSchema:
    """Learn the schema of a table under (epsilon, delta) and write it to ``output``, every domain ``source: dp``.

    Charged to the ledger once; later fits use the file at no further cost. The file is complete on disk before the
    ledger commits. What discovery does not need of the budget returns to the pool. Raises as ``fit`` does.
    """
    named = table_name(data) if name is None else _written(name)
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    request = request_of(book, pool or named, epsilon, None, delta, discovers=True)
    check_discoverable(request.governor)
    preprocessing = preprocessing_of(data, unit or Unit(), max_stability=max_stability)
    whom = preprocessing.seen(unit or Unit())
    reader = open_table(data, delimiter=delimiter)
    tag = Price(request.epsilon, request.delta, request.loss, request.governor)
    check_affordable(asked_columns(reader, whom), tag, Fraction(9, 10), unit=whom, memory_limit=DEFAULT_MEMORY_LIMIT)
    details = {"settings": {}, "versions": versions()}
    with (
        atomic_write(output, force=force) as part,
        reserve(book, request, unit=whom, purpose=purpose, method=METHOD, details=details) as transaction,
    ):
        questions = _Questions(reader, whom, named)
        learned = questions.ask(transaction, progress)
        answers = learned.discovery.answers
        spent = reconcile(answers, transaction.draws, transaction.reservation, transaction.governor)
        price = f"epsilon {decimal_text(request.epsilon)}, delta {decimal_text(request.delta)}"
        text = learned_text(learned.schema.dump(), learned.discovery, price=price, protects=whom.description)
        part.write_text(text, encoding="utf-8")
        transaction.commit({"answers": len(answers), "method": METHOD})
    progress("done", 1.0)
    return LearnedSchema(learned, request, whom, transaction.pool, spent, preprocessing.notes)


def _written(name: str) -> str:
    if not writable(name):
        raise UsageError("a schema cannot hold this name of a table", where="--name")
    return name


@dataclass(frozen=True, eq=False)
class _Questions:
    """What is asked of which table."""

    reader: TableReader
    unit: Unit
    name: str

    def ask(self, transaction: Transaction, progress: Progress) -> Learned:
        """The discovery: from TOUCH on a fault of anything but ours is told in constant words."""
        with sealed("discovery"):
            transaction.touch()
            learned = learn(
                self.reader,
                self.unit,
                transaction,
                share=Fraction(1),
                name=self.name,
                progress=progress,
            )
        if not learned.modeled:
            raise nothing_learned(learned)
        return learned
