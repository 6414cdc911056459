"""Exact likelihood-ratio audit of every synthesizer as it is: each run is a fit, every primitive is written down.

The spanning tree has an audit of its own with many more runs (``likelihood_ratio.py``); here all methods play the same
game in GDP pools, on three binary columns and a table found by search, at epsilon 10, where few runs see most. The
ratio is the lower bound of mu over the mu that was charged; what is missing from 1 is the sample size (about 6 % at
2,000 runs) and the price of selections, which are charged for the worst case.

Run: python audits/method_ratios.py [--trials N] [--methods NAME ...] [--output FILE]. Exit status 1 on FAIL.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpsynth.audit.ratio import RatioAudit, Setting, audit_fit
from dpsynth.privacy.governor import Governor
from dpsynth.synthesizers import synthesizer
from dpsynth.synthesizers.registry import NAMES

EPSILON, DELTA = Fraction(10), Fraction(1, 10**5)
PERSON = 20
"""Rows of a unit: with one row the smallest scale that mu² is proved for binds at this epsilon, and a method charges
less than its pool holds.
"""


def audited(method: str, trials: int, restarts: int = 30) -> RatioAudit:
    """The game of one method, on neighbors that are the best of twice ``restarts``."""
    setting = Setting(EPSILON, DELTA, Governor.GDP, trials, rows=PERSON, seed=1)
    return audit_fit(method, synthesizer(method).fit, setting, restarts)


def report(games: list[dict[str, Any]], command: str, cpu_seconds: float) -> dict[str, Any]:
    """The result as JSON-able data."""
    return {
        "audit": "likelihood ratios of methods",
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "verdict": "FAIL" if any(game["verdict"] == "FAIL" for game in games) else "PASS",
        "cpu_seconds": round(cpu_seconds, 1),
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "games": games,
    }


def main(arguments: list[str]) -> int:
    """Run the audit, write the dated result, print one line per method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2_000, help="fits of each method")
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=NAMES, help="default: all")
    parser.add_argument("--output", type=Path, help="default: audits/method-ratios-DATE.json")
    options = parser.parse_args(arguments)
    started, games = time.process_time(), []
    for method in options.methods:
        before = time.process_time()
        audit = audited(method, options.trials)
        seconds = time.process_time() - before
        games.append(audit.to_dict() | {"cpu_seconds": round(seconds, 1)})
        game = audit.played
        figures = f"mu at least {game.mu_lower:.3f}, ratio {audit.ratio:.3f}, p = {game.p_value:.2g}"
        print(f"{method:12} {figures}, {seconds:.0f} CPU s", flush=True)
    command = f"python audits/method_ratios.py --trials {options.trials} --methods {' '.join(options.methods)}"
    result = report(games, command, time.process_time() - started)
    output = options.output or Path(__file__).parent / f"method-ratios-{result['date']}.json"
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['verdict']}: {output.name}")
    return int(result["verdict"] == "FAIL")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
