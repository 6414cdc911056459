"""The audit of a mechanism on made-up tables, from CSV text through the room's own encoding and bounding.

Everything it computes is about tables and laws that are public, so its results may be published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dpsynth.audit import game
from dpsynth.audit.exact_losses import ExactLoss, exact_losses
from dpsynth.audit.made_up import PERSON, MadeUpTable, made_up_tables
from dpsynth.audit.primitives import FALSE_ALARM, Case, Repeated, rejected
from dpsynth.audit.ratio import RatioAudit, Setting, audit_fit
from dpsynth.audit.recorded import Output, RecordedQueryable
from dpsynth.audit.replay import Fit, Opened, Replayed, replayed
from dpsynth.errors import UsageError
from dpsynth.evidence import Color
from dpsynth.pipeline.audit_discovery import discovery_replays
from dpsynth.pipeline.audit_end_to_end import EndToEnd, claim_of, end_to_end, released_by
from dpsynth.pipeline.audit_primitives import RoomCase, mechanism_cases, repeats, room_cases
from dpsynth.pipeline.ingest import source_of
from dpsynth.pipeline.manifest import versions
from dpsynth.pipeline.plan import Number, privacy_parameters
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor, governor_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import Synthesizer, synthesizer
from dpsynth.tables import open_table

UNITS = (Unit(), PERSON)
DELTA = Fraction(1, 10**5)
TRIALS = 400
DRAWS, PICKS = 20_000, 5_000
"""Cells and selections of each mechanism."""
ROOM_CELLS, ROOM_PICKS = 6_000, 250
"""Cells and selections of each question to the room."""
BLACK_BOX = 100
"""Releases that are guessed from the synthetic table alone, at most; half as many more find the attacker's test."""
SEEN = 0.99
"""The probability from which on an error counts as one that would have been seen."""


