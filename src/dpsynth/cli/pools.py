"""The state of a pool, in words and for ``--json``: both say the same."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.cli.layout import at_least, at_most

if TYPE_CHECKING:
    from dpsynth.ledger import PoolState
    from dpsynth.privacy.loss import PrivacyLoss

_WORTH_ASKING = 1_000
"""Less than this part of a cap is rounding dust."""


def pool_words(pool: PoolState) -> list[str]:
    """What the cap is, what was charged, and what a next fit may ask."""
    cap = f"epsilon {at_most(pool.epsilon)}, delta {at_most(pool.delta)}"
    late = "; raised after outputs had been seen" if pool.raised_late else ""
    lines = [
        f"Cap of pool '{pool.name}': {cap}{late}. This is the guarantee of all its fits together.",
        f"Charged so far (not a guarantee): epsilon {at_most(pool.spent_epsilon)}.",
    ]
    if pool.disclosures:
        lines.append(f"Plus {pool.disclosures} disclosures without DP: no bound holds for the total.")
    if pool.governor.units(pool.forfeited):
        lines.append(
            f"Of that, epsilon {at_most(pool.statement(pool.forfeited)[0])} was forfeited by fits that broke off."
        )
    if pool.live:
        lines.append(f"Fits running now: {len(pool.live)}; what they reserved is not available.")
    lines.append(f"Accounting, fixed for this pool: {pool.governor.words}.")
    lines.append(_left(largest_epsilon(pool), pool))
    return lines


def _left(largest: Decimal, pool: PoolState) -> str:
    if Fraction(largest) * _WORTH_ASKING >= pool.epsilon:
        return f"A next fit may ask for epsilon {at_least(largest)} at most."
    rest = f"Almost nothing is left (epsilon {at_least(largest)})" if largest else "Nothing is left"
    return f"{rest}: a next fit will be refused (exit 4)."


def largest_epsilon(pool: PoolState) -> Decimal:
    """What a next fit may ask at the pool's delta; no method asks thresholded discoveries."""
    return pool.largest_next_epsilon(pool.delta, discoveries=False)


def pool_record(pool: PoolState) -> dict[str, object]:
    """The state of a pool for ``--json``; the exact numbers are in the ledger's export."""
    return {
        "name": pool.name,
        "pool_id": pool.pool_id,
        "unit": str(pool.unit),
        "governor": str(pool.governor),
        "neighbors": pool.neighbors,
        "cap": {
            "epsilon": float(pool.epsilon),
            "delta": float(pool.delta),
            "amount": float(pool.governor.amount(pool.cap)),
            "rho": float(pool.cap.rho_exact),
        },
        "charged": _amount(pool, pool.charged),
        "reserved": _amount(pool, pool.reserved),
        "forfeited": _amount(pool, pool.forfeited),
        "largest_next_epsilon": float(largest_epsilon(pool)),
        "raised_late": pool.raised_late,
        "disclosures": pool.disclosures,
        "running": len(pool.live),
        "events": pool.events,
        "ephemeral": pool.ephemeral,
    }


def _amount(pool: PoolState, loss: PrivacyLoss) -> dict[str, float]:
    return {
        "epsilon": float(pool.statement(loss)[0]),
        "amount": float(pool.governor.amount(loss)),
        "rho": float(loss.rho_exact),
    }
