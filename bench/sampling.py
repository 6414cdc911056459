"""What a synthetic row costs, and how closely samples follow their model.

    DPSYNTH_BENCH_DATA=FOLDER python bench/sampling.py [--runs 3] [--methods mst,auto] [--output FILE.json]

FOLDER holds adult_mckenna.csv.gz and adult_mckenna-domain.json. Two models of that table (14 columns) are fitted at
epsilon 1: by ``mst``, and by ``auto``, a mixture of products. Whole processes: ``dpsynth sample`` to Parquet (CPU
seconds of the process, peak memory) and of one row (wall seconds). In this process: CPU nanoseconds per synthetic
cell, codes alone and decoded record batches, by method and number of rows; and how far a sample lies from its model:
for ``mst`` the largest distance in rows over all cells of all cliques, for the mixture the mean total variation
distance over all pairs of columns.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsynth.models import Model

RESULTS = Path(__file__).resolve().parent / "results"
DPSYNTH = str(Path(sys.executable).with_name("dpsynth"))
TABLE, SIZES = "adult_mckenna.csv.gz", "adult_mckenna-domain.json"
ROWS = 1_000_000
SIZES_DRAWN = (1_000, 48_842, 100_000, ROWS)
SETTINGS = {"mst": (), "auto": ("--effort", "default")}
LIMITS = {
    "mst": {"parquet_cpu_seconds": 4.0, "one_row_wall_seconds": 1.0, "largest_distance_rows": 3.0},
    "auto": {
        "parquet_cpu_seconds": 4.0,
        "one_row_wall_seconds": 1.0,
        "pair_tvd_48842": 0.004,
        "pair_tvd_1000000": 0.0003,
    },
}


def process(command: Sequence[str]) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory (10**6 bytes) of one process; stops the benchmark if it fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DPSYNTH_")}
    start = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{Path(command[0]).name} {' '.join(command[1:3])} ended with {child.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = usage.ru_utime + usage.ru_stime
    return {
        "cpu_seconds": round(cpu, 3),
        "wall_seconds": round(wall, 3),
        "peak_mb": round(usage.ru_maxrss * unit / 1e6, 1),
    }


def fitted(data: Path, folder: Path, name: str) -> Path:
    """A model file of the table, fitted by the method of this name."""
    schema, model = str(folder / "schema.yaml"), folder / f"{name}.dps"
    imported = [DPSYNTH, "schema", "import", str(data / SIZES), "--from", "mbi", "--public", "the sizes are published"]
    process([*imported, "-o", schema, "--force"])
    fit = [DPSYNTH, "fit", str(data / TABLE), "--schema", schema, "--epsilon", "1", "--delta", "1e-9"]
    fit += ["--method", name, *SETTINGS[name]]
    process([*fit, "--ledger", str(folder / f"{name}.db"), "-o", str(model)])
    return model


def whole_processes(model: Path, folder: Path, runs: int) -> dict[str, list[dict[str, float]]]:
    """A million rows to Parquet and one row to CSV, in turns."""
    sample = [DPSYNTH, "sample", str(model), "--seed", "1", "--force"]
    commands = {
        "1000000 rows to Parquet": [*sample, "-n", str(ROWS), "-o", str(folder / "rows.parquet")],
        "1 row to CSV": [*sample, "-n", "1", "-o", str(folder / "row.csv")],
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(process(command))
    return found


def distance(model: Model, rows: int, method: str) -> dict[str, float]:
    """How far the counts of a sample lie from those that the model expects."""
    import numpy as np

    from dpsynth.metrics import CodedTable
    from dpsynth.models import MarkovRandomField

    source = model.distribution
    codes = source.sample_codes(rows, np.random.default_rng(0), method=method)  # type: ignore[arg-type]
    field = source if isinstance(source, MarkovRandomField) else None
    cliques = field.tree.tree.cliques if field else source.domain.cliques(2)
    found, expected = CodedTable(source.domain, codes).marginals(cliques), source.marginals(cliques)
    apart = [np.abs(one - other * rows / source.total) for one, other in zip(found, expected, strict=True)]
    if field:
        return {"largest_distance_rows": round(max(float(cells.max()) for cells in apart), 2)}
    return {"pair_tvd": round(statistics.mean(float(cells.sum()) / (2 * rows) for cells in apart), 6)}


def nanoseconds(model: Model, rows: int, method: str, runs: int) -> dict[str, Any]:
    """CPU nanoseconds per cell, the median of ``runs``: codes alone, and decoded batches."""
    import numpy as np

    spent: dict[str, list[float]] = {"codes": [], "batches": []}
    for run in range(runs):
        start = time.process_time()
        for _ in model.distribution.sample_blocks(rows, np.random.default_rng(run), method):  # type: ignore[arg-type]
            pass
        middle = time.process_time()
        for _ in model.sample_batches(rows, seed=run, method=method):  # type: ignore[arg-type]
            pass
        spent["codes"].append(middle - start)
        spent["batches"].append(time.process_time() - middle)
    cells = rows * len(model.domain)
    each = {f"{name}_ns_per_cell": round(statistics.median(times) / cells * 1e9, 1) for name, times in spent.items()}
    return {"method": method, "rows": rows, **each, **distance(model, rows, method)}


def measured(data: Path, folder: Path, name: str, runs: int) -> dict[str, Any]:
    """All figures of the model of one method beside their limits, and every run."""
    path = fitted(data, folder, name)
    processes = whole_processes(path, folder, runs)
    from dpsynth.models import load

    model = load(path)
    cells = [nanoseconds(model, rows, method, runs) for method in ("rounding", "iid") for rows in SIZES_DRAWN]
    parquet, row = processes["1000000 rows to Parquet"], processes["1 row to CSV"]
    reached = {
        "parquet_cpu_seconds": round(statistics.mean(run["cpu_seconds"] for run in parquet), 2),
        "one_row_wall_seconds": statistics.median(run["wall_seconds"] for run in row),
    }
    rounded = [cell for cell in cells if cell["method"] == "rounding"]
    if name == "mst":
        reached["largest_distance_rows"] = max(cell["largest_distance_rows"] for cell in rounded)
    else:
        reached |= {f"pair_tvd_{cell['rows']}": cell["pair_tvd"] for cell in rounded}
    limits = LIMITS[name]
    return {
        "kind": model.distribution.kind,
        "figures": {figure: {"reached": reached[figure], "limit": limit} for figure, limit in limits.items()},
        "cells": cells,
        "runs": processes,
    }


def record(arguments: Sequence[str], models: dict[str, dict[str, Any]], target: Path) -> None:
    """One dated JSON file: the figures beside their limits, every run, and the command that made it."""
    content = {
        "benchmark": "sampling",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": " ".join(["python bench/sampling.py", *arguments]),
        "table": "McKenna-coded Adult, 48,842 x 14; models at epsilon 1, delta 1e-9",
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("dpsynth", "numpy", "pyarrow")},
        },
        "load_average_at_the_end": [round(load, 2) for load in os.getloadavg()],
        "threads": os.environ.get("OPENBLAS_NUM_THREADS", "as the library chooses"),
        "models": models,
    }
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    for name, model in models.items():
        for figure, value in model["figures"].items():
            reached, limit = value["reached"], value["limit"]
            print(f"{name:5} {figure:22} {reached:>9} limit {limit:>7} {'' if reached <= limit else 'MISSED'}".rstrip())
    print(f"wrote {target}")


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of a synthetic row, and distance of samples from their model")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--methods", default="mst,auto")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    data = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    if not (os.environ.get("DPSYNTH_BENCH_DATA") and (data / TABLE).exists() and (data / SIZES).exists()):
        print(f"skipped: DPSYNTH_BENCH_DATA names no folder with {TABLE} and {SIZES}")
        return
    with tempfile.TemporaryDirectory() as folder:
        models = {name: measured(data, Path(folder), name, arguments.runs) for name in arguments.methods.split(",")}
    date = dt.datetime.now(dt.UTC).date().isoformat()
    record(sys.argv[1:], models, arguments.output or RESULTS / f"sampling-{date}.json")


if __name__ == "__main__":
    main()
