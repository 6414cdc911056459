"""A calibrated junction tree: a joint distribution that answers any marginal exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsynth.domain import Clique
from dpsynth.errors import UsageError
from dpsynth.graph.factors import Values, aligned, contracted, divided, summed
from dpsynth.graph.junction import JunctionTree, Visit


@dataclass(frozen=True, eq=False)
class CalibratedTree:
    """The distribution Π beliefs / Π separators, as expected counts.

    ``beliefs[i]``: float64, shape of ``tree.cliques[i]``, nonnegative; neighbors agree on their separator and each
    sums to ``total``.
    """

    tree: JunctionTree
    beliefs: tuple[Values, ...]
    total: float

    def marginal(self, clique: Clique) -> Values:
        """The expected counts of any clique: float64, axes in clique order, sums to ``total``; ``DomainError`` for an
        unknown attribute.

        Cost: one sum inside a node; otherwise variable elimination along the subtree that joins the attributes.
        """
        return self.marginals([clique])[0]

    def marginals(self, cliques: Sequence[Clique]) -> list[Values]:
        """The marginals of these cliques; all pairs that share an attribute cost one sweep of the tree together."""
        for clique in cliques:
            self.tree.domain.check_clique(clique)
        found: dict[Clique, Values] = {}
        apart: dict[str, set[str]] = {}
        for clique in dict.fromkeys(cliques):
            node = self.tree.containing(clique)
            if node is not None:
                found[clique] = summed(self.beliefs[node], self.tree.cliques[node], clique)
            elif len(clique) == 2:
                first, second = self.tree.domain.canonical(clique)
                apart.setdefault(first, set()).add(second)
            else:
                found[clique] = self._eliminated(clique)
        for source, others in apart.items():
            found.update(self._sweep(source, others))
        return [found[clique] if clique in found else found[clique[::-1]].T for clique in cliques]

    def conditioned(self, evidence: Mapping[str, ArrayLike]) -> CalibratedTree:
        """The same distribution with every cell multiplied by the evidence weights of its codes: exact conditioning.

        ``evidence``: nonnegative finite weights per attribute, one per code (``UsageError`` otherwise). The total of
        the result is the expected weighted count; it is 0 when the evidence is impossible.
        """
        beliefs = list(self.beliefs)
        for attribute, given in evidence.items():
            weights = np.asarray(given, dtype=np.float64)
            if weights.shape != (self.tree.domain[attribute],):
                raise UsageError("evidence needs one weight per code", where=attribute)
            if not np.isfinite(weights).all() or (weights < 0).any():
                raise UsageError("evidence weights are finite and not negative", where=attribute)
            node = self.tree.home[attribute]
            beliefs[node] = beliefs[node] * aligned(weights, (attribute,), self.tree.cliques[node])
        return recalibrated(self.tree, beliefs, self.beliefs)

    def _conditional(self, visit: Visit) -> Values:
        """The belief of a node divided by the separator through which a walk reached it."""
        clique = self.tree.cliques[visit.node]
        belief = self.beliefs[visit.node]
        if visit.parent < 0:
            return belief
        separator = summed(belief, clique, visit.separator)
        return divided(belief, aligned(separator, visit.separator, clique))

    def _sweep(self, source: str, others: set[str]) -> dict[Clique, Values]:
        """The pairs (source, other) by pushing the joint of the source and each separator through the tree."""
        pairs: dict[Clique, Values] = {}
        carried: dict[int, tuple[Values, Clique]] = {}
        for visit in self.tree.walk(self.tree.home[source]):
            clique = self.tree.cliques[visit.node]
            if source in clique:
                carried[visit.node] = self.beliefs[visit.node], clique
                continue
            values, names = carried[visit.parent]
            message_names = (source, *visit.separator)
            message = summed(values, names, message_names)
            kept = (source, *clique)
            wanted = self._ahead(visit, others - {other for _, other in pairs})
            if wanted != clique:
                kept = (source, *wanted)
            joint = contracted(message, message_names, self._conditional(visit), clique, kept)
            carried[visit.node] = joint, kept
            for other in others & set(kept[1:]):
                pairs.setdefault((source, other), summed(joint, kept, (source, other)))
        return pairs

    def _ahead(self, visit: Visit, others: set[str]) -> Clique:
        """The attributes of a node that a sweep still needs: wanted ones and those in separators farther on."""
        needed = set(others)
        for node, separator in self.tree.neighbors[visit.node]:
            if node != visit.parent:
                needed.update(separator)
        return tuple(name for name in self.tree.cliques[visit.node] if name in needed)

    def _eliminated(self, clique: Clique) -> Values:
        """Variable elimination from the leaves to a root that holds the first attribute."""
        wanted = set(clique)
        walk = self.tree.walk(self.tree.home[clique[0]])
        inbox: dict[int, list[tuple[Values, Clique]]] = {}
        for visit in reversed(walk):
            received = inbox.pop(visit.node, [])
            own = wanted & set(self.tree.cliques[visit.node])
            if visit.parent >= 0 and not received and own <= set(visit.separator):
                continue
            values, names = self._conditional(visit), self.tree.cliques[visit.node]
            target = visit.separator if visit.parent >= 0 else ()
            for position, (message, message_names) in enumerate(received):
                later = {name for _, other in received[position + 1 :] for name in other}
                needed = wanted | set(target) | later
                union = names + tuple(name for name in message_names if name not in names)
                kept = tuple(name for name in union if name in needed)
                values, names = contracted(values, names, message, message_names, kept), kept
            out = target + tuple(name for name in names if name in wanted and name not in target)
            if visit.parent < 0:
                return summed(values, names, clique)
            inbox.setdefault(visit.parent, []).append((summed(values, names, out), out))
        raise AssertionError  # pragma: no cover  (a walk always ends at its root)


def recalibrated(tree: JunctionTree, changed: Sequence[Values], before: Sequence[Values]) -> CalibratedTree:
    """The calibrated tree of ``changed`` beliefs whose separators are still those of the calibrated ``before``.

    Two passes of Hugin updates (Lauritzen & Spiegelhalter 1988); zeros stay zeros.
    """
    beliefs = list(changed)
    separators = {
        visit.node: summed(before[visit.node], tree.cliques[visit.node], visit.separator) for visit in tree.order
    }

    def pass_on(source: int, target: int, child: int, separator: Clique) -> None:
        fresh = summed(beliefs[source], tree.cliques[source], separator)
        ratio = divided(fresh, separators[child])
        beliefs[target] = beliefs[target] * aligned(ratio, separator, tree.cliques[target])
        separators[child] = fresh

    for visit in reversed(tree.order[1:]):
        pass_on(visit.node, visit.parent, visit.node, visit.separator)
    for visit in tree.order[1:]:
        pass_on(visit.parent, visit.node, visit.node, visit.separator)
    return CalibratedTree(tree, tuple(beliefs), float(beliefs[0].sum()))


def independent_tree(tree: JunctionTree, one_ways: Mapping[str, NDArray[np.float64]], total: float) -> CalibratedTree:
    """The calibrated tree of independent attributes with these one-way counts (each summing to ``total``)."""
    beliefs = []
    for clique in tree.cliques:
        joint = np.asarray(total, dtype=np.float64)
        for attribute in clique:
            joint = np.multiply.outer(joint, divided(one_ways[attribute], np.asarray(total)))
        beliefs.append(joint)
    return CalibratedTree(tree, tuple(beliefs), float(total))
