"""Long black-box audits of every synthesizer, CSV to CSV, on worst cases that are searched for first (T4).

For each method and epsilon the time is shared: a fifth finds the crowd in which the target shows most, on releases of
its own; the rest plays one game there. The verdict is against the claim; ``mu_lower`` is what an attacker who
sees one synthetic table has certainly reached, the ceiling what he could have shown.

Run: python audits/end_to_end.py [--minutes M] [--methods NAME ...] [--epsilons E ...]. Exit status 1 on FAIL.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.pipeline.audit_end_to_end import Release, claim_of, end_to_end, released_by
from dpsynth.pipeline.manifest import versions
from dpsynth.synthesizers.registry import NAMES

HERE = Path(__file__).resolve().parent
DELTA = Fraction(1, 10**5)
CROWDS = (20, 60, 200, 1_000)
FEWEST = 20


def searched(release: Release, claim: Any, seconds: float, rng: np.random.Generator) -> tuple[int, float]:
    """The crowd in which most guesses were right, and the seconds of one release, on games that do not count."""
    scores, began, plays = {}, time.process_time(), 0
    for crowd in CROWDS:
        spent = time.process_time() - began
        each = spent / plays if plays else 0.05
        trials = max(FEWEST, int(seconds / len(CROWDS) / (1.5 * each)))
        game = end_to_end(release, claim, trials=trials, crowd=crowd, delta=float(DELTA), rng=rng)
        scores[crowd] = game.played.correct / trials
        plays += trials + 2 * max(2, trials // 4)
    return max(scores, key=lambda crowd: scores[crowd]), (time.process_time() - began) / plays


def audited(method: str, epsilon: Fraction, seconds: float) -> dict[str, Any]:
    """The long game of one method at one epsilon, within about so many CPU seconds."""
    rng = np.random.default_rng((NAMES.index(method), int(1_000 * epsilon)))
    release, claim = released_by(method, epsilon, DELTA), claim_of(epsilon, DELTA)
    crowd, each = searched(release, claim, seconds / 5, rng)
    trials = max(FEWEST, int(0.8 * seconds / (1.5 * each)))
    game = end_to_end(release, claim, trials=trials, crowd=crowd, delta=float(DELTA), rng=rng)
    return {"method": method, "epsilon": float(epsilon), "delta": float(DELTA), **game.to_dict()}


def main() -> None:
    """Audit, write the dated result, print one line for each game."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="CPU minutes in all")
    parser.add_argument("--methods", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--epsilons", nargs="+", default=[Fraction(1), Fraction(4), Fraction(10)], type=Fraction)
    parser.add_argument("--output", type=Path, default=HERE / f"end-to-end-{datetime.now(UTC).date()}.json")
    options = parser.parse_args()
    seconds = 60 * options.minutes / (len(options.methods) * len(options.epsilons))
    games = []
    for method in options.methods:
        for epsilon in options.epsilons:
            game = audited(method, epsilon, seconds)
            games.append(game)
            right, allowed = game["correct"] / game["trials"], game["claim"]["most_accurate"]
            print(f"{method:12} {epsilon!s:>4}  {game['verdict']}  {right:.3f} of {allowed:.3f}  {game['trials']} runs")
    record = {
        "audit": "end to end",
        "command": f"python audits/end_to_end.py --minutes {options.minutes:g}",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "verdict": "FAIL" if any(game["verdict"] == "FAIL" for game in games) else "PASS",
        "games": games,
    }
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if record["verdict"] == "FAIL" else 0)


if __name__ == "__main__":
    main()