@dataclass(frozen=True, eq=False)
class MechanismAudit:
    """The audit of one method at one (epsilon, delta): record and replay, the primitives, the likelihood ratio, and
    the black-box game from file to file.

    ``discoveries``: the same replays of a discovery without a schema; none under pure epsilon, which cannot discover.
    """

    method: str
    epsilon: Fraction
    delta: Fraction
    governor: Governor
    seed: int
    replays: tuple[Replayed, ...]
    discoveries: tuple[Replayed, ...]
    losses: tuple[ExactLoss, ...]
    draws: tuple[Case, ...]
    repeats: tuple[Repeated, ...]
    room: tuple[RoomCase, ...]
    ratio: RatioAudit
    black_box: EndToEnd

    @property
    def verdicts(self) -> dict[str, bool]:
        """By tier, whether nothing was found."""
        return {
            "T0 replay": all(one.passed for one in (*self.replays, *self.discoveries)),
            "T1 enumeration": all(one.passed for one in self.losses),
            "T1 draws": not rejected(list(self.draws)) and all(one.passed for one in self.repeats),
            "T1 room": all(one.passed for one in self.room),
            "T2 likelihood ratio": not self.ratio.played.refuted,
            "T3 end to end": not self.black_box.played.refuted,
        }

    @property
    def sharp(self) -> int:
        """How many of the drawn noises would show a scale 10 % off, either way, with a probability of ``SEEN``."""
        return sum(min(one.power_10_percent_small, one.power_10_percent_large) >= SEEN for one in self.draws)

    @property
    def passed(self) -> bool:
        """Whether no tier found anything."""
        return all(self.verdicts.values())

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON-able data: figures, sample sizes, rates of false alarms, ceilings, versions."""
        return {
            "schema_version": 1,
            "audit": "mechanism",
            "color": Color.RELEASED.value,
            "date": datetime.now(UTC).date().isoformat(),
            "verdict": _verdict(passed=self.passed),
            "verdicts": {tier: _verdict(passed=passed) for tier, passed in self.verdicts.items()},
            "method": self.method,
            "epsilon": float(self.epsilon),
            "delta": float(self.delta),
            "governor": self.governor.value,
            "seed": self.seed,
            "false_alarm": {
                "T0 and T1 enumeration": 0,
                "T1 draws and room": 2 * FALSE_ALARM,
                "T2 and T3": 2 * game.FALSE_ALARM,
            },
            "replays": [asdict(one) for one in self.replays],
            "discovery_replays": [asdict(one) for one in self.discoveries],
            "exact_losses": [asdict(one) for one in self.losses],
            "draws": [asdict(one) | {"p_value": one.p_value} for one in self.draws],
            "repeats": [asdict(one) for one in self.repeats],
            "room": [asdict(one) for one in self.room],
            "likelihood_ratio": self.ratio.to_dict(),
            "end_to_end": self.black_box.to_dict(),
            "versions": versions(),
        }


def audit_mechanism(
    method: str,
    *,
    epsilon: Number = 1,
    delta: Number = DELTA,
    trials: int = TRIALS,
    seed: int = 0,
    progress: Progress = silent,
) -> MechanismAudit:
    """The audit of a method, in pools of GDP, or of pure epsilon where ``delta`` is 0. Reads nobody's data.

    ``trials``: fits of the likelihood ratio; the black-box game plays at most ``BLACK_BOX``. ``seed``: of the audit's
    own generators; the room's noise has none. Raises ``UsageError`` for an unknown method, parameters out of range, or
    pure epsilon with a method that needs a delta. Cost: about 65 CPU seconds and 10 ms for each trial.
    """
    exact_epsilon, exact_delta = privacy_parameters(epsilon, delta)
    if trials < 1 or seed < 0:
        raise UsageError("trials are at least 1 and a seed is at least 0")
    algorithm, governor = _governed(method, exact_delta)
    budget = budget_of(exact_epsilon, exact_delta, governor)
    setting = Setting(exact_epsilon, exact_delta, governor, trials, seed=seed)
    progress("replaying neighbors", 0.0)
    replays_ = tuple(replays(algorithm.fit, governor, budget, seed=seed))
    discoveries = () if governor is Governor.PURE else tuple(discovery_replays(UNITS, seed=seed))
    progress("auditing the primitives", 0.2)
    losses, draws = tuple(exact_losses()), tuple(mechanism_cases(DRAWS, PICKS))
    pairs, room = tuple(repeats(DRAWS)), tuple(room_cases(ROOM_CELLS, ROOM_PICKS))
    progress("playing the likelihood-ratio game", 0.5)
    ratio = audit_fit(method, algorithm.fit, setting)
    progress("guessing from synthetic tables", 0.8)
    box = _black_box(method, exact_epsilon, exact_delta, min(trials, BLACK_BOX), seed)
    progress("done", 1.0)
    found = replays_, discoveries, losses, draws, pairs, room, ratio, box
    return MechanismAudit(method, exact_epsilon, exact_delta, governor, seed, *found)


def _governed(method: str, delta: Fraction) -> tuple[Synthesizer, Governor]:
    algorithm, governor = synthesizer(method), governor_of(delta)
    if governor is Governor.PURE and not algorithm.without_delta:
        raise UsageError(f"{method} needs a delta", where="--delta", hint="Leave --delta out.")
    return algorithm, governor


def _black_box(method: str, epsilon: Fraction, delta: Fraction, trials: int, seed: int) -> EndToEnd:
    rng = np.random.default_rng((seed, BLACK_BOX))
    release, claim = released_by(method, epsilon, delta), claim_of(epsilon, delta)
    return end_to_end(release, claim, trials=trials, delta=float(delta), rng=rng)


def replays(
    fit: Fit, governor: Governor, budget: PrivacyLoss, *, units: Sequence[Unit] = UNITS, seed: int = 0
) -> Iterator[Replayed]:
    """The mechanism recorded on every made-up table and replayed on all its neighbors, for rows and for persons."""
    with TemporaryDirectory() as folder:
        for unit in units:
            for table in made_up_tables(unit):
                opened = [_opened(one, Path(folder), governor, budget, seed) for one in (table, *table.neighbors())]
                named = [(one.change, open_) for one, open_ in zip(table.neighbors(), opened[1:], strict=True)]
                yield replayed(fit, f"{table.name}, unit {unit}", opened[0], named)


def audit_budget(epsilon: Fraction, governor: Governor) -> PrivacyLoss:
    """The budget of an audited fit: epsilon, and a delta of 1e-5 where the governor has one."""
    return budget_of(epsilon, Fraction(0) if governor is Governor.PURE else DELTA, governor)


def _opened(table: MadeUpTable, folder: Path, governor: Governor, budget: PrivacyLoss, seed: int) -> Opened:
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    path.write_text(table.csv(), encoding="utf-8")
    source = source_of(open_table(path), Schema.loads(table.schema), table.unit)

    def opened(answers: Sequence[Output] | None) -> RecordedQueryable:
        rng = np.random.default_rng(seed)
        return RecordedQueryable(source.domain, source, table.unit, governor, budget, rng, answers=answers)

    return opened


def _verdict(*, passed: bool) -> str:
    return "PASS" if passed else "FAIL"
