"""What a fit asks of the ledger: from (epsilon, delta) or a share of the cap to a live transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from dpsynth.errors import BudgetExceededError, UsageError
from dpsynth.ledger import Ledger, PoolState, Transaction
from dpsynth.pipeline.plan import Number, privacy_parameters
from dpsynth.privacy.conversions import budget_of, epsilon_of
from dpsynth.privacy.governor import Governor, governor_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit


@dataclass(frozen=True)
class Request:
    """A priced wish: the pool, the loss to reserve, and the (epsilon, delta) that this loss guarantees. ``once``: the
    key under which the pool pays at most once.
    """

    pool: str
    epsilon: Fraction
    delta: Fraction
    loss: PrivacyLoss
    governor: Governor
    creates_pool: bool
    once: str | None = None


def request_of(
    ledger: Ledger,
    pool: str,
    epsilon: Number | None,
    share: Number | None,
    delta: Number,
    *,
    discovers: bool = False,
) -> Request:
    """The request for this epsilon, or for this share of the pool's cap. ``UsageError`` unless exactly one is given,
    when a share is asked of a pool that does not exist, or when one of pool and fit has a delta and the other none.
    With ``discovers`` it holds the delta of one discovery. Spends nothing.
    """
    if (epsilon is None) == (share is None):
        raise UsageError("give either epsilon or a share of the pool's cap", hint="Example: --epsilon 1")
    state = ledger.pool(pool)
    if epsilon is not None:
        exact_epsilon, exact_delta = privacy_parameters(epsilon, delta)
        governor = _governor(state, exact_delta)
        loss = _delta_of(budget_of(exact_epsilon, exact_delta, governor), discovers=discovers)
        return Request(pool, exact_epsilon, exact_delta, loss, governor, state is None)
    if state is None:
        raise UsageError(
            "a share needs a pool with a cap",
            where=pool,
            hint="Create it first: dpsynth ledger create POOL --epsilon E --delta D",
        )
    part = _share(share)
    loss = _delta_of(state.cap.share(part), discovers=discovers)
    statement = epsilon_of(loss, state.delta, state.governor)
    return Request(pool, Fraction(statement), state.delta, loss, state.governor, creates_pool=False)


def _governor(state: PoolState | None, delta: Fraction) -> Governor:
    """The pool's governor, or a new pool's; ``UsageError`` when one of pool and fit has a delta and the other none."""
    wanted = governor_of(delta)
    if state is None or (state.governor is Governor.PURE) == (wanted is Governor.PURE):
        return wanted if state is None else state.governor
    if wanted is Governor.PURE:
        raise UsageError(
            f"a fit without a delta needs a pool of pure epsilon; the cap of this one has delta {float(state.delta):g}",
            where=state.name,
            hint="Leave --delta out, or create a pool: dpsynth ledger create POOL --epsilon E --delta 0",
        )
    raise UsageError(
        "the pool is governed by pure epsilon: its fits have no delta",
        where=state.name,
        hint="Ask --delta 0.",
    )


def reserve(
    ledger: Ledger, request: Request, *, unit: Unit, purpose: str | None, method: str, details: dict[str, Any]
) -> Transaction:
    """A reserved transaction, its event on disk. An unknown pool is created with the request as its cap.

    Raises ``BudgetExceededError`` when the cap would be exceeded, the pool protects another unit or has paid under the
    request's key, or another process created it with another governor meanwhile.
    """
    if request.creates_pool:
        state, _ = ledger.ensure(request.pool, epsilon=request.epsilon, delta=request.delta, unit=unit, purpose=purpose)
        if state.governor is not request.governor:
            raise BudgetExceededError(
                "the pool was created meanwhile, in another currency than this fit was priced in; nothing was spent",
                where=request.pool,
                hint="Ask again.",
            )
    return ledger.reserve(
        request.pool,
        request.loss,
        unit=unit,
        epsilon=request.epsilon,
        delta=request.delta,
        purpose=purpose,
        method=method,
        details=details,
        once=request.once,
    )


DISCOVERIES = 10
"""So many discoveries share the delta that a pool of the same cap sets aside for thresholds."""


def _delta_of(loss: PrivacyLoss, *, discovers: bool) -> PrivacyLoss:
    """The loss with the delta that this fit's thresholds need: none, or a tenth where it discovers its domain.

    Reserved whole by one fit, it would keep every other fit out of the pool while that fit runs, and for good after
    a forfeit, however much of the cap is left.
    """
    return replace(loss, delta=loss.delta // DISCOVERIES if discovers else 0)


def _share(share: Number | None) -> Fraction:
    try:
        part = Fraction(str(share) if isinstance(share, float) else share or 0)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        raise UsageError("a share is a fraction such as 1/5") from None
    if not 0 < part <= 1:
        raise UsageError("a share is a fraction above 0 and at most 1", hint="Example: --share 1/5")
    return part
