"""How far decoded numbers lie from the real ones: uniform in every bin against interpolated between bins.

    DPSYNTH_BENCH_DATA=FOLDER python bench/decoding.py [--fits 5]

FOLDER holds adult.csv.gz and bank_full.csv.gz. Every numeric column is cut into 32 bins of equal width, or at 32
quantiles (heavy values become bins of their own), within fixed bounds. Bins are filled with the exact counts, and with
the one-way marginals of fits at epsilon 1, delta 1e-9 (mst, the numeric columns of the table). ``wasserstein``: the
Wasserstein-1 distance between 2 million decoded values, spread over the bins as the marginal says, and the real ones,
divided by the range. Printed as JSON lines, and as means over columns; written to bench/results.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import json
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

import dpsynth
from dpsynth.ledger import Ledger
from dpsynth.schema.tilting import tilted

BINS = 32
DRAWS = 2_000_000
TABLES: dict[str, dict[str, tuple[int, int]]] = {
    "adult": {
        "age": (17, 90),
        "fnlwgt": (10_000, 1_500_000),
        "capital-gain": (0, 99_999),
        "capital-loss": (0, 4_999),
        "hours-per-week": (1, 99),
    },
    "bank_full": {
        "age": (18, 95),
        "balance": (-8_100, 102_200),
        "duration": (0, 5_000),
        "campaign": (1, 63),
        "pdays": (-1, 900),
        "previous": (0, 300),
    },
}
"""Numeric columns of more than 32 values, and bounds that hold all of them."""


def edges_of(values: NDArray[np.int64], bounds: tuple[int, int], cut: str) -> list[int]:
    """Edges as ``schema.yaml`` writes them: the last one is the maximum."""
    low, high = bounds
    if cut == "width":
        return [low + step * (high - low + 1) // BINS for step in range(BINS)] + [high]
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf").astype(np.int64)
    places, times = np.unique(quantiles, return_counts=True)
    starts = {low, *places.tolist(), *(places[times > 1] + 1).tolist()}
    return [*sorted(edge for edge in starts if low <= edge < high), high]


def schema_of(table: str, frame: pd.DataFrame, cut: str) -> dpsynth.Schema:
    """The numeric columns with these bins, as public knowledge."""
    fields = [
        {
            "name": name,
            "type": "integer",
            "constraints": {"required": True, "minimum": bounds[0], "maximum": bounds[1]},
            "dpsynth": {
                "source": "public",
                "null": bounds[0],
                "bins": {"edges": edges_of(frame[name].to_numpy(), bounds, cut)},
            },
        }
        for name, bounds in TABLES[table].items()
    ]
    return dpsynth.Schema.from_dict({"dpsynth": {"version": 1, "name": table}, "fields": fields})


def distances(real: NDArray[np.int64], codec: Any, masses: NDArray[np.float64]) -> dict[str, float]:
    """The distance over the range, for each way of decoding."""
    ends = np.round(np.cumsum(masses) / masses.sum() * DRAWS).astype(np.int64)
    codes = np.repeat(np.arange(len(masses)), np.diff(ends, prepend=0))
    span = codec.bins.high - codec.bins.low
    found = {}
    for way, bins in (("uniform", codec.bins), ("interpolated", tilted(codec.bins, masses))):
        drawn = replace(codec, bins=bins).decode(codes, np.random.default_rng(1)).to_numpy()
        found[way] = wasserstein_distance(drawn, real) / span
    return found


@dataclass(frozen=True)
class Case:
    """One table with one way of cutting."""

    table: str
    cut: str
    frame: pd.DataFrame

    def rows(self, fits: int) -> Iterator[dict[str, Any]]:
        """One record per column and origin of the marginal."""
        schema = schema_of(self.table, self.frame, self.cut)
        names = list(TABLES[self.table])
        for fit in range(fits + 1):
            origin, marginals = "exact", {}
            if fit:
                ledger = Ledger.in_memory()
                model = dpsynth.fit(self.frame[names], schema, epsilon=1, delta=1e-9, method="mst", ledger=ledger)
                origin, marginals = "fit", {name: model.marginal(name).values for name in names}
            for name in names:
                codec = schema.codec(name)
                real = self.frame[name].to_numpy()
                codes = codec.bins.locate(real)
                masses = marginals.get(name, np.bincount(codes, minlength=codec.size).astype(float))
                found = distances(real, codec, np.maximum(masses, 0))
                yield {"table": self.table, "cut": self.cut, "marginal": origin, "column": name, **found}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=5)
    fits = parser.parse_args().fits
    folder = os.environ.get("DPSYNTH_BENCH_DATA")
    if not folder:
        sys.exit("set DPSYNTH_BENCH_DATA to the folder of the tables")
    records = []
    for table in TABLES:
        with gzip.open(Path(folder) / f"{table}.csv.gz") as file:
            frame = pd.read_csv(file)
        frame.columns = frame.columns.str.strip()
        for cut in ("width", "quantile"):
            for record in Case(table, cut, frame).rows(fits):
                records.append(record)
                print(json.dumps(record), flush=True)
    for key in sorted({(record["cut"], record["marginal"]) for record in records}):
        chosen = [record for record in records if (record["cut"], record["marginal"]) == key]
        means = {way: statistics.mean(record[way] for record in chosen) for way in ("uniform", "interpolated")}
        print(*key, {way: f"{mean:.5f}" for way, mean in means.items()})
    today = dt.datetime.now(dt.UTC).date().isoformat()
    path = Path(__file__).resolve().parent / "results" / f"decoding-{today}.json"
    result = {"dpsynth": version("dpsynth"), "numpy": np.__version__, "fits": fits, "draws": DRAWS, "records": records}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
