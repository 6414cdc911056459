"""Statistical audit of the room's primitives against their exact laws.

The discrete Gaussian, OpenDP's and the table sampler's, is compared with P[X = k] ∝ exp(-k² / 2σ²), the discrete
Laplace with exp(-|k| / b), the noisy maximum with P[i] ∝ exp(score i / scale), and permute-and-flip with its law for
few candidates. The tests, their rates of false alarms and their power: ``dpsynth.audit.primitives``.

Run: python audits/noise_laws.py [--draws N] [--output FILE]. Exit status 1 if a case is rejected.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpsynth.audit.primitives import FALSE_ALARM, Case, rejected
from dpsynth.pipeline.audit_primitives import mechanism_cases


def report(cases: list[Case], command: str, cpu_seconds: float) -> dict[str, Any]:
    """The result as JSON-able data."""
    return {
        "audit": "noise laws",
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "verdict": "FAIL" if rejected(cases) else "PASS",
        "false_alarm": FALSE_ALARM,
        "smallest_power_against_10_percent": min(
            min(case.power_10_percent_small, case.power_10_percent_large) for case in cases
        ),
        "cpu_seconds": round(cpu_seconds, 1),
        "versions": {name: version(name) for name in ("dpsynth", "opendp", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "cases": [asdict(case) | {"p_value": case.p_value} for case in cases],
    }


def main(arguments: list[str]) -> int:
    """Run the audit, write the dated result, print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400_000, help="draws per scale of the discrete Gaussian")
    parser.add_argument("--picks", type=int, default=50_000, help="picks per scale of the noisy maximum")
    parser.add_argument("--output", type=Path, help="default: audits/noise-laws-DATE.json")
    options = parser.parse_args(arguments)
    started, cases = time.process_time(), []
    for case in mechanism_cases(options.draws, options.picks):
        print(f"{case.mechanism:26} scale {case.scale:<9.6g} p = {case.p_value:.3g}")
        cases.append(case)
    command = f"python audits/noise_laws.py --draws {options.draws} --picks {options.picks}"
    result = report(cases, command, time.process_time() - started)
    output = options.output or Path(__file__).parent / f"noise-laws-{result['date']}.json"
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['verdict']}: {len(cases)} cases, {output.name}")
    return int(result["verdict"] == "FAIL")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
