"""The discovery of a domain inside a fit, or by itself: from a touched transaction to a schema. Reads rows only through
charged questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from dpsynth.discovery import Discovery, Purse, discover, document, smaller
from dpsynth.discovery.discover import VOTE
from dpsynth.discovery.listing import has_other
from dpsynth.discovery.shrinking import SMALLEST
from dpsynth.errors import DpsynthError, ResourceLimitError, UsageError
from dpsynth.ledger import Transaction
from dpsynth.pipeline.plan import Number, Price, PricedPlan, price
from dpsynth.pipeline.progress import Progress
from dpsynth.pipeline.table_questions import TableQuestions
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import loss_record
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import Synthesizer, synthesizer
from dpsynth.tables import TableReader

DEFAULT_DISCOVER_SHARE = Fraction(1, 3)
"""The most of a fit's loss that discovery may spend; found by measurement (decision record 15)."""

SHOWN = 30
"""So many columns are named when nothing could be learned."""

HEADER = "only the header, the column names, was taken as public"


@dataclass(frozen=True, eq=False)
class Learned:
    """A discovered domain: the schema, what was found about every column, and what it cost."""

    schema: Schema
    discovery: Discovery
    spent: PrivacyLoss
    share: Fraction

    @property
    def modeled(self) -> bool:
        """Whether any column can be modeled."""
        return any(one.modeled for one in self.discovery.findings)

    def record(self) -> dict[str, Any]:
        """What was learned, for the manifest: all of it released."""
        found = self.discovery
        return {
            "public": HEADER,
            "share": float(self.share),
            "spent": loss_record(self.spent),
            "rows": round(found.rows),
            "threshold": found.threshold,
            "columns": [{**one.record(), "other": has_other(one, found.rows)} for one in found.findings],
            "answers": len(found.answers),
        }


def discover_share(share: Number | None) -> Fraction:
    """The share as a fraction above 0 and at most 9/10; ``UsageError`` otherwise."""
    if share is None:
        return DEFAULT_DISCOVER_SHARE
    try:
        part = Fraction(str(share) if isinstance(share, float) else share)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        raise UsageError("the share of discovery is a fraction such as 1/4", where="--discover-share") from None
    if not 0 < part <= Fraction(9, 10):
        raise UsageError("the share of discovery lies above 0 and is at most 0.9", where="--discover-share")
    return part


def check_discoverable(governor: Governor) -> None:
    """``UsageError`` under pure epsilon: which values are frequent cannot be told without a delta."""
    if governor is Governor.PURE:
        raise UsageError(
            "a table without a schema needs a delta: the values of its columns are found by a threshold",
            where="--delta",
            hint="Leave --delta out, or give --schema.",
        )


def check_affordable(columns: Sequence[str], tag: Price, share: Fraction, *, unit: Unit, memory_limit: int) -> None:
    """Refuse what could not end well whatever is learned, before anything is spent.

    Raises ``UsageError`` when the budget is too small to be split over this many columns, ``ResourceLimitError`` when
    not even a few values a column, each modeled alone, are within the memory limit.
    """
    least = dict.fromkeys(columns, SMALLEST + 2)
    smallest = Schema.from_domain(least, public="the smallest domain that a discovery can end with")
    method = synthesizer("independent")
    for part in (min(VOTE, share / 4) / 8, 1 - share):
        try:
            _priced(smallest, method, replace(tag, loss=tag.loss.share(part)), unit, memory_limit)
        except UsageError:
            what = "the budget is too small to learn anything about this many columns"
            raise UsageError(what, hint="Ask for a larger epsilon, or give --schema.") from None
    if tag.loss.delta // (4 * len(columns)) < 1:
        raise UsageError("the delta is too small to be split over the values of this many columns", where="--delta")


def learn(
    reader: TableReader,
    unit: Unit,
    transaction: Transaction,
    *,
    share: Fraction,
    name: str,
    progress: Progress,
) -> Learned:
    """The domain of a table behind a touched transaction, at most ``share`` of its reservation spent."""
    questions = TableQuestions(reader, unit, transaction)
    loss, governor = transaction.reservation, transaction.governor
    purse = Purse(loss, governor, unit.rows, share)
    found = discover(questions, purse, lambda done: progress("discovering the columns", done))
    schema = Schema.from_dict(document(found, name=name, unit=unit, header=reader.names))
    spent = sum((receipt.loss for receipt in transaction.draws), start=PrivacyLoss())
    return Learned(schema, found, spent, Fraction(governor.units(spent), governor.units(loss)))


def affordable(
    learned: Learned, method: Synthesizer, tag: Price, *, unit: Unit, memory_limit: int
) -> tuple[Learned, Synthesizer, PricedPlan]:
    """The learned domain, the method and its plan, made to fit: nothing here may fail for what was learned.

    A domain beyond the memory limit is made smaller, column by column: rare values join ``other``, neighboring bins
    each other. What no size helps, such as a budget too small to be split, is left to ``independent``.
    """
    while True:
        try:
            return learned, method, _priced(learned.schema, method, tag, unit, memory_limit)
        except UsageError:
            if method.name == "independent":
                raise
            method = synthesizer("independent")
        except ResourceLimitError:
            found = smaller(learned.discovery)
            if found is None and method.name == "independent":
                raise
            if found is None:
                method = synthesizer("independent")
                continue
            header = [one.name for one in learned.schema.fields]
            made = document(found, name=learned.schema.name, unit=unit, header=header)
            learned = replace(learned, discovery=found, schema=Schema.from_dict(made))


def _priced(schema: Schema, method: Synthesizer, tag: Price, unit: Unit, memory_limit: int) -> PricedPlan:
    return price(schema, method, tag, unit=unit, rows=None, memory_limit=memory_limit)


def nothing_learned(learned: Learned) -> DpsynthError:
    """The error of a discovery that found no column to model. All it says was released and paid for."""
    kinds = ", ".join(f"{one.name!r}: {one.vote.kind}" for one in learned.discovery.findings[:SHOWN])
    more = "" if len(learned.discovery.findings) <= SHOWN else ", ..."
    return DpsynthError(
        "no column could be learned at this epsilon: there are too few rows for its noise; the budget is spent",
        where=f"about {learned.discovery.rows:,.0f} rows; {kinds}{more}",
        hint="`dpsynth plan DATA --epsilon E --rows N` tells which epsilon would do; a schema costs nothing.",
    )
