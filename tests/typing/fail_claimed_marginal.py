"""What somebody else measured never passes for an answer of the room: no receipt, no loss, nothing to reconcile."""

from dpsynth.models import ClaimedMarginal, Model
from dpsynth.privacy.answers import NoisyMarginal, Receipt
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.reconciliation import loss_of, reconcile


def launder(model: Model, claimed: ClaimedMarginal, receipt: Receipt) -> NoisyMarginal:
    loss_of(claimed)  # type: ignore[arg-type]
    reconcile(model.claims, [receipt], PrivacyLoss(), Governor.GDP)  # type: ignore[arg-type]
    Model(model.distribution, answers=(claimed,))  # type: ignore[arg-type]
    claimed.receipt = receipt  # type: ignore[attr-defined]
    return claimed  # type: ignore[return-value]
