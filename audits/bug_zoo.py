"""Which tier of the audit catches which bug: each bug of ``zoo.yaml`` applied to a copy of the sources, and audited.

A bug counts as caught by a tier when that tier, run on the copy in a process of its own, finds something. The sources
as they are must pass every tier, or the audit would prove nothing.

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
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import yaml

import dpsynth

SOURCES = Path(dpsynth.__file__).parent
REPLAY, ENUMERATION, DRAWS, ROOM = "T0 replay", "T1 enumeration", "T1 draws", "T1 room"
CAUGHT = 70
"""The exit status of a check that found something; any other but 0 means that the check itself broke."""
IMPORTED = (
    "networkx numpy opendp.prelude pandas pyarrow.csv pyarrow.parquet pydantic scipy.optimize scipy.stats sqlite3 yaml"
)
"""What every check imports besides the copy."""

Asked = Callable[[Path, str, str], tuple[int, str]]
"""From the folder of a copy, a tier and a method: the exit status of the check, and what it printed."""


@dataclass(frozen=True)
class Edit:
    """In ``file``, below src/dpsynth, ``old`` becomes ``new``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A change of the sources and the ``tier`` that must see it, where it is a replay, of this ``method``.

    ``slow``: whether only the whole zoo tries it; the test suite tries the others.
    """

    name: str
    tier: str
    edits: tuple[Edit, ...]
    method: str = "independent"
    seen_in: str = ""
    slow: bool = False

    @staticmethod
    def of(entry: dict[str, Any]) -> Bug:
        """The bug of one entry of ``zoo.yaml``."""
        return Bug(**entry | {"edits": tuple(Edit(**edit) for edit in entry["edits"])})


BUGS = tuple(map(Bug.of, yaml.safe_load(Path(__file__).with_name("zoo.yaml").read_text(encoding="utf-8"))))


# --- the checks: these run in a process of their own, on a copy of the sources ------------------------------------


def found_by_replay(method: str) -> str | None:
    """The first deviation of record and replay."""
    from dpsynth.pipeline.audit_mechanism import audit_budget, replays
    from dpsynth.privacy.governor import Governor
    from dpsynth.synthesizers import synthesizer

    budget = audit_budget(Fraction(1), Governor.GDP)
    outcomes = replays(synthesizer(method).fit, Governor.GDP, budget)
    found = next((one for outcome in outcomes for one in outcome.deviations), None)
    if found is None:
        return None
    moved = "" if found.distance is None else f": {found.distance:g} of {found.allowed}"
    return f"{found.table}, {found.neighbor or 'alone'}: {found.what}{moved}"


def found_by_enumeration(_method: str) -> str | None:
    """The first charge that is below the exact loss."""
    from dpsynth.audit.exact_losses import exact_losses

    found = next((one for one in exact_losses() if not one.passed), None)
    return found and f"{found.law}, sensitivity {found.sensitivity}, scale {found.scale:g}: uses {found.used}"


def found_by_draws(_method: str) -> str | None:
    """The first mechanism that departs from its law, or whose two draws share their randomness."""
    from dpsynth.audit.primitives import rejected
    from dpsynth.pipeline.audit_primitives import mechanism_cases, repeats

    twice = next((one for one in repeats(2_000) if not one.passed), None)
    if twice is not None:
        return f"{twice.mechanism}: {twice.equal} of {twice.cells} cells drawn twice"
    found = next((case for case in mechanism_cases(6_000, 800) if rejected([case])), None)
    return found and f"{found.mechanism}, scale {found.scale:g}: p = {found.p_value:.1g}"


def found_by_room(_method: str) -> str | None:
    """The first question that a curator charges, records or answers other than it was asked."""
    from dpsynth.pipeline.audit_primitives import room_cases

    found = next((case for case in room_cases(6_000, 250) if not case.passed), None)
    if found is None:
        return None
    spent = f"drawn {found.drawn / found.asked:.3g} of what was asked"
    recorded = "as recorded" if found.reconciled else "other than recorded"
    noise = min(case.p_value for case in found.noise)
    twice = "".join(f", {one.equal} of {one.cells} cells noised alike" for one in found.repeats if not one.passed)
    return f"{found.question}, {found.governor}: {spent}, {recorded}, noise p = {noise:.1g}{twice}"


CHECKS: dict[str, Callable[[str], str | None]] = {
    REPLAY: found_by_replay,
    ENUMERATION: found_by_enumeration,
    DRAWS: found_by_draws,
    ROOM: found_by_room,
}


TIERS = tuple(CHECKS)


def check(tier: str, method: str) -> int:
    """The exit status of one check, after printing what it found."""
    found = CHECKS[tier](method)
    print(found or "nothing")
    return CAUGHT if found else 0


# --- the zoo ------------------------------------------------------------------------------------------------------


def apply(bug: Bug, copy: Path) -> None:
    """Change the copied sources; ``ValueError`` unless each old text stands there exactly once."""
    for edit in bug.edits:
        text = (copy / edit.file).read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{bug.name}: {edit.file} does not hold the text once")
        (copy / edit.file).write_text(text.replace(edit.old, edit.new), encoding="utf-8")


@contextmanager
def checks() -> Iterator[Asked]:
    """Checks one after another, each a fork of one process that has imported what they need, but no sources."""
    words = [sys.executable, __file__, "--serve"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment, text=True) as server:  # noqa: S603 (this file)

        def ask(folder: Path, tier: str, method: str) -> tuple[int, str]:
            print(json.dumps([str(folder), tier, method]), file=server.stdin, flush=True)
            code, said = json.loads(server.stdout.readline() if server.stdout else "")
            return code, said

        yield ask


def serve() -> None:
    """Answers the questions of ``checks`` until stdin ends."""
    for name in IMPORTED.split():
        import_module(name)
    for line in sys.stdin:
        with TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                os._exit(_checked_in_copy(*json.loads(line)))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            print(json.dumps([code, said.read().decode()]), flush=True)


def _checked_in_copy(folder: str, tier: str, method: str) -> int:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dpsynth"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        code = check(tier, method)
    except BaseException:  # the status must leave this process, whatever a broken copy raises
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def caught(bug: Bug | None, tier: str, ask: Asked) -> str | None:
    """What the tier finds first in a copy of the sources with the bug (``None``: without one), if anything.

    ``RuntimeError`` when the check itself broke: that is no catch.
    """
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "dpsynth"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__", "demo_data"))
        if bug is not None:
            apply(bug, copy)
        code, said = ask(Path(folder), tier, "mst" if bug is None else bug.method)
    if code not in {0, CAUGHT}:
        raise RuntimeError(f"{bug.name if bug else 'no bug'}, {tier}: {said[-2000:]}")
    return said.strip() if code == CAUGHT else None


Found = dict[str, dict[str, str | None]]
"""By bug and tier, what was found first; ``None`` where nothing was."""


def matrix(bugs: Sequence[Bug], tiers: Sequence[str] | None, workers: int = 2) -> Found:
    """By bug and tier, what was found. ``tiers``: those to ask of every bug; ``None``: each bug's own."""
    jobs = [(bug, tier) for bug in bugs for tier in (tiers or (bug.tier,))]
    idle: SimpleQueue[Asked] = SimpleQueue()

    def run(job: tuple[Bug, str]) -> str | None:
        ask = idle.get()
        try:
            return caught(*job, ask)
        finally:
            idle.put(ask)

    with ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        for _ in range(workers):
            idle.put(stack.enter_context(checks()))
        outcomes = list(pool.map(run, jobs))
    result: Found = {bug.name: {} for bug in bugs}
    for (bug, tier), outcome in zip(jobs, outcomes, strict=True):
        result[bug.name][tier] = outcome
    return result


