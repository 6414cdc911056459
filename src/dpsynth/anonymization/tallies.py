"""Arithmetic on tallies, whole arrays at a time: shares, greatest entries, earth mover's distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes, Counts, Crosstab

Flags = NDArray[np.bool_]
Figures = NDArray[np.float64]


def distributions(classes: Classes, kept: Flags | None = None) -> dict[str, Figures]:
    """By sensitive attribute the shares of its values over the classes ``kept``, of all when None; 0 when none is.

    Persons are counted once by class and value, so that the table's share is the mean of those of its classes.
    """
    found = {}
    for one in classes.sensitive:
        tab = classes.tally(one.name)
        counted = tab.rows if kept is None else np.where(kept[tab.classes], tab.rows, 0)
        totals = summed(tab.values, counted, one.size)
        found[one.name] = totals / max(float(totals.sum()), 1.0)
    return found


def shares_within(tab: Crosstab, number: int) -> Figures:
    """By entry its share of its class."""
    found: Figures = tab.rows / summed(tab.classes, tab.rows, number)[tab.classes]
    return found


def summed(of: Counts, figures: NDArray[np.generic], number: int) -> Figures:
    """By number below ``number`` the sum of the figures."""
    return np.bincount(of, weights=figures, minlength=number).astype(np.float64)


def ratios(above: Figures, below: Figures) -> Figures:
    """Divided; infinite where the divisor is 0."""
    found: Figures = np.divide(above, below, out=np.full(len(above), np.inf), where=below > 0)
    return found


def greatest(tab: Crosstab, number: int, figures: Figures) -> Figures:
    """By class the greatest of the figures of its entries; 0 without any."""
    found = np.zeros(number)
    starts = starts_of(tab.classes)
    found[tab.classes[starts]] = np.maximum.reduceat(figures, starts) if len(starts) else 0.0
    return found


def largest_and_tail(tab: Crosstab, number: int, rank: int) -> tuple[Figures, Figures]:
    """By class, counts in descending order: the first one, and the sum of those from ``rank`` on (the first is 1)."""
    order = np.lexsort((-tab.rows, tab.classes))
    of, rows = tab.classes[order], tab.rows[order]
    starts = starts_of(of)
    ranks = np.arange(len(of)) - np.repeat(starts, np.diff(starts, append=len(of))) + 1
    return summed(of, np.where(ranks == 1, rows, 0), number), summed(of, np.where(ranks >= rank, rows, 0), number)


def unordered_distances(tab: Crosstab, number: int, table: Figures) -> Figures:
    """By class half the sum of abs(p - q), which is the sum of those p - q that are above 0: p and q both sum to 1."""
    return summed(tab.classes, np.maximum(shares_within(tab, number) - table[tab.values], 0.0), number)


def ordered_distances(tab: Crosstab, number: int, table: Figures) -> Figures:
    """By class the sum of abs(P - Q) over the m values of the table, over m - 1; P and Q are cumulated shares.

    P is constant from an entry of the class to the next and Q ascends, so that each stretch is two differences of
    cumulated Q, however many values it spans: cost O(entries log m).
    """
    present = table > 0
    present[tab.values] = True
    m = int(present.sum())
    if m < 2:
        return np.zeros(number)
    q = np.cumsum(table[present])
    cumulated = np.concatenate(([0.0], np.cumsum(q)))
    starts = starts_of(tab.classes)
    ends = np.append(starts[1:], len(tab.classes))
    first = (np.cumsum(present) - 1)[tab.values]
    last = np.append(first[1:], m)
    last[ends - 1] = m
    p = np.cumsum(shares_within(tab, number))
    p -= np.repeat(np.append(0.0, p[ends[:-1] - 1]), ends - starts)
    middle = np.clip(np.searchsorted(q, p), first, last)
    stretches = p * (2 * middle - first - last) + cumulated[first] + cumulated[last] - 2 * cumulated[middle]
    found = summed(tab.classes, stretches, number)
    found[tab.classes[starts]] += cumulated[first[starts]]
    distances: Figures = np.maximum(found, 0.0) / (m - 1)
    return distances


def starts_of(ascending: Counts) -> Counts:
    """Where each number of an array in ascending order first stands."""
    return np.flatnonzero(np.diff(ascending, prepend=-1)).astype(np.int64)
