"""How far models and their samples lie from the real table: the whole pipeline, OpenDP's noise, a ledger per fit.

    DPSYNTH_BENCH_DATA=FOLDER python bench/accuracy.py [--fits 5] [--tables adult,nltcs] [--methods mst,auto:fast]

FOLDER holds adult_mckenna.csv.gz, nltcs.csv.gz and their -domain.json (sizes), and bank_full.csv.gz, whose codes are
those of bench/peers/schemas/bank_full.yaml. Each fit is followed by a sample of as
many rows as the table has; the figures are mean total variation distances over all 1-, 2- and 3-way marginals of the
sample (``tvd2``) and of the model itself (``model_tvd2``), averaged over the fits. ``METHOD:EFFORT`` names an effort,
``METHOD:SETTING=VALUE`` a setting (JSON or text; more than one: ``METHOD:A=1:B=2``); ``--name`` goes into the name of
the result. Fits cannot be seeded: the noise comes from OpenDP. CPU seconds are those
of a fit inside this process, after OpenDP was imported; ``bench/fit.py`` counts whole processes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.ledger import Ledger
from dpsynth.metrics import CodedTable
from dpsynth.pipeline.fit import fit
from dpsynth.schema import Schema

RESULTS = Path(__file__).resolve().parent / "results"
TABLES = {"adult": "adult_mckenna", "nltcs": "nltcs", "bank": "bank_full"}
SCHEMAS = Path(__file__).resolve().parent / "peers" / "schemas"
DELTA = "1e-9"
LIMITS: dict[tuple[str, str, str], dict[str, float]] = {
    ("adult", "mst", "0.1"): {"tvd2": 0.130, "tvd3": 0.250},
    ("adult", "mst", "1"): {"tvd2": 0.053, "tvd3": 0.117},
    ("adult", "mst", "10"): {"tvd2": 0.041},
    ("adult", "privbayes", "1"): {"model_tvd2": 0.065, "model_tvd3": 0.130, "fit_cpu_seconds": 15.0},
}
AUTO_LIMITS = {
    ("adult", "0.1"): (0.115, 0.195),
    ("adult", "1"): (0.034, 0.080),
    ("adult", "10"): (0.0135, 0.047),
    ("nltcs", "0.1"): (0.0205, 0.0355),
    ("nltcs", "1"): (0.0030, 0.0066),
    ("nltcs", "10"): (0.0012, 0.003),
}
"""Distances of the model's own pairs and triples."""
SAMPLE_ABOVE = {"0.1": 0.003, "1": 0.004, "10": 0.006}
"""How much farther the pairs of a sample may lie; its triples: 0.008."""
AUTO_SECONDS = {"auto:fast": 12.0, "auto:default": 60.0}


@dataclass(frozen=True, eq=False)
class Loaded:
    """A table as codes and as an Arrow table, with the schema of its published sizes."""

    schema: Schema
    real: CodedTable
    table: pa.Table


def load(folder: Path, name: str) -> Loaded:
    raw = pyarrow.csv.read_csv(folder / f"{name}.csv.gz")
    if (SCHEMAS / f"{name}.yaml").exists():
        described = Schema.load(SCHEMAS / f"{name}.yaml")
        domain = described.domain
        codes = {column: described.codec(column).encode(raw[column].combine_chunks()) for column in domain}
    else:
        domain = Domain.from_sizes(json.loads((folder / f"{name}-domain.json").read_text()))
        codes = {column: raw[column].to_numpy() for column in domain}
    codes = {column: values.astype(np.int64) for column, values in codes.items()}
    sizes = dict(zip(domain, domain.sizes, strict=True))
    schema = Schema.from_domain(sizes, name=name, public="the sizes are published")
    return Loaded(schema, CodedTable(domain, codes), pa.table(codes))


def settings_of(method: str) -> tuple[str, dict[str, Any]]:
    """The method's name and its settings."""
    name, *given = method.split(":")
    settings: dict[str, Any] = {}
    for word in given:
        key, _, value = word.partition("=")
        if not value:
            key, value = "effort", word
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    return name, settings


class Marginals(Protocol):
    """What counts marginals: a table or a distribution."""

    def marginals(self, cliques: Sequence[Clique]) -> Sequence[NDArray[Any]]:
        """Counts of every clique, axes in clique order."""
        ...


def mean_distance(real: CodedTable, synthetic: Marginals, ways: int) -> float:
    """The mean total variation distance over all marginals of this many columns."""
    cliques = real.domain.cliques(ways)
    distances = []
    for start in range(0, len(cliques), 64):
        part = cliques[start : start + 64]
        for ours, theirs in zip(real.marginals(part), synthetic.marginals(part), strict=True):
            distances.append(0.5 * float(np.abs(ours / real.rows - theirs / theirs.sum()).sum()))
    return statistics.mean(distances)


