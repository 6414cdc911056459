"""Losses are exact integers and fractions: a float, an epsilon or a bare number is not a loss."""

from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable


def overspend(queryable: Queryable, loss: PrivacyLoss) -> None:
    PrivacyLoss(0.5)  # type: ignore[arg-type]
    PrivacyLoss.charge(0.5)  # type: ignore[arg-type]
    queryable.measure([("age",)], 0.5)  # type: ignore[arg-type]
    loss.rho = 0  # type: ignore[misc]
    loss - loss  # type: ignore[operator]
