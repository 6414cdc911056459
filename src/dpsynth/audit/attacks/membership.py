"""Membership inference: was this record among those that were fitted? Several attackers on the same records."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from dpsynth.audit.attacks.classifier import synthetic_log_odds
from dpsynth.audit.attacks.densities import chow_liu, log_ratio, small_cliques, tree_log_ratio
from dpsynth.audit.attacks.distances import nearest
from dpsynth.audit.attacks.likelihood_ratio import log_likelihood_ratios
from dpsynth.audit.attacks.results import AttackResult
from dpsynth.audit.attacks.tables import AttackedTables, Chosen, joined, taken
from dpsynth.audit.rates import Scores
from dpsynth.domain import Clique
from dpsynth.metrics import CodedTable
from dpsynth.privacy.answers import NoisyMarginal

MOST_CLIQUES = 300
"""Marginals that the density ratio looks at."""

MARGINALS = "holds the synthetic table and a sample of the population, and knows which marginals the algorithm measured"
PAIRS = "holds the synthetic table and a sample of the population"
ANSWERS = "holds the model with its noisy marginals and knows every fitted row but this one"


def membership_attacks(
    tables: AttackedTables, targets: Chosen, rng: np.random.Generator, answers: Sequence[NoisyMarginal] = ()
) -> tuple[AttackResult, ...]:
    """Every attack on every group of targets; the likelihood ratio only when the model's ``answers`` are given.

    Density ratio on the measured marginals (Golob et al., MAMA-MIA, 2024, equal weights and log ratios; without a
    model on all pairs), density ratio on a tree (van Breugel et al., DOMIAS, 2023, with a Chow–Liu tree as density),
    nearest neighbor, classifier. The order of the targets is random, as ``AttackResult`` asks.
    """
    reference = targets.reference
    synthetic = taken(tables.synthetic, rng.permutation(tables.synthetic.rows))
    cliques = _cliques(tables, answers, rng)
    tree = chow_liu(synthetic)
    attackers: list[tuple[str, str, Callable[[CodedTable], Scores]]] = [
        (
            "marginal density ratio",
            MARGINALS if answers else PAIRS,
            lambda rows: sum((log_ratio(rows, synthetic, reference, c) for c in cliques), np.zeros(rows.rows)),
        ),
        ("tree density ratio", PAIRS, lambda rows: tree_log_ratio(rows, synthetic, reference, tree)),
        ("nearest neighbor", PAIRS, lambda rows: nearest(rows, reference) - nearest(rows, synthetic)),
        ("classifier", PAIRS, lambda rows: synthetic_log_odds(rows, synthetic, reference)),
    ]
    found = [result for attacker in attackers for result in _attacked(targets, *attacker)]
    if answers:
        found += [_likelihood(tables, targets, group, answers) for group in range(len(targets.groups))]
    return tuple(found)


def _attacked(
    targets: Chosen, name: str, threat_model: str, score: Callable[[CodedTable], Scores]
) -> list[AttackResult]:
    """One attack on all groups; scored in one go."""
    parts = [table for group in targets.groups for table in (group.members, group.controls)]
    scores = np.split(score(joined(parts)), np.cumsum([part.rows for part in parts])[:-1])
    return [
        AttackResult(name, threat_model, group.group, members, controls)
        for group, members, controls in zip(targets.groups, scores[::2], scores[1::2], strict=True)
    ]


def _likelihood(tables: AttackedTables, targets: Chosen, number: int, answers: Sequence[NoisyMarginal]) -> AttackResult:
    group = targets.groups[number]
    members = log_likelihood_ratios(group.members, tables.fitted, answers, members=True)
    controls = log_likelihood_ratios(group.controls, tables.fitted, answers, members=False)
    return AttackResult("likelihood ratio", ANSWERS, group.group, members, controls, cut=0.0)


def _cliques(tables: AttackedTables, answers: Sequence[NoisyMarginal], rng: np.random.Generator) -> list[Clique]:
    """What was measured, or all pairs; at most ``MOST_CLIQUES``, drawn at random."""
    measured = [answer.clique for answer in answers]
    asked = measured or list(itertools.combinations(tables.synthetic.domain, min(2, len(tables.synthetic.domain))))
    small = small_cliques(tables.synthetic, asked)
    if len(small) <= MOST_CLIQUES:
        return small
    return [small[i] for i in sorted(rng.choice(len(small), MOST_CLIQUES, replace=False).tolist())]
