"""What verifying a privacy model costs: every model and every measure of risk on raw Adult, 48,842 rows.

    DPSYNTH_BENCH_DATA=FOLDER python bench/anonymize_models.py [--runs 5] [--output FILE.json]

FOLDER holds adult.csv.gz. The eight quasi-identifiers are as published, "?" a category; the sensitive attribute is
income, for the ordered distance hours-per-week. CPU seconds of one process from the table's strings in memory to the
answer: coding the columns, grouping the rows, the judgment of every class and what the table reaches. Wildcards read
"?" as null; population uniqueness takes Adult for a sample of one person in a hundred.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from dpsynth.anonymization.records import Classes, Codes

RESULTS = Path(__file__).resolve().parent / "results"
LIMITS = {"cpu_seconds_of_a_model": 0.5}
QUASI = ["age", "sex", "race", "education", "marital-status", "native-country", "workclass", "occupation"]
INCOME, HOURS = "income", "hours-per-week"


def coded(table: pa.Table, name: str) -> tuple[Codes, tuple[str, ...]]:
    """The codes of a column of strings, and its values."""
    column = table[name].combine_chunks().dictionary_encode()
    return column.indices.to_numpy().astype(np.int32), tuple(column.dictionary.to_pylist())


def classes(table: pa.Table, sensitive: str | None) -> Classes:
    """The equivalence classes of the raw table."""
    from dpsynth.anonymization.records import Classes, Sensitive, classes_of

    of, first = classes_of([coded(table, name)[0] for name in QUASI])
    attributes = ()
    if sensitive:
        codes, labels = coded(table, sensitive)
        order = (
            np.argsort(np.array([float(label) for label in labels])) if sensitive == HOURS else np.arange(len(labels))
        )
        ranks = np.argsort(order).astype(np.int32)
        attributes = (Sensitive(sensitive, ranks[codes], tuple(labels[one] for one in order), sensitive == HOURS),)
    return Classes(of, len(first), np.ones(len(of), np.int64), attributes)


def models() -> list[tuple[Any, str | None]]:
    """Every model, and the sensitive attribute that it reads."""
    from dpsynth.anonymization import privacy_models as models

    income: list[Any] = [
        models.DistinctDiversity(INCOME, 2),
        models.EntropyDiversity(INCOME, 1.5),
        models.RecursiveDiversity(INCOME, 3.0, 2),
        models.Closeness(INCOME, 0.2),
        models.AlphaK(INCOME, 0.8, 5),
        models.BetaLikeness(INCOME, 1.0),
        models.BetaLikeness(INCOME, 1.0, enhanced=True),
        models.DeltaDisclosure(INCOME, 1.0),
    ]
    hours = models.Closeness(HOURS, 0.2, ordered=True)
    return [(models.KAnonymity(5), None), *((one, INCOME) for one in income), (hours, HOURS)]


def verified(table: pa.Table, model: Any, sensitive: str | None) -> dict[str, Any]:
    """The verdict on every class, and what the whole table reaches."""
    from dpsynth.anonymization.tallies import distributions

    found = classes(table, sensitive)
    shares = distributions(found)
    reached = model.reached(found, shares)
    failing = int(np.count_nonzero(~model.passes(found, shares)))
    return {"classes": found.number, "failing": failing, "reached": reached if math.isfinite(reached) else str(reached)}


def measures() -> dict[str, Callable[[pa.Table], Any]]:
    """Every measure of risk."""
    from dpsynth.anonymization.disclosure import disclosures
    from dpsynth.anonymization.population import population_uniqueness
    from dpsynth.anonymization.risks import risks, uniqueness
    from dpsynth.anonymization.uniques import unique_sets
    from dpsynth.anonymization.wildcards import wildcard_sizes

    def sets(table: pa.Table) -> Any:
        found = unique_sets([coded(table, name)[0] for name in QUASI], 3)
        return [{"columns": [QUASI[at] for at in one.columns], "minimal": one.minimal} for one in found.sets[:5]]

    def wildcards(table: pa.Table) -> Any:
        columns = [coded(table, name) for name in QUASI]
        nulls = [labels.index("?") if "?" in labels else None for _, labels in columns]
        sizes, k = wildcard_sizes([codes for codes, _ in columns], nulls)
        return {"k": k, "alone": int(np.count_nonzero(sizes == 1))}

    return {
        "risks": lambda table: asdict(risks(classes(table, None))),
        "uniqueness": lambda table: asdict(uniqueness(classes(table, None))),
        "population uniqueness": lambda table: [
            asdict(one) for one in population_uniqueness(classes(table, None), 0.01)
        ],
        "attribute disclosure": lambda table: [asdict(one) for one in disclosures(classes(table, INCOME))],
        "unique sets of up to 3 columns": sets,
        "wildcard sizes": wildcards,
    }


def timed(work: Callable[[], Any], runs: int) -> dict[str, Any]:
    """What the work found, and the CPU seconds of every run."""
    seconds, found = [], None
    for _ in range(runs):
        start = time.process_time()
        found = work()
        seconds.append(time.process_time() - start)
    return {"median_cpu_seconds": statistics.median(seconds), "cpu_seconds": seconds, "found": found}


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU seconds of every privacy model and measure of risk on Adult")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    path = Path(os.environ.get("DPSYNTH_BENCH_DATA", "")) / "adult.csv.gz"
    if not os.environ.get("DPSYNTH_BENCH_DATA") or not path.exists():
        print("skipped: DPSYNTH_BENCH_DATA names no folder with adult.csv.gz")
        return
    import pyarrow as pa
    import pyarrow.csv

    names = [*QUASI, INCOME, HOURS]
    strings = pa.csv.ConvertOptions(include_columns=names, column_types=dict.fromkeys(names, pa.string()))
    table = pa.csv.read_csv(path, convert_options=strings)
    figures = {
        str(model): timed(lambda model=model, sensitive=sensitive: verified(table, model, sensitive), arguments.runs)
        for model, sensitive in models()
    }
    risky = {name: timed(lambda work=work: work(table), arguments.runs) for name, work in measures().items()}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    facts = {
        "command": f"python bench/anonymize_models.py {' '.join(sys.argv[1:])}".strip(),
        "date": today,
        "limits": LIMITS,
        "rows": table.num_rows,
        "models": figures,
        "measures": risky,
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "scipy", "pyarrow")},
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
    }
    target = arguments.output or RESULTS / f"anonymize-models-{today}.json"
    target.write_text(json.dumps(facts, indent=1) + "\n")
    for name, found in {**figures, **risky}.items():
        print(f"{found['median_cpu_seconds']:.3f} s  {name}: {found['found']}")


if __name__ == "__main__":
    main()
