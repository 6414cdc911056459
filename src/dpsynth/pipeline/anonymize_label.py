"""What an anonymization does to the guarantee of a later fit, as labels. Proof page: ``docs/proofs/suppression.md``."""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.anonymization.encoding import Encoded
from dpsynth.anonymization.policy_document import Method
from dpsynth.anonymization.privacy_models import KAnonymity
from dpsynth.anonymization.suppression import bounding_label, suppression_label
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit

_WAYS = {
    "optimal": "levels chosen by looking at the rows",
    "local": "levels of each class chosen by looking at the rows",
    "mondrian": "ranges cut by looking at the rows",
    "fixed": "fixed levels",
}


def is_synthetic(chain: Sequence[str]) -> bool:
    """Whether a step of the chain made the table anew from differentially private answers."""
    return any(Label.parse(text, "sidecar").kind is LabelKind.POST for text in chain)


def labels_of(encoded: Encoded, method: Method, chain: Sequence[str], population: Sequence[str] = ()) -> list[Label]:
    """The labels of the generalization and the suppression; ``population``: the chain of the table k-map counts in.

    POST on a synthetic table, unless people were counted in another one that is not. FREE for fixed levels of
    hierarchies in which the group of a value depends on it alone; what k-anonymity drops there is STABLE, if the policy
    sets no limit on it: a limit makes the release depend on all rows. Everything else is NON-DP.
    """
    policy = encoded.policy
    met = " and ".join(map(str, policy.models))
    said = f"generalization for {met}, {_WAYS[method]}" if met else f"generalization at {_WAYS[method]}"
    if is_synthetic(chain):
        counted = policy.population is not None and not is_synthetic(population)
        found = (LabelKind.NON_DP, f"{said}, counted in a population that is not synthetic")
        return [Label(*(found if counted else (LabelKind.POST, said)))]
    if method != "fixed":
        return [Label(LabelKind.NON_DP, said)]
    if looked := [one.name for one in policy.quasi if not one.builder.public]:
        return [Label(LabelKind.NON_DP, f"groups of {looked[0]!r} made by looking at the rows")]
    levels = ", ".join(f"{one.name!r} {low}" for one, (low, _) in zip(policy.quasi, policy.fixed.values(), strict=True))
    # Also at level 0: values that a hierarchy does not cover may be one, and so may two ways to write a number.
    free = Label(LabelKind.FREE, f"fixed levels: {levels}", merges=tuple(one.name for one in policy.quasi))
    least = [model.k for model in policy.models if isinstance(model, KAnonymity)]
    unit = Unit() if policy.unit.column is None else Unit(policy.unit.column, policy.unit.max_rows)
    if not policy.models:
        return [free] if unit.column is None else [free, bounding_label(unit)]
    if len(least) < len(policy.models) or policy.limits.suppression < 1:
        why = "under a limit on their number" if policy.limits.suppression < 1 else f"for {met}"
        return [free, Label(LabelKind.NON_DP, f"classes dropped {why}")]
    return [free, suppression_label(max(least), unit)]
