"""Optimal full-domain generalization of raw Adult: CPU seconds, losses, nodes looked at; and of twenty times its rows.

    python bench/anonymize_search.py [--runs 5] [--output FILE.json]

Needs no other data: Adult (48,842 rows, ``?`` a value) ships with dpsynth, its hierarchies (6,480 nodes) stand in
examples/adult/hierarchies. A job's time is that of a table already read by pyarrow but not yet encoded, in a process
that has run the job once before: codes of the eight columns, the search, and which rows are suppressed. Losses,
suppressed rows and classes are compared with the published optimum of each job.

The large table is Adult twenty times, its age, education and occupation shuffled with a fixed seed; it is made and
searched in a process of its own, whose peak memory is told after the search and before it. The wide table has all
columns of Adult but fnlwgt, numbers in intervals, and a lattice of 16 million nodes: the loss and the bound of a search
that ends early stand beside the optimum, whose proof takes most of the time of this script.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from dpsynth.anonymization.hierarchies import Hierarchy
    from dpsynth.anonymization.records import Generalized, Records

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
FOLDER = ROOT.parent / "examples" / "adult" / "hierarchies"
ATTRIBUTES = ["age", "sex", "race", "education", "marital-status", "native-country", "workclass", "occupation"]
COPIES, SHUFFLED, SEED = 20, ("age", "education", "occupation"), 20261126
INTERVALS = {
    "hours-per-week": (5, 10, 20),
    "education-num": (2, 4, 8),
    "capital-gain": (1_000, 5_000, 20_000),
    "capital-loss": (100, 500, 2_000),
}
"""Widths of the groups of the further columns of the wide table; those not named here are kept or suppressed."""
FURTHER = [*INTERVALS, "relationship", "income"]
LARGE_LIMITS = {"cpu_seconds": 6.0, "peak_megabytes": 600}


@dataclass(frozen=True)
class Job:
    """A search, what it must find, and how long it may take."""

    k: int
    suppression: float
    loss: float
    suppressed: int
    classes: int
    cpu_seconds: float


JOBS = [
    Job(5, 1.0, 0.2190, 4_024, 932, 2.5),
    Job(5, 0.05, 0.2564, 1_974, 597, 1.0),
    Job(5, 0.0, 0.6563, 0, 40, 0.4),
    Job(10, 1.0, 0.2566, 5_039, 484, 3.0),
    Job(10, 0.05, 0.3302, 2_400, 296, 1.2),
]


def hierarchies() -> list[Hierarchy]:
    """Those of the eight attributes of the example."""
    from dpsynth.anonymization.hierarchies import Hierarchy

    lines = {name: (FOLDER / f"{name}.csv").read_text().splitlines() for name in ATTRIBUTES}
    return [Hierarchy.from_paths(name, [line.split(";") for line in text]) for name, text in lines.items()]


def further(table: pa.Table) -> list[Hierarchy]:
    """Those of the columns that only the wide table has."""
    from dpsynth.anonymization.hierarchies import Hierarchy

    found = []
    for name in FURTHER:
        widths = INTERVALS.get(name, ())
        values = sorted(table[name].unique().to_pylist())
        groups = [[f"{value // width * width} in steps of {width}" for width in widths] for value in values]
        paths = [[str(value), *texts, "*"] for value, texts in zip(values, groups, strict=True)]
        found.append(Hierarchy.from_paths(name, paths))
    return found


def adult(columns: list[str]) -> pa.Table:
    """Columns as the CSV reader gives them."""
    from pyarrow import csv

    with as_file(files("dpsynth") / "demo_data" / "adult.csv.gz") as path:
        return csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=columns))


def multiplied(table: pa.Table) -> pa.Table:
    """Adult ``COPIES`` times, three columns shuffled."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    table = pa.concat_tables([table] * COPIES).combine_chunks()
    for name in SHUFFLED:
        order = rng.permutation(table.num_rows)
        table = table.set_column(ATTRIBUTES.index(name), name, table[name].combine_chunks().take(pa.array(order)))
    return table


def encoded(table: pa.Table, known: list[Hierarchy]) -> Records:
    """The table as codes of leaves."""
    import numpy as np

    from dpsynth.anonymization.records import Records

    codes = []
    for one in known:
        column = table[one.name].combine_chunks().dictionary_encode()
        numbers = {label: number for number, label in enumerate(one.labels[0])}
        places = np.array([numbers[str(value)] for value in column.dictionary.to_pylist()], np.int32)
        codes.append(places[column.indices.to_numpy()])
    return Records(tuple(known), tuple(codes))


def searched(table: pa.Table, k: int, suppression: float) -> tuple[Records, Generalized, float]:
    """The records of a table, the optimum, and the CPU seconds of both."""
    from dpsynth.anonymization.optimal import optimal
    from dpsynth.anonymization.privacy_models import KAnonymity

    known = hierarchies()
    start = time.process_time()
    records = encoded(table, known)
    found = optimal(records, [KAnonymity(k)], suppression=suppression)
    return records, found, time.process_time() - start


