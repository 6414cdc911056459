"""All 105 two-way counts of 10,000,000 rows × 15 columns in a Parquet file: CPU seconds and peak memory.

    python bench/counting.py [--rows 10000000] [--output bench/results/NAME.json]

The table (2 to 100 values per column, skewed; five columns are strings, ten are integers) is made in a temporary
folder. The count is one new process from start to end, imports included: CPU seconds are its user + system time,
memory is its largest resident set. This script imports nothing heavy, because a child's peak starts at its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

SIZES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 40, 50, 80, 100)
STRINGS = {1, 4, 7, 10, 13}
LIMITS = {"cpu_seconds": 10.0, "peak_mb": 500.0}


def make(path: str, rows: int) -> None:
    """Write the table, a million rows at a time."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(20261122)
    types = [pa.string() if index in STRINGS else pa.int64() for index in range(len(SIZES))]
    schema = pa.schema([(f"c{index}", kind) for index, kind in enumerate(types)])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, 1_000_000):
            columns = []
            for index, size in enumerate(SIZES):
                codes = (size * rng.random(min(1_000_000, rows - start)) ** 2).astype(np.int64)
                words = pa.array([f"category {code}" for code in range(size)])
                columns.append(words.take(pa.array(codes)) if index in STRINGS else pa.array(codes))
            writer.write_table(pa.table(columns, schema=schema))


def count(path: str) -> None:
    """Count, and print the cost of this process as JSON."""
    from dpsynth.curator.sources import StreamSource
    from dpsynth.schema import Schema
    from dpsynth.tables import open_table

    fields = [_field(index, size) for index, size in enumerate(SIZES)]
    schema = Schema.from_dict({"dpsynth": {"version": 1, "name": "counting"}, "fields": fields})
    source = StreamSource(open_table(path), schema)
    tables = source.counts(source.domain.cliques(2))
    usage = os.times()
    print(
        json.dumps(
            {
                "marginals": len(tables),
                "rows_counted": sorted({int(table.sum()) for table in tables}),
                "cpu_seconds": round(usage.user + usage.system, 2),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
            }
        )
    )


def _field(index: int, size: int) -> dict[str, object]:
    if index in STRINGS:
        constraints: dict[str, object] = {"enum": [f"category {code}" for code in range(size)]}
        return {"name": f"c{index}", "type": "string", "constraints": constraints, "dpsynth": _PUBLIC}
    bounds = {"minimum": 0, "maximum": size - 1}
    return {"name": f"c{index}", "type": "integer", "constraints": bounds, "dpsynth": {**_PUBLIC, "bins": {"width": 1}}}


_PUBLIC = {"source": "public", "public_reason": "made up by this benchmark"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--step", nargs=2, metavar=("make|count", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step, path = arguments.step
        make(path, arguments.rows) if step == "make" else count(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "table.parquet")
        command = [sys.executable, __file__, "--rows", str(arguments.rows), "--step"]
        subprocess.run([*command, "make", path], check=True)
        size = Path(path).stat().st_size
        measured = json.loads(subprocess.run([*command, "count", path], check=True, capture_output=True).stdout)
    result = {
        "benchmark": "counting",
        "command": f"python bench/counting.py --rows {arguments.rows}",
        "rows": arguments.rows,
        "columns": len(SIZES),
        "parquet_mb": round(size / 1e6, 1),
        **measured,
        "limits": LIMITS,
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "pyarrow")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    line = json.dumps(result)
    print(line)
    if arguments.output:
        arguments.output.write_text(line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
