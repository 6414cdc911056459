"""What a pool holds, as people ask for it: spent, cap, what is left, and what a share would guarantee."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from dpsynth.errors import UsageError
from dpsynth.ledger.machine import FIXED, Live, Pool
from dpsynth.privacy.conversions import DELTA_CONVERSION, budget_of, epsilon_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

_PRINTED = Context(prec=6, rounding=ROUND_FLOOR)
_CEILING = Context(prec=40, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A live transaction: what it holds, what it has drawn, and whether its data was touched."""

    transaction: str
    loss: PrivacyLoss
    drawn: PrivacyLoss
    touched: bool


@dataclass(frozen=True, slots=True)
class PoolState:
    """One pool at one moment. ``epsilon`` and ``delta`` are the cap as given, ``cap`` what they buy.

    ``charged`` is every draw and forfeit, ``reserved`` the undrawn part of live reservations, ``forfeited`` the part
    of ``charged`` that was forfeited. ``raised_late``: the cap was raised after outputs had been seen. ``head`` is the
    hash of the last event.
    """

    name: str
    pool_id: str
    unit: Unit
    governor: Governor
    neighbors: str
    epsilon: Fraction
    delta: Fraction
    cap: PrivacyLoss
    charged: PrivacyLoss
    reserved: PrivacyLoss
    forfeited: PrivacyLoss
    live: tuple[Reservation, ...]
    raised_late: bool
    disclosures: int
    events: int
    head: str
    ephemeral: bool

    @property
    def available(self) -> PrivacyLoss:
        """What a next reservation may take."""
        return self.cap.minus(self.charged + self.reserved)

    @property
    def spent_epsilon(self) -> Decimal:
        """Epsilon, at the pool's delta, of all that is charged so far, rounded up. Not a guarantee: the cap is."""
        return self.statement(self.charged)[0]

    def statement(self, loss: PrivacyLoss) -> tuple[Decimal, Fraction]:
        """The (epsilon, delta) that a loss amounts to at the pool's delta; epsilon rounded up.

        Delta is the conversion's nine tenths of the pool's delta plus the loss's own delta, never less than stated. A
        loss within the cap never states more than the cap's epsilon, which was rounded down once, for the cap.
        """
        conversion = self.delta * DELTA_CONVERSION
        epsilon = epsilon_of(loss, self.delta, self.governor)
        if self.governor.fits(loss, self.cap):
            epsilon = min(epsilon, _CEILING.divide(Decimal(self.epsilon.numerator), Decimal(self.epsilon.denominator)))
        return epsilon, conversion + loss.delta_exact

    def share_of_cap(self, fraction: Fraction) -> PrivacyLoss:
        """The given fraction of the cap, rounded down; ``UsageError`` unless it lies above 0 and at most 1."""
        if not 0 < fraction <= 1:
            raise UsageError("a share lies above 0 and at most 1", hint="Example: --share 1/5")
        return self.cap.share(fraction)

    def fits(self, loss: PrivacyLoss) -> bool:
        """Whether a reservation of this loss would be granted now."""
        return self.governor.fits(loss, self.available)

    def largest_next_epsilon(self, delta: Fraction, *, discoveries: bool = True) -> Decimal:
        """The largest epsilon, to 6 digits rounded down, that a next fit at this delta may ask; 0 if none.

        With ``discoveries`` false the fit reserves nothing for thresholded discoveries.
        """
        epsilon = _PRINTED.plus(epsilon_of(self.available, delta, self.governor))
        while epsilon > 0:
            wanted = budget_of(Fraction(epsilon), delta, self.governor)
            if self.fits(wanted if discoveries else replace(wanted, delta=0)):
                return epsilon
            if discoveries and wanted.delta > self.available.delta:
                break
            epsilon = _PRINTED.next_minus(epsilon)
        return Decimal(0)


def pool_state(name: str, pool: Pool, *, events: int, head: str, ephemeral: bool) -> PoolState:
    """The public view of a pool's state after ``events`` events that end in ``head``."""
    return PoolState(
        name=name,
        pool_id=pool.pool_id,
        unit=Unit.parse(pool.unit),
        governor=pool.governor,
        neighbors=FIXED["neighbors"],
        epsilon=pool.epsilon,
        delta=pool.delta,
        cap=pool.cap,
        charged=pool.charged,
        reserved=pool.reserved,
        forfeited=pool.forfeited,
        live=tuple(_reservation(transaction, live) for transaction, live in pool.live.items()),
        raised_late=pool.raised_late,
        disclosures=pool.disclosures,
        events=events,
        head=head,
        ephemeral=ephemeral,
    )


def _reservation(transaction: str, live: Live) -> Reservation:
    return Reservation(transaction, live.reservation, live.drawn, live.touched)
