"""Optimal full-domain generalization: the node of the lattice at which a table loses least, suppressed rows included.

The loss of a node is what generalization takes from all rows, and what suppression takes on top of it::

    loss(v) = base(v) + extra(v)      base(v)  = mean over the rows of the penalty at v, a sum over attributes
                                      extra(v) = sum over the rows suppressed at v of (1 - penalty at v) / rows

``base`` never falls from a node to one above it. When the models are monotone, a row that is suppressed at v is
suppressed at every node below v, where its penalty is no larger: ``extra`` never rises. So the nodes of a box all lose
at least ``base(low corner) + extra(high corner)``, and suppress at least as many rows as the high corner. Branch and
bound over boxes: that of least bound is looked at, at its high corner, and halved, until no bound is below the least
loss found. Of several models only the monotone ones count for ``extra`` and the suppression of a bound; without any,
the bound is ``base``, and a node that cannot lose less is not looked at. Where no row may be suppressed and rows are
counted, all models are monotone in what matters: if every class at v passes, so does every class above it, because each
model bounds a quasiconvex function of the shares of a class (or a ratio of its counts), and the table's stay the same.

Sources: branch and bound, Lawler & Wood (1966); what monotony decides without looking, LeFevre et al. (Incognito,
SIGMOD 2005) and Kohlmayer et al. (Flash, PASSAT 2012); the loss, Ghinita et al. (GCP, VLDB 2007).
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dpsynth.anonymization.appraisal import TOLERANCE, Appraiser
from dpsynth.anonymization.heuristic import descend, improve
from dpsynth.anonymization.lattice import Box, Lattice, Node, at_level, lattice_of
from dpsynth.anonymization.privacy_models import PrivacyModel, monotone
from dpsynth.anonymization.records import Generalized, Records
from dpsynth.errors import GateError, UsageError

NODES = 1_000_000
"""Up to so many nodes a lattice is searched to the optimum."""
CHECKS = 2_000
"""How many nodes are looked at in a larger lattice."""
SEARCH = 0.75
"""The part of a limit after which what is left improves the best node instead of the bound."""


def optimal(
    records: Records,
    models: Sequence[PrivacyModel],
    *,
    suppression: float = 1.0,
    fixed: Mapping[int, tuple[int, int]] | None = None,
    nodes: int = NODES,
    time_limit: float | None = None,
    progress: Callable[[float], object] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Generalized:
    """The full-domain generalization of least loss that meets the models, the rows of other classes suppressed.

    The loss is the mean over rows of the importance-weighted penalties of ``Hierarchy.penalties``, 1 for a suppressed
    row. Of nodes that lose equally much the one found first is taken, whatever the order of the rows, and of levels
    that only repeat the groups of the level below, the lowest.

    ``suppression``: the largest share of rows suppressed, and never all of them. ``fixed``: by number of an attribute
    its lowest and its highest level allowed. A lattice of more than ``nodes`` nodes, or any under a ``time_limit``
    (seconds by ``clock``, checked between nodes), begins with a greedy descent; the larger one ends after ``CHECKS``
    nodes, and the limit ends either with the best so far: ``bound`` then says which loss no node is below, and equals
    ``loss`` when the optimum is proved. ``progress``: called with the share of the work done, which never goes back.

    Raises ``GateError`` when no node allowed meets the models within the limit, or none was found in time, and
    ``UsageError`` or ``SchemaError`` for settings out of range. Cost: a sort or a count of the different records for
    each node looked at; memory a small multiple of the records.
    """
    _check(suppression, nodes, time_limit)
    lattice = lattice_of(records, fixed or {})
    if not records.rows:
        progress(1.0)
        return _generalized(lattice.low, np.zeros(0, np.bool_), loss=0.0, bound=0.0, checked=0)
    appraiser = Appraiser(records, lattice, models, suppression)
    checks = math.inf if lattice.size <= nodes else CHECKS
    seconds = math.inf if time_limit is None else time_limit
    search = _Search(lattice, appraiser, progress, clock, checks=checks, time_limit=seconds)
    search.run()
    if appraiser.best is None:
        raise _nothing(appraiser, models, suppression, proved=search.proved)
    suppressed = appraiser.suppressed(appraiser.best)
    return _generalized(appraiser.best, suppressed, loss=appraiser.least, bound=search.bound, checked=appraiser.checked)


class _Search:
    """One search of a lattice. Once it has run, ``bound`` holds, and ``proved``: no node is better than the best."""

    def __init__(
        self,
        lattice: Lattice,
        appraiser: Appraiser,
        progress: Callable[[float], object],
        clock: Callable[[], float],
        *,
        checks: float,
        time_limit: float,
    ) -> None:
        self._lattice, self._appraiser, self._progress, self._clock = lattice, appraiser, progress, clock
        self._checks, self._time_limit, self._start, self._share = checks, time_limit, clock(), 0.0
        self.bound, self.proved, self._number = lattice.loss(lattice.low), False, 0
        # An entry: the bound, a number that decides between equals, a box, and `extra` of its high corner once known.
        self._entries: list[tuple[float, int, Box, float | None]] = [(self.bound, 0, lattice.box, None)]

    def run(self) -> None:
        """Looks at nodes until the optimum is proved or a limit is reached."""
        if min(self._checks, self._time_limit) < math.inf:
            descend(self._lattice, self._appraiser, self._stopped)
            self._branch_and_bound(SEARCH)
            if not self.proved:
                improve(self._lattice, self._appraiser, self._stopped)
        self._branch_and_bound(1.0)
        self._lower()
        self.bound = min(self.bound, self._appraiser.least)
        self._progress(1.0)

    def _branch_and_bound(self, part: float) -> None:
        """Goes on until no bound is below the least loss, or until a part of a limit is reached."""
        while self._entries and self._entries[0][0] < self._appraiser.least - TOLERANCE:
            self.bound = self._entries[0][0]
            if self._stopped(part):
                return
            for bound, box, extra in self._branches(*heapq.heappop(self._entries)):
                self._number += 1
                heapq.heappush(self._entries, (bound, self._number, box, extra))
        self.bound, self.proved = self._appraiser.least, True

    def _branches(self, bound: float, _: int, box: Box, extra: float | None) -> list[tuple[float, Box, float | None]]:
        """What takes the place of an entry: the box with a better bound, or its halves; nothing for a node."""
        if extra is None:
            extra = self._appraiser.appraise(box.high).extra
            return [(self._lattice.loss(box.low) + extra, box, extra)] if math.isfinite(extra) else []
        if box.low == box.high:
            return []
        lower, upper = box.halves(self._lattice.losses)
        return [(bound, lower, None), (self._lattice.loss(upper.low) + extra, upper, extra)]

    def _lower(self) -> None:
        """Lowers the levels of the best node that lose nothing more than the level below: groups that are the same."""
        for axis in range(len(self._lattice.high)):
            while (best := self._appraiser.best) and best[axis] > self._lattice.low[axis]:
                below = at_level(best, axis, best[axis] - 1)
                if self._lattice.gain(best, axis) > 0 or self._stopped() or not self._appraiser.lower(below):
                    break

    def _stopped(self, part: float = 1.0) -> bool:
        """Whether a part of a limit is reached; tells how much of the work is done."""
        elapsed, checked, least = self._clock() - self._start, self._appraiser.checked, self._appraiser.least
        closed = self.bound / least if 0 < least < math.inf else 0.0
        self._share = min(max(self._share, closed, elapsed / self._time_limit, checked / self._checks), 1.0)
        self._progress(self._share)
        return elapsed >= part * self._time_limit or checked >= part * self._checks


def _check(suppression: float, nodes: int, time_limit: float | None) -> None:
    if not 0 <= suppression <= 1:
        raise UsageError(f"the suppression limit {suppression} is not a share", hint="It lies from 0 to 1.")
    if nodes < 1:
        raise UsageError(f"{nodes} is not a number of nodes", hint="It is 1 or more.")
    if time_limit is not None and not time_limit > 0:
        raise UsageError(f"the time limit {time_limit} is not above 0", hint="It counts seconds.")


def _nothing(appraiser: Appraiser, models: Sequence[PrivacyModel], suppression: float, *, proved: bool) -> GateError:
    asked = " and ".join(str(model) for model in models)
    if not proved:
        hint = "Give it more time, raise the suppression limit, or allow higher levels."
        return GateError(f"no generalization with {asked} was found before the search had to end", hint=hint)
    if appraiser.fewest == appraiser.rows and (appraiser.allowed or monotone(models)):
        hint = "Ask for less, or allow higher levels; a table needs at least as many rows as a class."
        return GateError(f"every row would be suppressed: no class of rows meets {asked} at any levels", hint=hint)
    hint = "Raise the suppression limit, ask for less, or allow higher levels."
    limit = f"at most {100 * suppression:g} % of the rows suppressed"
    return GateError(f"no levels meet {asked} with {limit}", hint=hint)


def _generalized(
    node: Node, suppressed: np.ndarray[tuple[int], np.dtype[np.bool_]], *, loss: float, bound: float, checked: int
) -> Generalized:
    of = tuple(np.full(len(suppressed), level, np.uint8) for level in node)
    return Generalized(of, suppressed, loss, bound, checked, node)
