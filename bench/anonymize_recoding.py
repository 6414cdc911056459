"""What local recoding and Mondrian lose on raw UCI Adult, in which time, beside ARX and qiyuangong/Mondrian.

    DPSYNTH_BENCH_DATA=FOLDER python bench/anonymize_recoding.py [--runs 5] [--large 3] [--output FILE.json]

FOLDER holds adult.csv.gz and adult_hierarchies/. Eight quasi-identifiers. Local recoding: all 48,842 rows with ``?`` as
a value, and the same table twenty times over with age, education and occupation shuffled (976,840 rows, ``--large``
runs, 0 to leave them out). Mondrian: the first 32,561 rows without those that have a ``?`` in any column. CPU seconds,
medians of one warm process, the table loaded but not yet encoded. Losses at the nodes that ARX found to be optimal
stand beside ARX's own figures, so that the measures are known to be the same.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import os
import platform
import resource
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from dpsynth.anonymization.hierarchies import Hierarchy
    from dpsynth.anonymization.records import Generalized, Records

RESULTS = Path(__file__).resolve().parent / "results"
COLUMNS = ("age", "sex", "race", "education", "marital-status", "native-country", "workclass", "occupation")
SHUFFLED = ("age", "education", "occupation")
TIMES = 20
SHUFFLE_SEED = 20261126
FIRST_ROWS = 32_561
LIMITS = {
    "local, k=5": {"gcp": 0.0475, "suppressed_rows": 5, "cpu_seconds": 1.5},
    "local, k=10": {"gcp": 0.0695, "suppressed_rows": 5, "cpu_seconds": 2.0},
    "local, 976,840 rows, k=5": {"cpu_seconds": 5.0},
    "mondrian, k=5": {"gcp": 0.045, "cpu_seconds": 0.4},
    "mondrian, k=10": {"gcp": 0.078, "cpu_seconds": 0.4},
}
OTHERS = {
    "local, k=5": {"ARX": {"gcp": 0.0535, "cpu_seconds": 3.9}},
    "local, k=10": {"ARX": {"gcp": 0.0749, "cpu_seconds": 5.0}},
    "local, 976,840 rows, k=5": {"ARX": {"cpu_seconds": 64.8}},
    "mondrian, k=5": {"qiyuangong/Mondrian": {"gcp": 0.0830, "cpu_seconds": 0.71}},
    "mondrian, k=10": {"qiyuangong/Mondrian": {"gcp": 0.1124, "cpu_seconds": 0.52}},
}
OPTIMA = {
    5: {
        "levels": (3, 0, 0, 1, 0, 1, 1, 1),
        "ARX": {"gcp": 0.2190, "non_uniform_entropy": 0.529, "classes": 932, "average_class_size": 48.1}
        | {"discernibility": 2.14e8, "suppressed_rows": 4024},
    },
    10: {
        "levels": (3, 0, 0, 2, 0, 1, 1, 1),
        "ARX": {"gcp": 0.2566, "non_uniform_entropy": 0.576, "classes": 484, "average_class_size": 90.5}
        | {"discernibility": 2.70e8, "suppressed_rows": 5039},
    },
}


def loaded(folder: Path) -> pa.Table:
    """The raw table as text, every column."""
    import pyarrow as pa
    import pyarrow.csv

    with pyarrow.csv.open_csv(folder / "adult.csv.gz") as reader:
        names = reader.schema.names
    types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return pyarrow.csv.read_csv(folder / "adult.csv.gz", convert_options=types).combine_chunks()


def hierarchies_of(folder: Path) -> tuple[Hierarchy, ...]:
    """The eight hierarchies, leaves in the order of their files."""
    from dpsynth.anonymization.hierarchies import Hierarchy

    found = []
    for name in COLUMNS:
        with (folder / "adult_hierarchies" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            found.append(Hierarchy.from_paths(name, list(csv.reader(lines, delimiter=";"))))
    return tuple(found)


def encoded(table: pa.Table, hierarchies: tuple[Hierarchy, ...]) -> Records:
    """The eight columns as leaves."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from dpsynth.anonymization.records import Records

    leaves = [pc.index_in(table[one.name], value_set=pa.array(one.labels[0])) for one in hierarchies]
    return Records(hierarchies, tuple(codes.to_numpy() for codes in leaves))


