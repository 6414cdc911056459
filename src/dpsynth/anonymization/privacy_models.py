"""Syntactic privacy models: what every class of a released table must fulfill, and which parameter it reaches.

Counts are of persons where the unit is a person: somebody with nine rows of one value counts once for it. A limit may
be missed by ``ROUNDING``, which sums of decimal fractions need; strict inequalities get no such room.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes, Crosstab, Sensitive
from dpsynth.anonymization.tallies import (
    distributions,
    greatest,
    largest_and_tail,
    ordered_distances,
    ratios,
    shares_within,
    summed,
    unordered_distances,
)
from dpsynth.errors import SchemaError, UsageError

Flags = NDArray[np.bool_]
Figures = NDArray[np.float64]
Shares = Mapping[str, Figures]

ROUNDING = 1e-9


class PrivacyModel(Protocol):
    """A condition on equivalence classes; ``str`` tells it in words, its parameter included."""

    @property
    def name(self) -> str:
        """What the field calls it."""
        ...

    @property
    def monotone(self) -> bool:
        """Whether a class that passes still passes when any other is merged into it, whatever the table is."""
        ...

    def passes(self, classes: Classes, shares: Shares) -> Flags:
        """By class: the condition holds. ``shares``: by sensitive attribute the distribution over the whole table."""
        ...

    def reached(self, classes: Classes, shares: Shares) -> float:
        """The strictest parameter with which every class passes."""
        ...


def satisfied(models: Sequence[PrivacyModel], classes: Classes) -> Flags:
    """By class: kept. Classes that fail are dropped and the rest judged anew, until the rest fulfills every model.

    The distribution of the table is that of the rows that remain; a dropped class does not return. Cost: one pass over
    the tallies per round, never more rounds than classes; one round, and no tally of what no model reads, when all
    models are monotone, because such a model does not ask for the distribution.
    """
    kept = np.ones(classes.number, np.bool_)
    while True:
        shares = {} if monotone(models) else distributions(classes, kept)
        passed = kept.copy()
        for model in models:
            passed &= model.passes(classes, shares)
        if monotone(models) or not passed.any() or bool((passed == kept).all()):
            return passed
        kept = passed


def monotone(models: Sequence[PrivacyModel]) -> bool:
    """Whether every model is: then what passes at a node of a lattice passes at every node above it."""
    return all(model.monotone for model in models)


class _Limited(Protocol):
    """A model with one limit on a figure of each class. ``parameter``: the attribute that holds the limit."""

    parameter: ClassVar[str]
    monotone: ClassVar[bool] = False

    @property
    def _limit(self) -> float:
        return float(getattr(self, self.parameter))

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        """The figure of each class."""
        ...


class _AtLeast(_Limited):
    """Every class has no less than the limit."""

    def passes(self, classes: Classes, shares: Shares) -> Flags:
        """By class: no less than the limit."""
        return self._measured(classes, shares) >= self._limit * (1 - ROUNDING)

    def reached(self, classes: Classes, shares: Shares) -> float:
        """The least figure of all classes; infinite when there is none."""
        return float(self._measured(classes, shares).min(initial=np.inf))


class _AtMost(_Limited):
    """Every class has no more than the limit."""

    def passes(self, classes: Classes, shares: Shares) -> Flags:
        """By class: no more than the limit."""
        return self._measured(classes, shares) <= self._limit + ROUNDING

    def reached(self, classes: Classes, shares: Shares) -> float:
        """The greatest figure of all classes; 0 when there is none."""
        return float(self._measured(classes, shares).max(initial=0.0))


class _Below(_AtMost):
    """Every class has less than the limit: a parameter above what is reached would do, that itself would not."""

    def passes(self, classes: Classes, shares: Shares) -> Flags:
        """By class: less than the limit."""
        return self._measured(classes, shares) < self._limit


@dataclass(frozen=True)
class KAnonymity(_AtLeast):
    """Every class holds at least ``k`` persons (Sweeney, k-anonymity: a model for protecting privacy, 2002)."""

    k: int
    name: ClassVar[str] = "k-anonymity"
    parameter: ClassVar[str] = "k"
    monotone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _whole("k", self.k, self.name)

    def __str__(self) -> str:
        return f"{self.k}-anonymity"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        return classes.units.astype(np.float64)


@dataclass(frozen=True)
class KMap(_AtLeast):
    """Every class is one of at least ``k`` rows of the population (Sweeney, Computational disclosure control, 2001).

    Raises ``UsageError`` for a table without a population.
    """

    k: int
    name: ClassVar[str] = "k-map"
    parameter: ClassVar[str] = "k"
    monotone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _whole("k", self.k, self.name)

    def __str__(self) -> str:
        return f"{self.k}-map"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        if classes.population is None:
            raise UsageError("no table of the population is given", where=self.name, hint="k-map counts its rows.")
        return classes.population.astype(np.float64)


@dataclass(frozen=True)
class DistinctDiversity(_AtLeast):
    """Every class has at least ``l`` different values (Machanavajjhala et al., l-diversity, 2007, section 4)."""

    field: str
    l: int  # noqa: E741
    name: ClassVar[str] = "distinct l-diversity"
    parameter: ClassVar[str] = "l"
    monotone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _whole("l", self.l, self.name)

    def __str__(self) -> str:
        return f"distinct {self.l}-diversity of {self.field!r}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        return np.bincount(_tally(classes, self.field).classes, minlength=classes.number).astype(np.float64)


@dataclass(frozen=True)
class EntropyDiversity(_AtLeast):
    """The entropy of every class is at least log ``l`` (Machanavajjhala et al., 2007, definition 4.1)."""

    field: str
    l: float  # noqa: E741
    name: ClassVar[str] = "entropy l-diversity"
    parameter: ClassVar[str] = "l"

    def __post_init__(self) -> None:
        _within("l", self.l, self.name, least=1.0)

    def __str__(self) -> str:
        return f"entropy {self.l:g}-diversity of {self.field!r}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        tab = _tally(classes, self.field)
        p = shares_within(tab, classes.number)
        found: Figures = np.exp(summed(tab.classes, -p * np.log(p), classes.number))
        return found


@dataclass(frozen=True)
class RecursiveDiversity(_Below):
    """With counts r_1 >= r_2 >= ... of the values of a class, r_1 < ``c`` (r_l + r_(l+1) + ...).

    Machanavajjhala et al., 2007, definition 4.2. What is reached is the greatest r_1 / (r_l + ...) at the given ``l``.
    """

    field: str
    c: float
    l: int  # noqa: E741
    name: ClassVar[str] = "recursive (c, l)-diversity"
    parameter: ClassVar[str] = "c"

    def __post_init__(self) -> None:
        _within("c", self.c, self.name, above=0.0)
        _whole("l", self.l, self.name)

    def __str__(self) -> str:
        return f"recursive ({self.c:g}, {self.l})-diversity of {self.field!r}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        return ratios(*largest_and_tail(_tally(classes, self.field), classes.number, self.l))


@dataclass(frozen=True)
class Closeness(_AtMost):
    """The distribution within every class is at most ``t`` from that of the table (Li et al., t-closeness, 2007).

    Earth mover's distance: half the sum of the differences where all values are equally far from each other; where
    ``ordered``, neighbors of the m values that stand in the table are 1 / (m - 1) apart.
    """

    field: str
    t: float
    ordered: bool = False
    name: ClassVar[str] = "t-closeness"
    parameter: ClassVar[str] = "t"

    def __post_init__(self) -> None:
        _within("t", self.t, self.name, least=0.0, most=1.0)

    def __str__(self) -> str:
        return f"{self.t:g}-closeness of {self.field!r}{' in its order' if self.ordered else ''}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        tab, table = _tally(classes, self.field), _share(shares, self.field)
        if not self.ordered:
            return unordered_distances(tab, classes.number, table)
        if not _sensitive(classes, self.field).ordered:
            raise SchemaError("its values have no order", where=f"field {self.field!r}", hint="Take equal distances.")
        return ordered_distances(tab, classes.number, table)


@dataclass(frozen=True)
class AlphaK(_AtMost):
    """Every class holds at least ``k`` persons, of whom at most the share ``alpha`` has any one value.

    Wong et al., (α, k)-anonymity, 2006, for all values of the attribute. What is reached is the greatest share.
    """

    field: str
    alpha: float
    k: int
    name: ClassVar[str] = "(alpha, k)-anonymity"
    parameter: ClassVar[str] = "alpha"

    def __post_init__(self) -> None:
        _within("alpha", self.alpha, self.name, above=0.0, most=1.0)
        _whole("k", self.k, self.name)

    def __str__(self) -> str:
        return f"({self.alpha:g}, {self.k})-anonymity of {self.field!r}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        tab = _tally(classes, self.field)
        return greatest(tab, classes.number, tab.rows / classes.units[tab.classes])

    def passes(self, classes: Classes, shares: Shares) -> Flags:
        """By class: both conditions hold."""
        return super().passes(classes, shares) & (classes.units >= self.k)


@dataclass(frozen=True)
class BetaLikeness(_AtMost):
    """A value's share of a class exceeds its share q of the table by at most ``beta`` q (Cao & Karras, 2012).

    When ``enhanced``, by at most min(``beta``, -ln q) q: infinite is reached where no ``beta`` would do.
    """

    field: str
    beta: float
    enhanced: bool = False
    name: ClassVar[str] = "beta-likeness"
    parameter: ClassVar[str] = "beta"

    def __post_init__(self) -> None:
        _within("beta", self.beta, self.name, above=0.0)

    def __str__(self) -> str:
        return f"{'enhanced' if self.enhanced else 'basic'} {self.beta:g}-likeness of {self.field!r}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        tab = _tally(classes, self.field)
        q = _share(shares, self.field)[tab.values]
        gains = ratios(shares_within(tab, classes.number) - q, q)
        if self.enhanced:
            most = -np.log(q, out=np.full(len(q), -np.inf), where=q > 0)
            gains[gains > most + ROUNDING] = np.inf
        return greatest(tab, classes.number, np.maximum(gains, 0.0))


@dataclass(frozen=True)
class DeltaDisclosure(_Below):
    """For every value of the table, with shares p of a class and q of the table, abs(ln(p / q)) < ``delta``.

    Brickell & Shmatikov, The cost of privacy, 2008. A class that lacks a value of the table never passes.
    """

    field: str
    delta: float
    name: ClassVar[str] = "delta-disclosure privacy"
    parameter: ClassVar[str] = "delta"

    def __post_init__(self) -> None:
        _within("delta", self.delta, self.name, above=0.0)

    def __str__(self) -> str:
        return f"{self.delta:g}-disclosure privacy of {self.field!r}"

    def _measured(self, classes: Classes, shares: Shares) -> Figures:
        tab, table = _tally(classes, self.field), _share(shares, self.field)
        steps = np.abs(np.log(ratios(shares_within(tab, classes.number), table[tab.values])))
        found = greatest(tab, classes.number, steps)
        known = summed(tab.classes, table[tab.values] > 0, classes.number)
        found[known < np.count_nonzero(table)] = np.inf
        return found


def _whole(name: str, value: int, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{name} is a whole number of at least 1", where=where)


def _within(
    name: str, value: float, where: str, *, least: float = -math.inf, above: float = -math.inf, most: float = math.inf
) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (number and least <= value <= most and value > above):
        low = f"above {above:g}" if above > -math.inf else f"of at least {least:g}"
        high = f" and at most {most:g}" if most < math.inf else ""
        raise UsageError(f"{name} is a number {low}{high}", where=where)


def _sensitive(classes: Classes, name: str) -> Sensitive:
    for one in classes.sensitive:
        if one.name == name:
            return one
    raise SchemaError("the table has no sensitive attribute of this name", where=f"field {name!r}")


def _tally(classes: Classes, name: str) -> Crosstab:
    return classes.tally(_sensitive(classes, name).name)


def _share(shares: Shares, name: str) -> Figures:
    if name not in shares:
        raise SchemaError("its distribution over the table is not given", where=f"field {name!r}")
    return shares[name]
