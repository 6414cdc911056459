"""What a fit, a sample and a start cost, as whole processes: CPU seconds, peak memory, wall time.

    DPSYNTH_BENCH_DATA=FOLDER python bench/fit.py [--runs 5]

FOLDER holds adult_mckenna.csv.gz and adult_mckenna-domain.json. CPU seconds are user + system of the process and the
children it waited for (``os.wait4``); wall times are medians, the commands taking turns so that a busy moment of the
machine meets all of them. This script imports nothing heavy: a child's peak memory starts at its parent's.
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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
DPSYNTH = str(Path(sys.executable).with_name("dpsynth"))
TABLE, SIZES = "adult_mckenna.csv.gz", "adult_mckenna-domain.json"
ROWS = 1_000_000
LIMITS = {
    "fit_cpu_seconds": 8.0,
    "fit_peak_mb": 600.0,
    "sample_cpu_seconds": 4.0,
    "help_wall_seconds": 0.5,
    "ledger_show_wall_seconds": 0.5,
    "sample_one_row_wall_seconds": 1.0,
}


@dataclass(frozen=True)
class Cost:
    """One run of one process. ``peak_mb`` is in units of 10**6 bytes."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def cost(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run the command to its end; stop the benchmark if it fails."""
    with tempfile.TemporaryFile() as messages:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(0)
            sys.exit(f"{Path(command[0]).name} {' '.join(command[1:3])}: {messages.read().decode(errors='replace')}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(round(usage.ru_utime + usage.ru_stime, 3), round(wall, 3), round(usage.ru_maxrss * unit / 1e6, 1))


def in_turns(commands: Mapping[str, Sequence[str]], runs: int, environment: Mapping[str, str]) -> dict[str, list[Cost]]:
    """Every command ``runs`` times, one after the other within each turn."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(runs):
        for name, command in commands.items():
            costs[name].append(cost([part.replace("{turn}", str(turn)) for part in command], environment))
    return costs


def heavy_commands(data: Path, folder: Path) -> dict[str, list[str]]:
    """The fit and the sample, and what a Python that only imports OpenDP costs beside them.

    A ledger per turn: a second fit on one population would rightly be refused.
    """
    model, schema = f"{folder}/model-{{turn}}.dps", f"{folder}/schema.yaml"
    fit = [DPSYNTH, "fit", str(data / TABLE), "--schema", schema, "--epsilon", "1", "--delta", "1e-9"]
    fit += ["--ledger", f"{folder}/ledger-{{turn}}.db", "-o", model]
    sample = [DPSYNTH, "sample", model, "-n", str(ROWS), "--seed", "1", "-o", f"{folder}/rows.parquet", "--force"]
    return {
        "import opendp.prelude": [sys.executable, "-c", "import opendp.prelude"],
        "fit": fit,
        "sample 1000000 rows to Parquet": sample,
    }


def start_commands(folder: Path) -> dict[str, list[str]]:
    """The commands that must answer at once, beside a Python that does nothing."""
    sample = [DPSYNTH, "sample", f"{folder}/model-0.dps", "-n", "1", "-o", f"{folder}/row.csv", "--force"]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "--help": [DPSYNTH, "--help"],
        "ledger show": [DPSYNTH, "ledger", "show", "--ledger", f"{folder}/ledger-0.db"],
        "sample 1 row": sample,
    }


def figures(heavy: Mapping[str, Sequence[Cost]], start: Mapping[str, Sequence[Cost]]) -> dict[str, float]:
    """The figures of the issue: mean CPU seconds, largest peak, median wall time of a start."""
    fit, sample = heavy["fit"], heavy["sample 1000000 rows to Parquet"]
    walls = {name: statistics.median(run.wall_seconds for run in runs) for name, runs in start.items()}
    return {
        "fit_cpu_seconds": round(statistics.mean(run.cpu_seconds for run in fit), 2),
        "fit_peak_mb": max(run.peak_mb for run in fit),
        "sample_cpu_seconds": round(statistics.mean(run.cpu_seconds for run in sample), 2),
        "help_wall_seconds": walls["--help"],
        "ledger_show_wall_seconds": walls["ledger show"],
        "sample_one_row_wall_seconds": walls["sample 1 row"],
    }


def yardstick(runs: Mapping[str, Sequence[Cost]]) -> float:
    """What a Python that only imports OpenDP cost on this machine at this time, in CPU seconds."""
    return round(statistics.mean(run.cpu_seconds for run in runs["import opendp.prelude"]), 2)


def record(
    arguments: Sequence[str], runs: Mapping[str, Sequence[Cost]], reached: Mapping[str, float], load: float
) -> Path:
    """One dated JSON file: the figures beside their limits, every run, and the command that made it."""
    date = dt.datetime.now(dt.UTC).date().isoformat()
    content = {
        "benchmark": "fit",
        "date": date,
        "command": " ".join(["python bench/fit.py", *arguments]),
        "table": "McKenna-coded Adult, 48,842 x 14; epsilon 1, delta 1e-9, method mst",
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("dpsynth", "opendp", "numpy", "pyarrow")},
        },
        "load_average": {"at the start": load, "at the end": round(os.getloadavg()[0], 2)},
        "figures": {name: {"reached": value, "limit": LIMITS[name]} for name, value in reached.items()},
        "yardstick_cpu_seconds": {"import opendp.prelude": yardstick(runs)},
        "runs": {name: [asdict(run) for run in costs] for name, costs in runs.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"fit-{date}.json"
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of a fit, a sample and a start, as whole processes")
    parser.add_argument("--runs", type=int, default=5, help="fits and samples; starts run three times as often")
    runs = parser.parse_args().runs
    data = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    if not (os.environ.get("DPSYNTH_BENCH_DATA") and (data / TABLE).exists() and (data / SIZES).exists()):
        print(f"skipped: DPSYNTH_BENCH_DATA names no folder with {TABLE} and {SIZES}")
        return
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DPSYNTH_")}
        schema = [
            DPSYNTH,
            "schema",
            "import",
            str(data / SIZES),
            "--from",
            "mbi",
            "--public",
            "the sizes are published",
        ]
        cost([*schema, "-o", str(folder / "schema.yaml")], environment)
        heavy = in_turns(heavy_commands(data, folder), runs, environment)
        start = in_turns(start_commands(folder), 3 * runs, environment)
    reached = figures(heavy, start)
    print(f"{'(import opendp.prelude alone)':30} {yardstick(heavy):>9} CPU seconds")
    for figure, value in reached.items():
        print(
            f"{figure:30} {value:>9} limit {LIMITS[figure]:>7} {'' if value <= LIMITS[figure] else 'MISSED'}".rstrip()
        )
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        print("the machine is busy: read the CPU seconds, not the wall times")
    print(f"written: bench/results/{record(sys.argv[1:], {**heavy, **start}, reached, load).name}")


if __name__ == "__main__":
    main()
