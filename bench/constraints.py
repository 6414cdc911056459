"""Constraints as exact zeros: violations in a million sampled rows, and what they add to a fit and a sample.

    DPSYNTH_BENCH_DATA=FOLDER python bench/constraints.py [--methods mst,privbayes] [--more]

FOLDER holds adult.csv.gz; the schema is that of `dpsynth demo`. Per method one fit, which constraints do not enter,
and samples of a million rows with and without them as Arrow batches, the median of `--runs`: CPU seconds of this
process. `--more` adds the functional dependency education -> education-num, which multiplies the parts by 16.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import dpsynth
from dpsynth.models import Model
from dpsynth.schema import Schema

RESULTS = Path(__file__).resolve().parent / "results"
ROWS = 1_000_000
LIMIT = 1.3
METHODS = ("mst", "aim", "auto", "dense", "privbayes", "direct")
FEW = ("age", "sex", "marital-status", "relationship", "income")
AGES = [17, 18, 30, 90]
"""Few columns with few values: `auto` estimates their full joint table; more of them make it choose a mixture."""
RULES: list[dict[str, object]] = [
    {"if": "relationship = Husband", "then": "sex = Male"},
    {"if": "relationship = Wife", "then": "sex = Female"},
    {"if": "age ..17", "then": "marital-status = Never-married"},
]
SETTINGS: dict[str, dict[str, Any]] = {
    "direct": {"workload": [["relationship", "sex"], ["age", "marital-status"], ["income", "education-num"]]},
    "auto": {"effort": "fast"},
    "aim": {"max_model_size": 1_000_000, "sweeps": 1},
}


def schema_of(rules: Sequence[dict[str, object]], *, few: bool) -> Schema:
    """The schema of the demo with these constraints, all its columns or few."""
    text = resources.files("dpsynth.demo_data").joinpath("schema.yaml").read_text(encoding="utf-8")
    document = Schema.loads(text).to_dict()
    if few:
        document["fields"] = [field for field in document["fields"] if field["name"] in FEW]
        document["fields"][0]["dpsynth"]["bins"] = {"edges": AGES}
    if rules:
        document["dpsynth"]["constraints"] = list(rules)
    return Schema.from_dict(document)


def coded_education() -> list[dict[str, object]]:
    """Every education and its number, in the order of the schema."""
    field = next(one for one in schema_of((), few=False).to_dict()["fields"] if one["name"] == "education")
    labels = field["constraints"]["enum"]
    return [
        {"if": f"education = {label}", "then": f"education-num = {number}"} for number, label in enumerate(labels, 1)
    ]


def violations(batch: pa.RecordBatch, *, more: bool) -> int:
    """The rows that break a rule, from their values alone."""
    kin, sex, age, marital = (batch[name] for name in ("relationship", "sex", "age", "marital-status"))
    wrong = pc.or_(
        pc.and_(pc.equal(kin, "Husband"), pc.not_equal(sex, "Male")),
        pc.and_(pc.equal(kin, "Wife"), pc.not_equal(sex, "Female")),
    )
    wrong = pc.or_(wrong, pc.and_(pc.less_equal(age, 17), pc.not_equal(marital, "Never-married")))
    if more:
        labels = schema_of((), few=False).codec("education").labels
        number = pc.add(pc.index_in(batch["education"], value_set=pa.array(labels)), 1)
        wrong = pc.or_(wrong, pc.not_equal(number, pc.cast(batch["education-num"], pa.int32())))
    return len(wrong) - int(wrong.false_count)


def fitted(method: str, rules: Sequence[dict[str, object]], data: Path) -> tuple[Model, float]:
    """A model of the table and the CPU seconds of its fit, from a ledger of its own."""
    schema = schema_of(rules, few=method == "dense")
    start = time.process_time()
    model = dpsynth.fit(
        str(data / "adult.csv.gz"),
        schema,
        epsilon=1,
        method="auto" if method == "dense" else method,
        ledger=dpsynth.Ledger.in_memory(),
        **SETTINGS.get(method, {}),
    )
    return model, time.process_time() - start


def drawn(model: Model, *, more: bool) -> tuple[float, int]:
    """The CPU seconds of a million rows from this model, as if just loaded, and how many of them break a rule."""
    spent, broken, rows = 0.0, 0, 0
    start = time.process_time()
    for batch in replace(model).sample_batches(ROWS, seed=1):
        spent += time.process_time() - start
        rows += batch.num_rows
        broken += violations(batch, more=more)
        start = time.process_time()
    if rows != ROWS:
        sys.exit(f"{rows} rows instead of {ROWS}")
    return spent, broken


def compared(
    method: str, rules: Sequence[dict[str, object]], data: Path, runs: int, *, more: bool
) -> dict[str, object]:
    """The method with and without the rules: one fit, which the rules do not enter, and samples in turns."""
    held, fit = fitted(method, rules, data)
    models = {"without": replace(held, schema=schema_of((), few=method == "dense")), "with": held}
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in models}
    for _ in range(runs):
        for name, model in models.items():
            found[name].append(drawn(model, more=more))
    spent = {name: statistics.median(seconds for seconds, _ in samples) for name, samples in found.items()}
    return {
        "settings": SETTINGS.get(method, {}),
        "distribution": held.distribution.kind,
        "parts": len(held.schema.allowed.boxes) if held.schema and held.schema.allowed else 1,
        "fit_cpu_seconds": round(fit, 2),
        "sample_cpu_seconds": {name: round(seconds, 2) for name, seconds in spent.items()},
        "violations": {name: max(broken for _, broken in samples) for name, samples in found.items()},
        "ratio": round((fit + spent["with"]) / (fit + spent["without"]), 2),
        "sample_ratio": round(spent["with"] / spent["without"], 2),
    }


def main() -> None:
    """Run the methods, print and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--more", action="store_true")
    options = parser.parse_args()
    if "DPSYNTH_BENCH_DATA" not in os.environ:
        sys.exit("set DPSYNTH_BENCH_DATA to a folder that holds adult.csv.gz")
    data = Path(os.environ["DPSYNTH_BENCH_DATA"])
    rules = RULES + (coded_education() if options.more else [])
    found: dict[str, dict[str, object]] = {}
    fitted("independent", (), data)  # imports and the first use of every library are nobody's cost
    for method in options.methods.split(","):
        found[method] = compared(method, rules, data, options.runs, more=options.more)
        print(method, json.dumps(found[method]), flush=True)
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    name = f"constraints{'-more' if options.more else ''}-{today}.json"
    record = {
        "benchmark": "constraints",
        "date": today,
        "command": f"python bench/constraints.py {' '.join(sys.argv[1:])}".strip(),
        "rows": ROWS,
        "rules": rules,
        "limits": {"violations": 0, "ratio": LIMIT},
        "versions": {package: version(package) for package in ("dpsynth", "numpy", "pyarrow")},
        "load_average_at_the_end": [round(load, 2) for load in os.getloadavg()],
        "methods": found,
    }
    (RESULTS / name).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
