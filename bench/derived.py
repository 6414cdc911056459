"""What derived fields cost and keep: violations among synthetic rows, and the time of a fit with and without them.

    DPSYNTH_BENCH_DATA=FOLDER python bench/derived.py [--runs 5] [--rows 1000000] [--output FILE.json]

FOLDER holds synthea_conditions.csv.gz and synthea_medications.csv.gz. Two schemas of the same columns of each: one in
which STOP follows START by a length (and, of the conditions, a code's kind from the code), one in which every column is
modeled on its own. CPU seconds of ``fit`` by ``mst`` at epsilon 1, in turns within one process; how many of ``--rows``
sampled rows end before they begin, or have a kind that is not their code's; CPU seconds of that sample.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from dpsynth.models import Model
    from dpsynth.schema import Schema

RESULTS = Path(__file__).resolve().parent / "results"
LIMITS = {"violations": 0, "fit_ratio": 1.3}
DATES = "constraints: {minimum: '1920', maximum: '2029'}, dpsynth: {source: public, bins: year"
KINDS = {"73595000": "life", "160903007": "life", "423315002": "life", "444814009": "illness", "195662009": "illness"}
ENUM = f"enum: [{', '.join(repr(code) for code in KINDS)}]"
MAP = f"{{from: CODE, values: {{{', '.join(f'{code!r}: {kind}' for code, kind in KINDS.items())}, other: other}}}}"
CODE = f"{{name: CODE, type: string, constraints: {{{ENUM}}}, dpsynth: {{source: public, overflow: other}}}}"
COSTS = [
    f"{{name: {name}, type: number, constraints: {{minimum: 0, maximum: 2000}}, dpsynth: {{source: public, {bins}}}}}"
    for name, bins in (("BASE_COST", "bins: {count: 32}"), ("PAYER_COVERAGE", "bins: {count: 32}"))
]
STAY = "{after: START, bins: {edges: [0, 1, 7, 14, 30, 90, 365, 3650, 36500]}}"
COURSE = "{after: START, bins: {edges: [0, 1, 86400, 604800, 2592000, 31536000, 3153600000]}}"
TABLES = {
    "synthea_conditions": {
        "with": [
            f"{{name: START, type: date, {DATES}, keep: [season]}}}}",
            f"{{name: STOP, type: date, dpsynth: {{source: public, derived: {STAY}}}}}",
            CODE,
            f"{{name: KIND, type: string, dpsynth: {{source: public, derived: {{map: {MAP}}}}}}}",
        ],
        "without": [f"{{name: START, type: date, {DATES}}}}}", f"{{name: STOP, type: date, {DATES}}}}}", CODE],
    },
    "synthea_medications": {
        "with": [
            f"{{name: START, type: datetime, {DATES}, zone: UTC}}}}",
            f"{{name: STOP, type: datetime, dpsynth: {{source: public, zone: UTC, derived: {COURSE}}}}}",
            *COSTS,
        ],
        "without": [
            f"{{name: START, type: datetime, {DATES}, zone: UTC}}}}",
            f"{{name: STOP, type: datetime, {DATES}, zone: UTC}}}}",
            *COSTS,
        ],
    },
}


def schema_of(name: str, kind: str) -> Schema:
    """One of the two schemas of a table."""
    from dpsynth.schema import Schema

    lines = "".join(f"- {field}\n" for field in TABLES[name][kind])
    return Schema.loads(f"dpsynth: {{version: 1, name: {name}}}\nfields:\n{lines}")


def fitted(path: Path, schema: Schema) -> tuple[Model, float]:
    """A model of the table, and the CPU seconds it took."""
    import dpsynth

    start = time.process_time()
    model = dpsynth.fit(path, schema, epsilon=1, method="mst", unit="row", ledger=dpsynth.Ledger.in_memory())
    return model, time.process_time() - start


def violations(batch: pa.RecordBatch) -> int:
    """Rows that end before they begin, or whose kind is not their code's; nulls pass."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.sum(pc.less(batch["STOP"], batch["START"])).as_py() or 0
    if "KIND" in batch.schema.names:
        names = [*KINDS, "other"]
        kinds = pa.array([*KINDS.values(), "other"]).take(pc.index_in(batch["CODE"], value_set=pa.array(names)))
        found += pc.sum(pc.not_equal(kinds, batch["KIND"])).as_py() or 0
        found += pc.sum(pc.xor(kinds.is_null(), batch["KIND"].is_null())).as_py() or 0
    return int(found)


def measured(path: Path, name: str, runs: int, rows: int) -> dict[str, Any]:
    """All figures of one table."""
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    broken, sampling = {}, {}
    for _ in range(runs):
        for kind, found in seconds.items():
            model, taken = fitted(path, schema_of(name, kind))
            found.append(taken)
            if kind not in broken:
                start = time.process_time()
                broken[kind] = sum(violations(batch) for batch in model.sample_batches(rows, seed=1))
                sampling[kind] = time.process_time() - start
    median = {kind: statistics.median(found) for kind, found in seconds.items()}
    return {
        "violations": broken["with"],
        "violations_without": broken["without"],
        "rows": rows,
        "fit_cpu_seconds": seconds,
        "fit_ratio": median["with"] / median["without"],
        "sample_cpu_seconds": sampling,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="violations and fit time with derived fields")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    folder = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    paths = {name: folder / f"{name}.csv.gz" for name in TABLES}
    if not os.environ.get("DPSYNTH_BENCH_DATA") or not all(path.exists() for path in paths.values()):
        print(f"skipped: DPSYNTH_BENCH_DATA names no folder with {' and '.join(path.name for path in paths.values())}")
        return
    figures = {name: measured(path, name, arguments.runs, arguments.rows) for name, path in paths.items()}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    facts = {
        "command": f"python bench/derived.py {' '.join(sys.argv[1:])}".strip(),
        "date": today,
        "limits": LIMITS,
        "figures": figures,
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "pyarrow", "opendp")},
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
    }
    target = arguments.output or RESULTS / f"derived-{today}.json"
    target.write_text(json.dumps(facts, indent=1) + "\n")
    for name, found in figures.items():
        print(
            f"{name}: {found['violations']} violations in {found['rows']:,} rows "
            f"(without: {found['violations_without']:,}), fit x{found['fit_ratio']:.2f}"
        )


if __name__ == "__main__":
    main()
