"""All attacks on one release, with sizes that a policy may choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dpsynth.audit.attacks.inference import inference
from dpsynth.audit.attacks.linkability import linkability
from dpsynth.audit.attacks.membership import membership_attacks
from dpsynth.audit.attacks.reconstruction import reconstruction
from dpsynth.audit.attacks.results import AttackResult
from dpsynth.audit.attacks.singling_out import FEWEST, singling_out
from dpsynth.audit.attacks.smoke import smoke_test
from dpsynth.audit.attacks.tables import AttackedTables, Targets, chosen, taken
from dpsynth.audit.attacks.uniqueness import support, unique_matches
from dpsynth.audit.judging import Observed
from dpsynth.evidence import InternalFigure
from dpsynth.privacy.answers import NoisyMarginal


@dataclass(frozen=True)
class Sizes:
    """How many records or attempts an attack uses at most: ``random`` and ``vulnerable`` targets of membership
    attacks, ``persons`` of linkability and inference in each group, ``predicates`` of singling out for each number of
    columns in ``predicate_columns``, ``smoke`` rows of the smoke test.
    """

    random: int = 5_000
    vulnerable: int = 500
    persons: int = 10_000
    predicates: int = 2_000
    predicate_columns: tuple[int, ...] = (1, 3, 6)
    smoke: int = 2_000


@dataclass(frozen=True, eq=False)
class Attacked:
    """``membership``: scores, for ROC curves; ``observed``: every estimate, membership included; ``smoke``: figures
    that are not judged.
    """

    membership: tuple[AttackResult, ...]
    observed: tuple[Observed, ...]
    smoke: tuple[InternalFigure, ...]

    def with_more(self, observed: tuple[Observed, ...]) -> Attacked:
        """The same with further estimates behind the others."""
        return replace(self, observed=(*self.observed, *observed))


def attacked(
    tables: AttackedTables,
    rng: np.random.Generator,
    *,
    answers: Sequence[NoisyMarginal] = (),
    quasi: Sequence[str] | None = None,
    secrets: Sequence[str] | None = None,
    undeclared: int = 0,
    sizes: Sizes | None = None,
    progress: Callable[[str, float], object] = lambda *_: None,
) -> Attacked:
    """The results of every attack, in a fixed order; the same tables, settings and generator give the same.

    ``answers``: the model's noisy marginals, without which the attackers have the table alone. ``quasi``: what a
    neighbor knows, for the k-anonymity view; ``secrets``: the columns that are inferred; both default to all columns.
    ``undeclared``: see ``support``. Groups without records give estimates without trials, which are judged
    INCONCLUSIVE; the support attack stands only where both sides hold at least ``FEWEST`` codes of one person: a table
    has no more of them to try. On 48,842 rows of 15 columns with the default sizes: ``bench/audit_attacks.py``.
    """
    size = sizes or Sizes()
    progress("choosing records", 0.0)
    targets = chosen(tables, rng, random=size.random, vulnerable=size.vulnerable)
    progress("membership inference", 0.1)
    membership = membership_attacks(tables, targets, rng, answers)
    found = [one for result in membership for one in result.observed()]
    rare = support(tables, undeclared)
    found += [rare] if min(rare.estimate.trials.values()) >= FEWEST else []
    progress("singling out and linkability", 0.3)
    found += singling_out(tables, rng, sizes=size.predicate_columns, attempts=size.predicates)
    some = _persons(tables, rng, size.persons)
    found.append(linkability(tables, some, rng))
    progress("inference", 0.4)
    found += inference(tables, some, targets.reference, rng, secrets)
    progress("linear reconstruction", 0.6)
    found += reconstruction(tables, rng, secrets, answers)
    found.append(unique_matches(tables, quasi))
    smoke = smoke_test(tables, rng, size.smoke)
    progress("done", 1.0)
    return Attacked(membership, tuple(found), smoke)


def _persons(tables: AttackedTables, rng: np.random.Generator, count: int) -> Targets:
    """Fitted and held-out rows at random; the reference plays no part with controls, so all held-out rows are ones."""
    sides = ((table, rng.permutation(table.rows)[:count]) for table in (tables.fitted, tables.held_out))
    return Targets("random", *(taken(table, rows) for table, rows in sides))