def complete(table: pa.Table) -> pa.Table:
    """The first rows without a ``?`` in any column."""
    import functools

    import pyarrow.compute as pc

    first = table.slice(0, FIRST_ROWS)
    return first.filter(functools.reduce(pc.and_, (pc.not_equal(column, "?") for column in first.columns)))


def enlarged(table: pa.Table) -> pa.Table:
    """The table many times over, some columns shuffled on their own."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(SHUFFLE_SEED)
    large = pa.concat_tables([table.select(COLUMNS)] * TIMES).combine_chunks()
    for name in SHUFFLED:
        large = large.set_column(COLUMNS.index(name), name, large[name].take(rng.permutation(large.num_rows)))
    return large.combine_chunks()


def at_node(records: Records, levels: tuple[int, ...], k: int) -> Generalized:
    """Full-domain generalization to a node, rows of classes below k suppressed."""
    import numpy as np

    from dpsynth.anonymization.records import Generalized, classes_of

    nodes = [
        one.nodes[level][codes] for one, level, codes in zip(records.hierarchies, levels, records.codes, strict=True)
    ]
    of, _ = classes_of(nodes)
    columns = tuple(np.full(records.rows, level, np.uint8) for level in levels)
    return Generalized(columns, (np.bincount(of) < k)[of], 0.0, levels=levels)


def measured(table: pa.Table, hierarchies: tuple[Hierarchy, ...], method: str, k: int, runs: int) -> dict[str, Any]:
    """The losses of a recoding, and CPU seconds of encoding and recoding by run."""
    from dpsynth.anonymization.loss import losses
    from dpsynth.anonymization.mondrian import mondrian
    from dpsynth.anonymization.privacy_models import KAnonymity
    from dpsynth.anonymization.recoding import swept

    recoding = {"local": swept, "mondrian": mondrian}[method]
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        records = encoded(table, hierarchies)
        released = recoding(records, [KAnonymity(k)])
        seconds.append(time.process_time() - start)
    return {
        "rows": table.num_rows,
        **losses(records, released),
        "cpu_seconds": statistics.median(seconds),
        "cpu_seconds_by_run": seconds,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def figures(folder: Path, runs: int, large: int) -> dict[str, dict[str, Any]]:
    """Every job by its name."""
    table, hierarchies = loaded(folder), hierarchies_of(folder)
    measured(table, hierarchies, "local", 10, 1)
    found = {}
    for k in (5, 10):
        found[f"mondrian, k={k}"] = measured(complete(table), hierarchies, "mondrian", k, runs)
        found[f"local, k={k}"] = measured(table, hierarchies, "local", k, runs)
    if large:
        found["local, 976,840 rows, k=5"] = measured(enlarged(table), hierarchies, "local", 5, large)
    return found


def checked(folder: Path) -> dict[str, Any]:
    """The measures at ARX's optima beside what ARX says of them."""
    from dpsynth.anonymization.loss import losses

    records = encoded(loaded(folder), hierarchies_of(folder))
    return {
        f"k={k}": {**one, "dpsynth": losses(records, at_node(records, one["levels"], k))} for k, one in OPTIMA.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="loss and time of local recoding and Mondrian")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    folder = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    if not os.environ.get("DPSYNTH_BENCH_DATA") or not (folder / "adult_hierarchies").is_dir():
        print("skipped: DPSYNTH_BENCH_DATA names no folder with adult.csv.gz and adult_hierarchies/")
        return
    found = figures(folder, arguments.runs, arguments.large)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    facts = {
        "command": f"python bench/anonymize_recoding.py {' '.join(sys.argv[1:])}".strip(),
        "date": today,
        "limits": LIMITS,
        "others": OTHERS,
        "figures": found,
        "optima": checked(folder),
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "pyarrow")},
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
    }
    target = arguments.output or RESULTS / f"anonymize-recoding-{today}.json"
    target.write_text(json.dumps(facts, indent=1) + "\n")
    for name, one in found.items():
        print(
            f"{name}: {one['rows']:,} rows, loss {one['gcp']:.4f}, {one['suppressed_rows']:.0f} suppressed, "
            f"{one['cpu_seconds']:.2f} CPU s, up to {one['peak_rss_mib']} MiB"
        )


if __name__ == "__main__":
    main()
