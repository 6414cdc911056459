"""What exact noise costs: a million cells of the discrete Gaussian from a certified table, and from OpenDP.

    python bench/noise.py [--runs 3] [--cells 1000000] [--output bench/results/NAME.json]

Every run is a process of its own that imports OpenDP, builds the mechanism as a question does (its privacy map is
checked, a table is computed) and draws once; the two samplers take turns at every scale. CPU seconds are those of
building and drawing, without the import; memory is the largest resident set of the process, and how much of it came
after the import. The counts are zeros; neither sampler's work depends on them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
SCALES = (1.0, 34.25, 1000.0, 16384.0)
SAMPLERS = ("table", "opendp")
LIMIT_CPU_SECONDS = 0.5
LIMITED_SCALE = 34.25


def draw(sampler: str, scale: float, cells: int) -> dict[str, float]:
    """Build and draw once in this process: CPU seconds and memory (10**6 bytes)."""
    import numpy as np

    from dpsynth.curator.mechanisms import DiscreteGaussian

    DiscreteGaussian(1, scale)  # OpenDP is imported by the first
    counts = np.zeros(cells, dtype=np.int64)
    before = peak_mb()
    start = time.process_time()
    mechanism = DiscreteGaussian(1, scale, table=sampler == "table")
    built = time.process_time()
    noisy = mechanism(counts)
    end = time.process_time()
    if mechanism.sampler != sampler or not 0.9 < noisy.std() / scale < 1.1:
        sys.exit(f"{sampler} at scale {scale} did not draw its noise")
    return {
        "build_cpu_seconds": round(built - start, 4),
        "draw_cpu_seconds": round(end - built, 4),
        "peak_mb": round(peak_mb(), 1),
        "peak_mb_after_import": round(peak_mb() - before, 1),
    }


def peak_mb() -> float:
    """The largest resident set of this process so far, in units of 10**6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def process(sampler: str, scale: float, cells: int) -> dict[str, float]:
    """The same in a new process; stops the benchmark if it fails."""
    command = [sys.executable, __file__, "--draw", sampler, scale.hex(), "--cells", str(cells)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{sampler} at scale {scale}: {run.stderr.strip()}")
    found: dict[str, float] = json.loads(run.stdout)
    return found


def summary(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Medians; CPU seconds of building and drawing together."""
    both = [run["build_cpu_seconds"] + run["draw_cpu_seconds"] for run in runs]
    return {
        "cpu_seconds": round(statistics.median(both), 3),
        "peak_mb": statistics.median(run["peak_mb"] for run in runs),
        "peak_mb_after_import": statistics.median(run["peak_mb_after_import"] for run in runs),
    }


def measured(cells: int, runs: int) -> list[dict[str, Any]]:
    """Per scale both samplers in turns: medians, how many times cheaper the table is, and every run."""
    found = []
    for scale in SCALES:
        pairs = [{sampler: process(sampler, scale, cells) for sampler in SAMPLERS} for _ in range(runs)]
        medians = {sampler: summary([pair[sampler] for pair in pairs]) for sampler in SAMPLERS}
        ratio = medians["opendp"]["cpu_seconds"] / medians["table"]["cpu_seconds"]
        found.append({"scale": scale, **medians, "opendp_over_table": round(ratio, 1), "runs": pairs})
        print(
            f"scale {scale:<8g} table {medians['table']['cpu_seconds']:>7.3f} OpenDP "
            f"{medians['opendp']['cpu_seconds']:>7.3f} CPU seconds, {ratio:.0f} times"
        )
    return found


def record(arguments: Sequence[str], cells: int, scales: list[dict[str, Any]], target: Path) -> None:
    """One dated JSON file: the figure beside its limit, every run, and the command that made it."""
    (limited,) = [found for found in scales if found["scale"] == LIMITED_SCALE]
    reached = limited["table"]["cpu_seconds"]
    content = {
        "benchmark": "noise",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": " ".join(["python bench/noise.py", *arguments]),
        "cells": cells,
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("dpsynth", "opendp", "numpy")},
        },
        "load_average_at_the_end": [round(load, 2) for load in os.getloadavg()],
        "figures": {f"table_cpu_seconds_at_{LIMITED_SCALE}": {"reached": reached, "limit": LIMIT_CPU_SECONDS}},
        "scales": scales,
    }
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    verdict = "" if reached <= LIMIT_CPU_SECONDS else "MISSED"
    print(f"table, {cells:,} cells: {reached} CPU seconds, limit {LIMIT_CPU_SECONDS} {verdict}".rstrip())
    print(f"wrote {target}")


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of exact noise: a certified table against OpenDP")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--draw", nargs=2, metavar=("SAMPLER", "SCALE"), help="one run in this process, as JSON")
    arguments = parser.parse_args()
    if arguments.draw:
        sampler, scale = arguments.draw
        print(json.dumps(draw(sampler, float.fromhex(scale), arguments.cells)))
        return
    scales = measured(arguments.cells, arguments.runs)
    date = dt.datetime.now(dt.UTC).date().isoformat()
    record(sys.argv[1:], arguments.cells, scales, arguments.output or RESULTS / f"noise-{date}.json")


if __name__ == "__main__":
    main()