def facts_of(records: Records, found: Generalized, seconds: list[float]) -> dict[str, Any]:
    """What is told of a job; its classes are counted anew."""
    import numpy as np

    pairs = zip(records.hierarchies, found.levels or (), records.codes, strict=True)
    nodes = np.stack([one.nodes[level][codes[~found.suppressed]] for one, level, codes in pairs])
    return {
        "loss": found.loss,
        "suppressed": int(found.suppressed.sum()),
        "classes": np.unique(nodes, axis=1).shape[1],
        "levels": dict(zip(ATTRIBUTES, found.levels or (), strict=True)),
        "checked": found.checked,
        "optimal": found.bound == found.loss,
        "cpu_seconds": seconds,
        "median_cpu_seconds": statistics.median(seconds),
    }


def measured(table: pa.Table, job: Job, runs: int) -> dict[str, Any]:
    """A job's figures beside what was to be reached; one run before the clock counts."""
    results = [searched(table, job.k, job.suppression) for _ in range(runs + 1)]
    records, found, _ = results[0]
    facts = facts_of(records, found, [seconds for _, _, seconds in results[1:]])
    expected = (job.loss, job.suppressed, job.classes)
    agrees = (round(found.loss, 4), facts["suppressed"], facts["classes"]) == expected
    limits = {"loss": job.loss, "suppressed": job.suppressed, "classes": job.classes, "cpu_seconds": job.cpu_seconds}
    return {"k": job.k, "suppression": job.suppression, **facts, "as_published": agrees, "limits": limits}


def large(runs: int) -> dict[str, Any]:
    """The figures of the large table, k = 5 and at most 5 % suppressed, in this process."""
    table = multiplied(adult(ATTRIBUTES))
    before = peak()
    seconds = []
    for _ in range(runs):
        records, found, taken = searched(table, 5, 0.05)
        seconds.append(taken)
    facts = facts_of(records, found, seconds)
    memory = {"peak_megabytes": peak(), "peak_megabytes_before": before}
    return {"rows": records.rows, "seed": SEED, **facts, **memory, "limits": LARGE_LIMITS}


def peak() -> int:
    """The largest resident set of this process so far, in units of 10⁶ bytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6)


def wide() -> dict[str, Any]:
    """The figures of the wide table, k = 5 and at most 5 % suppressed: after a search that ends early, and proved."""
    from dpsynth.anonymization.optimal import optimal
    from dpsynth.anonymization.privacy_models import KAnonymity

    table = adult([*ATTRIBUTES, *FURTHER])
    known = hierarchies() + further(table)
    records = encoded(table, known)
    nodes = math.prod(one.height for one in known)
    figures: dict[str, Any] = {"nodes": nodes}
    for name, most in (("heuristic", nodes - 1), ("optimum", nodes)):
        start = time.process_time()
        found = optimal(records, [KAnonymity(5)], suppression=0.05, nodes=most)
        seconds = time.process_time() - start
        figures[name] = {"loss": found.loss, "bound": found.bound, "checked": found.checked, "cpu_seconds": seconds}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="optimal full-domain generalization of Adult")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--large", action="store_true", help="the large table alone, as JSON to the standard output")
    arguments = parser.parse_args()
    if arguments.large:
        print(json.dumps(large(arguments.runs)))
        return
    table = adult(ATTRIBUTES)
    figures = [measured(table, job, arguments.runs) for job in JOBS]
    command = [sys.executable, __file__, "--large", "--runs", str(min(arguments.runs, 3))]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    facts = {
        "command": f"python bench/anonymize_search.py {' '.join(sys.argv[1:])}".strip(),
        "date": today,
        "adult": figures,
        "large": json.loads(child.stdout),
        "wide": wide(),
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "pyarrow")},
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
    }
    target = arguments.output or RESULTS / f"anonymize-search-{today}.json"
    target.write_text(json.dumps(facts, indent=1) + "\n")
    for one in figures:
        print(
            f"k={one['k']}, {100 * one['suppression']:g} %: GCP {one['loss']:.4f}, {one['suppressed']:,} suppressed, "
            f"{one['checked']} nodes, {one['median_cpu_seconds']:.2f} CPU s, "
            f"{'as published' if one['as_published'] else 'NOT AS PUBLISHED'}"
        )
    big = facts["large"]
    print(f"{big['rows']:,} rows: {big['median_cpu_seconds']:.2f} CPU s, {big['peak_megabytes']} MB")
    for name in ("heuristic", "optimum"):
        one = facts["wide"][name]
        told = (
            f"GCP {one['loss']:.4f}, bound {one['bound']:.4f}, {one['checked']:,} nodes, {one['cpu_seconds']:.1f} CPU s"
        )
        print(f"{facts['wide']['nodes']:,} nodes, {name}: {told}")


if __name__ == "__main__":
    main()