def one_fit(loaded: Loaded, method: str, epsilon: str, seed: int) -> dict[str, float]:
    """One fit with its own ledger, one sample, its distances and its costs."""
    started = time.process_time()
    real = loaded.real
    name, settings = settings_of(method)
    outcome = fit(
        loaded.table,
        loaded.schema,
        epsilon=epsilon,
        delta=DELTA,
        method=name,
        settings=settings,
        ledger=Ledger.in_memory(),
    )
    fitted = time.process_time()
    distribution = outcome.model.distribution
    codes = distribution.sample_codes(real.rows, np.random.default_rng(seed))
    sampled = time.process_time()
    synthetic = CodedTable(real.domain, codes)
    return {
        **{f"tvd{ways}": round(mean_distance(real, synthetic, ways), 5) for ways in (1, 2, 3)},
        **{f"model_tvd{ways}": round(mean_distance(real, distribution, ways), 5) for ways in (1, 2, 3)},
        "fit_cpu_seconds": round(fitted - started, 3),
        "sample_cpu_seconds": round(sampled - fitted, 3),
        "model_cells": distribution.cells,
        "answers": len(outcome.model.answers),
    }


def limits_of(name: str, method: str, epsilon: str) -> dict[str, float]:
    """The limit of every figure that has one."""
    if method not in AUTO_SECONDS or (name, epsilon) not in AUTO_LIMITS:
        return LIMITS.get((name, method, epsilon), {})
    pairs, triples = AUTO_LIMITS[name, epsilon]
    return {
        "model_tvd2": pairs,
        "model_tvd3": triples,
        "tvd2": round(pairs + SAMPLE_ABOVE[epsilon], 5),
        "tvd3": round(triples + 0.008, 5),
        "fit_cpu_seconds": AUTO_SECONDS[method],
    }


def case(name: str, method: str, epsilon: str, runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The mean over the fits beside the limits, and every fit."""
    distances = [f"{whose}tvd{ways}" for whose in ("", "model_") for ways in (1, 2, 3)]
    keys = (*distances, "fit_cpu_seconds", "sample_cpu_seconds")
    mean = {key: round(statistics.mean(run[key] for run in runs), 4) for key in keys}
    limits = limits_of(name, method, epsilon)
    reached = all(mean[key] <= limit for key, limit in limits.items())
    return {
        "table": name,
        "method": method,
        "epsilon": epsilon,
        "mean": mean,
        "limits": limits,
        "reached": reached,
        "peak_memory_mb_so_far": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "fits": list(runs),
    }


def record(arguments: Sequence[str], cases: Sequence[dict[str, Any]], name: str) -> Path:
    """One dated JSON file."""
    date = dt.datetime.now(dt.UTC).date().isoformat()
    content = {
        "benchmark": "accuracy",
        "date": date,
        "command": " ".join(["python bench/accuracy.py", *arguments]),
        "delta": DELTA,
        "metric": "mean over all k-way marginals of half the L1 distance of shares; n-row samples, and the model's own "
        "marginals (model_); mean of the fits",
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "threads": os.environ.get("OPENBLAS_NUM_THREADS", "as the library chooses"),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("dpsynth", "opendp", "numpy", "scipy", "networkx")},
        },
        "cases": list(cases),
    }
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"accuracy-{name}{date}.json"
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="distances of samples of fitted models from the real table")
    parser.add_argument("--fits", type=int, default=5)
    parser.add_argument("--tables", default="adult,nltcs,bank")
    parser.add_argument("--methods", default="mst,independent,aim,privbayes,auto:fast,auto:default")
    parser.add_argument("--epsilons", default="0.1,1,10")
    parser.add_argument("--name", default="")
    chosen = parser.parse_args()
    folder = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    names = [name for name in chosen.tables.split(",") if (folder / f"{TABLES[name]}.csv.gz").exists()]
    if not os.environ.get("DPSYNTH_BENCH_DATA") or not names:
        print("skipped: DPSYNTH_BENCH_DATA names no folder with adult_mckenna.csv.gz, nltcs.csv.gz or bank_full.csv.gz")
        return
    import opendp.prelude  # noqa: F401  (its import is not part of a fit's CPU seconds)

    cases = []
    for name in names:
        loaded = load(folder, TABLES[name])
        for method in chosen.methods.split(","):
            for epsilon in chosen.epsilons.split(","):
                runs = [one_fit(loaded, method, epsilon, seed) for seed in range(chosen.fits)]
                cases.append(case(name, method, epsilon, runs))
                shown = " ".join(f"{key} {value}" for key, value in cases[-1]["mean"].items())
                print(
                    f"{name} {method} epsilon {epsilon}: {shown}{'' if cases[-1]['reached'] else ' MISSED'}", flush=True
                )
    print(f"written: bench/results/{record(sys.argv[1:], cases, f'{chosen.name}-' if chosen.name else '').name}")


if __name__ == "__main__":
    main()
