"""Which tier of the audit catches which bug: each bug of ``zoo.yaml`` applied to a copy of the sources, and audited.

A bug counts as caught by a tier when that tier, run in a fresh process on the copy, finds something. The sources as
they are must pass every tier, or the audit would prove nothing.

Run: python audits/bug_zoo.py [--tiers own|all] [--output FILE]. Exit status 1 if a bug escapes its tier.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

import dpsynth

SOURCES = Path(dpsynth.__file__).parent
REPLAY, ENUMERATION, DRAWS, ROOM = "T0 replay", "T1 enumeration", "T1 draws", "T1 room"
CAUGHT = 70
"""The exit status of a check that found something; any other but 0 means that the check itself broke."""


@dataclass(frozen=True)
class Edit:
    """In ``file``, below src/dpsynth, ``old`` becomes ``new``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A change of the sources and the ``tier`` that must see it, where it is a replay, of this ``method``."""

    name: str
    tier: str
    edits: tuple[Edit, ...]
    method: str = "independent"
    seen_in: str = ""

    @staticmethod
    def of(entry: dict[str, Any]) -> Bug:
        """The bug of one entry of ``zoo.yaml``."""
        return Bug(**entry | {"edits": tuple(Edit(**edit) for edit in entry["edits"])})


BUGS = tuple(map(Bug.of, yaml.safe_load(Path(__file__).with_name("zoo.yaml").read_text(encoding="utf-8"))))


# --- the checks: these run in a process of their own, on a copy of the sources ------------------------------------


def found_by_replay(method: str) -> bool:
    """Whether record and replay finds a deviation."""
    from dpsynth.pipeline.audit_mechanism import audit_budget, replays
    from dpsynth.privacy.governor import Governor
    from dpsynth.synthesizers import synthesizer

    budget = audit_budget(Fraction(1), Governor.GDP)
    return any(not one.passed for one in replays(synthesizer(method).fit, Governor.GDP, budget))


def found_by_enumeration(_method: str) -> bool:
    """Whether some charge is below the exact loss."""
    from dpsynth.audit.exact_losses import exact_losses

    return not all(one.passed for one in exact_losses())


def found_by_draws(_method: str) -> bool:
    """Whether a mechanism departs from its law, or two draws share their randomness."""
    from dpsynth.audit.primitives import rejected
    from dpsynth.pipeline.audit_primitives import mechanism_cases, repeats

    if not all(one.passed for one in repeats(2_000)):
        return True
    return any(rejected([case]) for case in mechanism_cases(6_000, 800))


def found_by_room(_method: str) -> bool:
    """Whether a curator spends, records or draws other than it was asked."""
    from dpsynth.pipeline.audit_primitives import room_cases

    return not all(case.passed for case in room_cases(6_000, 250))


CHECKS: dict[str, Callable[[str], bool]] = {
    REPLAY: found_by_replay,
    ENUMERATION: found_by_enumeration,
    DRAWS: found_by_draws,
    ROOM: found_by_room,
}


TIERS = tuple(CHECKS)


def check(tier: str, method: str) -> int:
    """The exit status of one check."""
    return CAUGHT if CHECKS[tier](method) else 0


# --- the zoo ------------------------------------------------------------------------------------------------------


def apply(bug: Bug, copy: Path) -> None:
    """Change the copied sources; ``ValueError`` unless each old text stands there exactly once."""
    for edit in bug.edits:
        text = (copy / edit.file).read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{bug.name}: {edit.file} does not hold the text once")
        (copy / edit.file).write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def caught(bug: Bug | None, tier: str) -> bool:
    """Whether the tier finds something in a copy of the sources with the bug (``None``: without one)."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "dpsynth"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__", "demo_data"))
        if bug is not None:
            apply(bug, copy)
        method = "mst" if bug is None else bug.method
        environment = os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        run = subprocess.run(  # noqa: S603 (this file, in our own interpreter)
            [sys.executable, __file__, "--check", tier, method], env=environment, capture_output=True, check=False
        )
    if run.returncode not in {0, CAUGHT}:
        raise RuntimeError(f"{bug.name if bug else 'no bug'}, {tier}: {run.stderr.decode()[-2000:]}")
    return run.returncode == CAUGHT


def matrix(bugs: Sequence[Bug], tiers: Sequence[str] | None, workers: int = 2) -> dict[str, dict[str, bool]]:
    """By bug and tier, whether it was caught. ``tiers``: those to ask of every bug; ``None``: each bug's own."""
    jobs = [(bug, tier) for bug in bugs for tier in (tiers or (bug.tier,))]
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(lambda job: caught(*job), jobs))
    result: dict[str, dict[str, bool]] = {bug.name: {} for bug in bugs}
    for (bug, tier), outcome in zip(jobs, outcomes, strict=True):
        result[bug.name][tier] = outcome
    return result


def page(report: dict[str, Any]) -> str:
    """The detection matrix as Markdown."""
    lines = [f"# The bug zoo, {report['date']}", "", "| bug | " + " | ".join(TIERS) + " | seen in |"]
    lines.append("|---" * (len(TIERS) + 2) + "|")
    for row in report["bugs"]:
        marks = [_mark(row["caught"], tier, own=tier == row["tier"]) for tier in TIERS]
        lines.append("| " + " | ".join([row["bug"], *marks, row["seen_in"]]) + " |")
    lines += ["", "**caught**: by the tier that must; caught: by another as well; –: not seen; blank: not asked."]
    return "\n".join(lines) + "\n"


def _mark(caught_by: dict[str, bool], tier: str, *, own: bool) -> str:
    if tier not in caught_by:
        return ""
    outcome = caught_by[tier]
    return ("**caught**" if own else "caught") if outcome else ("**ESCAPED**" if own else "–")


def report_of(found: dict[str, dict[str, bool]], command: str, seconds: float) -> dict[str, Any]:
    """The result as JSON-able data."""
    return {
        "audit": "bug zoo",
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "verdict": "PASS" if all(found[bug.name][bug.tier] for bug in BUGS) else "FAIL",
        "wall_seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("dpsynth", "opendp", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "bugs": [
            {"bug": bug.name, "tier": bug.tier, "method": bug.method, "seen_in": bug.seen_in, "caught": found[bug.name]}
            for bug in BUGS
        ],
    }


def main(arguments: list[str]) -> int:
    """Run the zoo and write the dated matrix, or, with ``--check``, one check of the sources at hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiers", choices=("own", "all"), default="all", help="ask each bug's own tier, or all")
    parser.add_argument("--output", type=Path, help="default: audits/bug-zoo-DATE.json, beside it the page (.md)")
    parser.add_argument("--check", nargs=2, metavar=("TIER", "METHOD"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.check:
        return check(*options.check)
    started = time.monotonic()
    tiers = TIERS if options.tiers == "all" else None
    if any(caught(None, tier) for tier in TIERS):
        print("the sources as they are do not pass: nothing was tried")
        return 1
    found = matrix(BUGS, tiers)
    report = report_of(found, f"python audits/bug_zoo.py --tiers {options.tiers}", time.monotonic() - started)
    output = options.output or Path(__file__).parent / f"bug-zoo-{report['date']}.json"
    output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(page(report), encoding="utf-8")
    print(page(report))
    print(f"{report['verdict']}: {len(BUGS)} bugs, {output.name}")
    return int(report["verdict"] == "FAIL")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
