"""What a fit spent, recomputed from the scales of its answers alone, against what the ledger drew for it."""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.errors import LedgerError
from dpsynth.privacy.answers import NoisyMarginal, Receipt, Selection
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import LOSSES
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.thresholds import discovery_delta

Answer = NoisyMarginal | Selection | Categories | DistinctCount


def loss_of(answer: Answer) -> PrivacyLoss:
    """The loss of one answer, in every currency, from its law, sensitivity and scale, and a threshold's delta."""
    noise = LOSSES[answer.law](answer.sensitivity, answer.scale)
    if isinstance(answer, Categories):
        return noise + discovery_delta(answer.sensitivity, answer.scale, answer.threshold)
    return noise


def reconcile(
    answers: Sequence[Answer], draws: Sequence[Receipt], reservation: PrivacyLoss, governor: Governor
) -> PrivacyLoss:
    """The total loss of the answers, equal to the total of the draws and within the reservation.

    Every draw must be accounted for by answers whose losses add up to it exactly. Raises ``LedgerError`` otherwise:
    nothing may be released then.
    """
    by_event: dict[str, list[PrivacyLoss]] = {receipt.event: [] for receipt in draws}
    for answer in answers:
        if answer.receipt.event not in by_event:
            raise LedgerError("an answer carries a receipt that this fit never drew")
        by_event[answer.receipt.event].append(loss_of(answer))
    for receipt in draws:
        if total(by_event[receipt.event]) != receipt.loss:
            raise LedgerError("what a fit spent differs from what its ledger drew; nothing was released")
    spent = total([receipt.loss for receipt in draws])
    if not governor.fits(spent, reservation):
        raise LedgerError("a fit spent more than its reservation; nothing was released")
    return spent
