"""What a discovery will cost and can tell, before anything is spent: from public facts alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dpsynth.discovery.discover import VOTE, VOTE_AGAIN
from dpsynth.discovery.purse import Purse
from dpsynth.discovery.votes import CERTAIN
from dpsynth.errors import BudgetExceededError
from dpsynth.pipeline.plan import Price
from dpsynth.pipeline.reservation import DISCOVERIES
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.thresholds import least_threshold
from dpsynth.privacy.unit import Unit

FREQUENT = 10
"""A discovery does when a value that one row in so many has would be found."""
_TRIED = (Fraction(1, 100), Fraction(2, 100), Fraction(5, 100), *(Fraction(k, 10) for k in (1, 2, 5, 10, 20, 50, 100)))


@dataclass(frozen=True)
class DiscoveryPlan:
    """The price of a discovery of ``columns`` columns inside a fit, and what it can tell, from public facts alone.

    ``share``: of the loss, at most. ``vote``: the standard deviation in a count of the vote on types when it is asked
    twice, rows. ``threshold``: about how many rows a value needs to be released if all columns hold text. ``rows``: the
    public guess, and ``enough`` whether it will do; ``needed`` is an epsilon that would, if one of at most 10 does.
    ``labels``: what was done to the table before; ``unit.stability`` multiplies the noise.
    """

    price: Price
    unit: Unit
    method: str
    columns: int
    share: Fraction
    vote: float
    threshold: int | None
    rows: int | None
    needed: Fraction | None
    labels: tuple[str, ...] = ()

    @property
    def enough(self) -> bool | None:
        """Whether so many rows let something be found; ``None`` without a guess."""
        return None if self.rows is None else _does(self.vote, self.threshold, self.rows)


def plan_discovery(
    tag: Price, *, columns: int, unit: Unit, method: str, share: Fraction, rows: int | None
) -> DiscoveryPlan:
    """The plan of a discovery at this price. Spends nothing and reads nothing."""
    vote, threshold = _precision(tag.loss, tag.governor, columns, unit, share)
    needed = None
    if rows is not None and not _does(vote, threshold, rows):
        for epsilon in (one for one in _TRIED if one > tag.epsilon):
            loss = discovery_loss(epsilon, tag.delta, tag.governor)
            if needed is None and _does(*_precision(loss, tag.governor, columns, unit, share), rows):
                needed = epsilon
    return DiscoveryPlan(tag, unit, method, columns, share, vote, threshold, rows, needed)


def _precision(
    loss: PrivacyLoss, governor: Governor, columns: int, unit: Unit, share: Fraction
) -> tuple[float, int | None]:
    purse = Purse(loss, governor, unit.rows, share)
    voted = min(VOTE + VOTE_AGAIN, share)
    vote = purse.deviation_of(columns, voted)
    scale = purse.deviation_of(columns, max(share - VOTE, share / 2))
    try:
        return vote, least_threshold(unit.rows, scale, loss.delta // (2 * columns))
    except BudgetExceededError:
        return vote, None


def _does(vote: float, threshold: int | None, rows: int) -> bool:
    return threshold is not None and rows >= CERTAIN * vote and rows >= FREQUENT * threshold


def discovery_loss(epsilon: Fraction, delta: Fraction, governor: Governor) -> PrivacyLoss:
    """The loss that (epsilon, delta) buys, with the delta of one discovery."""
    loss = budget_of(epsilon, delta, governor)
    return PrivacyLoss(loss.rho, loss.mu2, loss.delta // DISCOVERIES, loss.epsilon)
