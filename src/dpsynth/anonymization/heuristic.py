"""A quick way down the lattice: good nodes early, where a search may have to end before the optimum is proved."""

from __future__ import annotations

from collections.abc import Callable

from dpsynth.anonymization.appraisal import Appraiser
from dpsynth.anonymization.lattice import Lattice, Node, at_level


def descend(lattice: Lattice, appraiser: Appraiser, stopped: Callable[[], bool]) -> None:
    """Greedy descent from the highest node.

    Each step lowers by one level the attribute that gives most detail back; a step that does not lower the loss,
    suppressed rows included, is not taken, and its attribute stays where it is. The appraiser remembers the best node.
    Ends where no attribute can go lower, or once ``stopped()`` says so, which is asked before each node.
    """
    _down(lattice, appraiser, stopped, lattice.high, set(range(len(lattice.high))))


def improve(lattice: Lattice, appraiser: Appraiser, stopped: Callable[[], bool]) -> None:
    """Descents from around the best node, as long as they find better ones.

    Each attribute in turn is raised by one level and kept there while the others go lower as in ``descend``, those
    first that lose least by it.
    """
    best = None
    while appraiser.best not in {best, None} and not stopped():
        best = appraiser.best
        _around(lattice, appraiser, stopped, best)


def _around(lattice: Lattice, appraiser: Appraiser, stopped: Callable[[], bool], best: Node) -> None:
    """Descends from the neighbors above a node, those first that lose least, until one leads to a better node."""
    axes = [axis for axis, level in enumerate(best) if level < lattice.high[axis]]
    raised = {axis: at_level(best, axis, best[axis] + 1) for axis in axes}
    for axis in sorted(axes, key=lambda one: lattice.gain(raised[one], one)):
        _down(lattice, appraiser, stopped, raised[axis], set(range(len(best))) - {axis})
        if appraiser.best != best:
            return


def _down(lattice: Lattice, appraiser: Appraiser, stopped: Callable[[], bool], node: Node, free: set[int]) -> None:
    """Descends from a node over the attributes that are ``free``."""
    loss = None
    while not stopped():
        if loss is None:
            loss = appraiser.appraise(node).loss
        free = {axis for axis in free if node[axis] > lattice.low[axis]}
        if not free or stopped():
            return
        axis = max(sorted(free), key=lambda one: lattice.gain(node, one))
        lower = at_level(node, axis, node[axis] - 1)
        found = appraiser.appraise(lower).loss
        if found < loss:
            node, loss = lower, found
        else:
            free.remove(axis)