def page(report: dict[str, Any]) -> str:
    """The detection matrix as Markdown."""
    lines = [f"# The bug zoo, {report['date']}", "", "| bug | " + " | ".join(TIERS) + " | found | seen in |"]
    lines.append("|---" * (len(TIERS) + 3) + "|")
    for row in report["bugs"]:
        marks = [_mark(row["caught"], tier, own=tier == row["tier"]) for tier in TIERS]
        lines.append("| " + " | ".join([row["bug"], *marks, row["caught"][row["tier"]] or "", row["seen_in"]]) + " |")
    lines += ["", "**caught**: by the tier that must; caught: by another as well; –: not seen; blank: not asked."]
    return "\n".join(lines) + "\n"


def _mark(caught_by: dict[str, str | None], tier: str, *, own: bool) -> str:
    if tier not in caught_by:
        return ""
    outcome = caught_by[tier]
    return ("**caught**" if own else "caught") if outcome else ("**ESCAPED**" if own else "–")


def report_of(found: Found, command: str) -> dict[str, Any]:
    """The result as JSON-able data."""
    return {
        "audit": "bug zoo",
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "verdict": "PASS" if all(found[bug.name][bug.tier] for bug in BUGS) else "FAIL",
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
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve()
        return 0
    tiers = TIERS if options.tiers == "all" else None
    with checks() as ask:
        if any(caught(None, tier, ask) for tier in TIERS):
            print("the sources as they are do not pass: nothing was tried")
            return 1
    found = matrix(BUGS, tiers)
    report = report_of(found, f"python audits/bug_zoo.py --tiers {options.tiers}")
    output = options.output or Path(__file__).parent / f"bug-zoo-{report['date']}.json"
    output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(page(report), encoding="utf-8")
    print(page(report))
    print(f"{report['verdict']}: {len(BUGS)} bugs, {output.name}")
    return int(report["verdict"] == "FAIL")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
