"""Whether a pool grants a reservation, and if not, why: in words that tell what may be asked instead."""

from __future__ import annotations

from fractions import Fraction

from dpsynth.errors import BudgetExceededError, UsageError
from dpsynth.ledger.pool_state import PoolState
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit


def check_grant(state: PoolState, loss: PrivacyLoss, unit: Unit) -> None:
    """Raise ``BudgetExceededError`` unless the pool protects this unit and has room for the loss, and ``UsageError``
    for a loss of nothing.
    """
    if state.governor.units(loss) == 0 and loss.delta == 0:
        raise UsageError("a reservation of nothing cannot answer a question", hint="Ask a larger epsilon or share.")
    if state.unit != unit:
        raise BudgetExceededError(
            f"the pool protects the unit {str(state.unit)!r}, this fit asks for {str(unit)!r}",
            where=state.name,
            hint="A population keeps the unit it was created with; fit with that one.",
        )
    if not state.fits(loss):
        raise BudgetExceededError(
            f"the budget is refused: epsilon {float(state.statement(loss)[0]):.4g} asked, epsilon "
            f"{float(state.spent_epsilon):.4g} charged{_held(state)} of the cap epsilon {float(state.epsilon):g}, "
            f"delta {float(state.delta):g}".replace("e-0", "e-"),
            where=state.name,
            hint=_what_is_left(state, loss),
        )


def _held(state: PoolState) -> str:
    return f" and epsilon {float(state.statement(state.reserved)[0]):.4g} held by running fits" if state.live else ""


def _what_is_left(state: PoolState, loss: PrivacyLoss) -> str:
    if loss.delta > state.available.delta:
        return "Its delta is used up or held: ask a smaller --delta, or see: dpsynth ledger show"
    left = state.largest_next_epsilon(state.delta, discoveries=loss.delta > 0)
    # Losses add in the pool's currency, epsilons do not: the difference of the two epsilons above would mislead.
    dust = Fraction(left) * 1000 < state.epsilon
    largest = "0 in practice" if dust else str(left)
    return f"The largest epsilon a next fit may ask is {largest}; see: dpsynth ledger show"
