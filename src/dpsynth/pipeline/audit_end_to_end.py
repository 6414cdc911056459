"""The black-box game (T3): a made-up CSV in, a synthetic CSV out, and a coin to be guessed from the output alone.

Everything between the two files is in the loop: reading, encoding, bounding, the ledger, the fit, sampling, decoding,
writing. The attacker knows the target's values and every other row, as in every audit here, but sees only the table
that is handed out. So it sees less than the likelihood ratio (T2), and faults that no transcript shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.results import best_cut
from dpsynth.audit.bounds import epsilon_lower_of_guesses
from dpsynth.audit.game import Claim, Played, played
from dpsynth.ledger import Ledger
from dpsynth.pipeline.fit import fit
from dpsynth.pipeline.sample import sample
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import governor_of
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema

TARGET = 20
"""Rows of the target, a person: the least scale that is proved does not bind then, whatever the epsilon."""
UNIT = Unit("person", TARGET)
COLUMNS = ("a", "b", "c")
SCHEMA = "\n".join(
    [
        "dpsynth: {version: 1, name: made-up, unit: {column: person, max_rows: %d}}" % TARGET,  # noqa: UP031
        "fields:",
        "  - {name: person, type: string, dpsynth: {role: direct-id}}",
        *(
            f"  - {{name: {name}, type: string, constraints: {{enum: [common, rare]}}, dpsynth: {{source: public}}}}"
            for name in COLUMNS
        ),
    ]
)

Release = Callable[[Path, Path], object]
"""From a CSV file to a synthetic CSV file."""


@dataclass(frozen=True)
class EndToEnd:
    """The game on one made-up table: ``crowd`` rows of other persons, all alike; ``trained`` runs found the cut.

    ``delta``: at which ``epsilon_lower`` and its ceiling are told.
    """

    crowd: int
    trained: int
    cut: float
    delta: float
    played: Played

    @property
    def epsilon_lower(self) -> float:
        """The least epsilon at ``delta`` that the guesses leave possible, by one exact binomial at alpha."""
        return epsilon_lower_of_guesses(self.played.correct, self.played.trials, self.played.alpha, self.delta)

    @property
    def epsilon_ceiling(self) -> float:
        """``epsilon_lower`` if every guess were right."""
        return epsilon_lower_of_guesses(self.played.trials, self.played.trials, self.played.alpha, self.delta)

    def to_dict(self) -> dict[str, Any]:
        """The game as JSON-able data."""
        found = {"crowd": self.crowd, "trained": self.trained, "cut": self.cut, **self.played.to_dict()}
        shown = {"epsilon_lower": self.epsilon_lower, "epsilon_ceiling": self.epsilon_ceiling}
        return found | shown | {"epsilon_lower_delta": self.delta}


def end_to_end(
    release: Release,
    claim: Claim,
    *,
    trials: int,
    delta: float,
    rng: np.random.Generator,
    crowd: int = 100,
    target: int = TARGET,
    alpha: float = 0.05,
) -> EndToEnd:
    """``trials`` releases of a table with or without the target's rows, guessed by how many rare values a release has.

    The cut comes from half as many releases before: the guesses are a test that was fixed. ``delta``: at which epsilon
    is bounded. Cost: 1.5 × trials fits.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        inputs = {present: _written(folder, crowd, target if present else 0) for present in (True, False)}

        def scores(present: bool, runs: int) -> NDArray[np.float64]:  # noqa: FBT001 (which of two worlds)
            return np.array([_rare(release, inputs[present], folder / "out.csv") for _ in range(runs)], dtype=float)

        trained = max(2, trials // 4)
        cut = best_cut(scores(True, trained), scores(False, trained))  # noqa: FBT003
        cut = cut if np.isfinite(cut) else 0.0
        game = played(
            lambda held, other: (scores(True, held) - cut, scores(False, other) - cut),  # noqa: FBT003
            claim,
            trials,
            rng,
            alpha=alpha,
        )
    return EndToEnd(crowd, 2 * trained, float(cut), delta, game)


def released_by(method: str, epsilon: Fraction, delta: Fraction) -> Release:
    """A fit through a ledger in memory, and a sample of the size that it says: what ``fit`` and ``sample`` do."""
    schema = Schema.loads(SCHEMA)

    def release(source: Path, target: Path) -> None:
        outcome = fit(source, schema, epsilon=epsilon, delta=delta, method=method, ledger=Ledger.in_memory())
        sample(outcome.model, target, force=True)

    return release


def claim_of(epsilon: Fraction, delta: Fraction) -> Claim:
    """What a fit of this epsilon and delta reserves, as a limit on right guesses."""
    governor = governor_of(delta)
    return Claim.of(governor, budget_of(epsilon, delta, governor))


def _written(folder: Path, crowd: int, target: int) -> Path:
    path = folder / f"{target}.csv"
    lines = ["person," + ",".join(COLUMNS)]
    lines += [f"p{number}," + ",".join(["common"] * len(COLUMNS)) for number in range(crowd)]
    lines += ["target," + ",".join(["rare"] * len(COLUMNS))] * target
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _rare(release: Release, source: Path, target: Path) -> int:
    """How many cells of a release hold the target's value."""
    release(source, target)
    return target.read_text(encoding="utf-8").count("rare")
