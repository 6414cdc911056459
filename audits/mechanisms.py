"""``dpsynth audit mechanism`` for every synthesizer that there is, one dated result: python audits/mechanisms.py

About 70 CPU seconds for each synthesizer. Reading: audits/README.md and docs/reference/audit-mechanism.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dpsynth.pipeline.audit_mechanism import audit_mechanism
from dpsynth.synthesizers.registry import NAMES

HERE = Path(__file__).resolve().parent
SEED = 20261126


def measured(method: str, epsilon: str, trials: int) -> dict[str, Any]:
    """The audit of one method, with its CPU seconds."""
    started = time.process_time()
    found = audit_mechanism(method, epsilon=epsilon, trials=trials, seed=SEED)
    return {**found.to_dict(), "cpu_seconds": round(time.process_time() - started, 1)}


def main() -> None:
    """Audit all methods, or those that are named; exit code 1 when a tier of one found a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilon", default="1")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--methods", nargs="*", default=list(NAMES), choices=NAMES)
    parser.add_argument("--output", type=Path, default=HERE / f"mechanisms-{datetime.now(UTC).date()}.json")
    options = parser.parse_args()
    audits = []
    for method in options.methods:
        audits.append(measured(method, options.epsilon, options.trials))
        tiers = "  ".join(f"{tier} {verdict}" for tier, verdict in audits[-1]["verdicts"].items())
        print(f"{method:12} {audits[-1]['verdict']}  {tiers}  {audits[-1]['cpu_seconds']} CPU s", flush=True)
    sizes = f"--epsilon {options.epsilon} --trials {options.trials}"
    record = {
        "command": f"python audits/mechanisms.py {sizes} --methods {' '.join(options.methods)}",
        "date": datetime.now(UTC).date().isoformat(),
        "audits": audits,
    }
    options.output.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")
    sys.exit(0 if all(one["verdict"] == "PASS" for one in audits) else 1)


if __name__ == "__main__":
    main()
