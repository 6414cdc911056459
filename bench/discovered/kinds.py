"""What discovery makes of the columns of raw tables, beside what is sensible (``sensible.yaml``)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dpsynth.errors import DpsynthError
from dpsynth.ledger import Ledger
from dpsynth.pipeline.fit import fit

DELTA = "1e-9"
SENSIBLE = Path(__file__).resolve().parent / "sensible.yaml"
SENSIBLE_LIMIT = 0.95
KINDS: tuple[tuple[str, str | None, str, bool], ...] = (
    ("adult", None, "1", True),
    ("bank_full", None, "1", True),
    ("pums_null", None, "1", False),
    ("pums_null", None, "10", True),
    ("pums_null", "pid:4", "1", False),
    ("pums_null", "pid:4", "10", True),
    ("synthea_conditions", None, "1", True),
    ("synthea_conditions", "PATIENT:10", "1", False),
    ("synthea_conditions", "PATIENT:10", "10", True),
    ("synthea_medications", None, "1", True),
    ("synthea_medications", "PATIENT:10", "1", False),
    ("synthea_medications", "PATIENT:10", "10", True),
    ("synthea_patients", None, "1", False),
    ("synthea_patients", None, "10", True),
)
"""Table, unit, epsilon, and whether the limit holds."""

Case = dict[str, Any]


def kinds(folder: Path, place: tuple[str, str | None, str, bool], count: int, method: str) -> Case:
    """What was made of every column, in every fit, and how much is sensible: the kind of its cells (``typed``), and
    what became of it, too (``sensible``). A fit is refused when noise hides the whole table.
    """
    table, unit, epsilon, limited = place
    sensible = yaml.safe_load(SENSIBLE.read_text(encoding="utf-8"))[table]
    runs: list[Case] = []
    for _ in range(count):
        try:
            runs.append(_columns(folder / f"{table}.csv.gz", unit, epsilon, method, sensible))
        except DpsynthError as refused:
            runs.append({"refused": str(refused), "columns": []})
    answers = [one for run in runs for one in run["columns"]]
    typed, sense = (statistics.mean([one[key] for one in answers] or [0]) for key in ("typed", "sensible"))
    explained = all(one["modeled"] or one["reason"] for one in answers)
    refused = sum("refused" in run for run in runs)
    return {
        "part": "kinds",
        "table": table,
        "unit": unit or "row",
        "method": method,
        "epsilon": epsilon,
        "typed": round(typed, 4),
        "sensible": round(sense, 4),
        "explained": explained,
        "refused": refused,
        "limit": SENSIBLE_LIMIT if limited else None,
        "reached": explained and (not limited or (typed >= SENSIBLE_LIMIT and not refused)),
        "doubtful": sorted({f"{one['column']}: {one['answer']}" for one in answers if not one["sensible"]}),
        "refusals": sorted({run["refused"] for run in runs if "refused" in run}),
        "fits": runs,
    }


def _columns(path: Path, unit: str | None, epsilon: str, method: str, sensible: Mapping[str, list[str]]) -> Case:
    """One fit: the answer for every column of the header but that of the person."""
    started = time.process_time()
    outcome = fit(path, epsilon=epsilon, delta=DELTA, unit=unit, method=method, ledger=Ledger.in_memory())
    learned = outcome.model.provenance["discovery"]
    found = {one["column"]: one for one in learned["columns"]}
    columns = []
    for name, allowed in sensible.items():
        if unit and name == unit.partition(":")[0]:
            continue
        kind, became = found[name]["kind"], _outcome(found[name])
        columns.append(
            {
                "column": name,
                "answer": f"{kind} {became}",
                "typed": any(one.startswith(f"{kind} ") for one in allowed),
                "sensible": f"{kind} {became}" in allowed,
                "modeled": name in outcome.model.schema.domain,
                "reason": found[name]["dropped"],
            }
        )
    seconds = round(time.process_time() - started, 2)
    return {"spent": round(learned["share"], 4), "fit_cpu_seconds": seconds, "columns": columns}


def _outcome(found: Mapping[str, Any]) -> str:
    if found["dropped"]:
        return "dropped"
    if found["values"]:
        return "values"
    return "boolean" if found["bins"] is None else "bins" if found["bins"] > 1 else "one-bin"
