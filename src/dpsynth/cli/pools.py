"""The state of a pool, in words and for ``--json``: both say the same."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.cli.layout import at_least, at_most
from dpsynth.privacy.conversions import DELTA_CONVERSION, epsilon_of_rho
from dpsynth.privacy.loss import PrivacyLoss

if TYPE_CHECKING:
    from dpsynth.ledger import PoolState


def epsilon_of(loss: PrivacyLoss, delta: Fraction) -> Decimal:
    """The epsilon of this loss at the delta of its pool, of which nine tenths pay for the conversion."""
    return epsilon_of_rho(loss.rho_exact, delta * DELTA_CONVERSION)


def pool_words(pool: PoolState) -> list[str]:
    """What the cap is, what was charged, and what a next fit may ask."""
    delta = at_most(pool.delta)
    lines = [
        f"Cap of pool '{pool.name}': epsilon {at_most(pool.epsilon)}, delta {delta}: this is the guarantee of all its fits.",
        f"Charged so far (not a guarantee): epsilon {at_most(epsilon_of(pool.charged, pool.delta))}.",
    ]
    left = at_least(epsilon_of(pool.available, pool.delta), 3)
    if pool.available.rho == 0:
        lines.append("Nothing is left: a next fit will be refused (exit 4).")
    else:
        lines.append(f"A next fit may ask for epsilon {left} at most.")
    return lines


def pool_record(pool: PoolState) -> dict[str, object]:
    """The state of a pool for ``--json``; the exact numbers are in the ledger's export."""
    return {
        "name": pool.name,
        "pool_id": pool.pool_id,
        "unit": str(pool.unit),
        "governor": pool.governor,
        "cap": {"epsilon": float(pool.epsilon), "delta": float(pool.delta), "rho": float(pool.cap.rho_exact)},
        "charged": _amount(pool.charged, pool.delta),
        "reserved": _amount(pool.reserved, pool.delta),
        "forfeited": _amount(pool.forfeited, pool.delta),
        "available": _amount(pool.available, pool.delta),
    }


def _amount(loss: PrivacyLoss, delta: Fraction) -> dict[str, float]:
    return {"epsilon": float(epsilon_of(loss, delta)), "rho": float(loss.rho_exact)}
