"""Fits of raw tables without a schema: how far they lie from fits with a hand-written one, and what was found.

    DPSYNTH_BENCH_DATA=FOLDER python bench/discovery.py [--fits 5] [--methods auto] [--parts distances,numbers,kinds]
    DPSYNTH_BENCH_DATA=FOLDER python bench/discovery.py --scan

The whole pipeline, OpenDP's noise, a ledger per fit, delta 1e-9. FOLDER holds adult, bank_full, pums_dup, pums_null,
synthea_conditions, synthea_medications and synthea_patients, each as .csv.gz; what is absent is skipped.

``distances``: the mean total variation distance over all pairs of columns of the hand-written schema, in its bins, of a
sample of as many rows as the table has. A column that discovery dropped is uniform and independent of the others.
``numbers``: the Wasserstein-1 distance of sampled numbers from the raw ones, over their range, at epsilon 1, against a
fit with 32 bins of equal width within the hand-written bounds (fewer where there are fewer values), decoded uniformly
and as by default. A dropped column is uniform within these bounds. The limit is on the mean over columns of the ratio
of the means over fits; columns of at most 32 whole values, whose bins are single values either way, are reported and
left out of it.
``kinds``: what discovery made of every column, beside what is sensible (discovered/sensible.yaml): of each case 95 % of
the kinds and a reason for every drop, of all cases 95 % of what became of the columns. At epsilon 1 a table of hundreds
of rows, or a person of many, leaves little to be learned: such cases carry no limit there, but one at epsilon 10.
``--scan``: the distances with several shares for discovery (method mst unless named).
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from discovered.kinds import KINDS, SENSIBLE_LIMIT, kinds
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from dpsynth.ledger import Ledger
from dpsynth.models import Model
from dpsynth.pipeline.discovery import DEFAULT_DISCOVER_SHARE
from dpsynth.pipeline.fit import fit
from dpsynth.schema import Schema
from dpsynth.tables import open_table

HERE = Path(__file__).resolve().parent
HAND = {
    "adult": HERE.parent / "examples" / "adult" / "schema.yaml",
    "bank_full": HERE / "peers" / "schemas" / "bank_full.yaml",
    "pums_dup": HERE / "schemas" / "pums_dup.yaml",
}
DELTA = "1e-9"
DISTANCE_LIMITS = {("adult", "1"): 1.25, ("adult", "10"): 1.15, ("bank_full", "1"): 1.25, ("bank_full", "10"): 1.15}
NUMBER_LIMIT = 0.7
EQUAL_BINS = 32
SHARES = ("1/10", "1/5", "1/4", "1/3", "2/5")
Codes = Mapping[str, NDArray[np.int64]]
Case = dict[str, Any]


def codes_of(schema: Schema, data: Path | pa.Table) -> Codes:
    """The modeled columns that the table has, as codes of this schema."""
    reader = open_table(data)
    names = [name for name in schema.domain if name in reader.names]
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for batch in reader.batches(names):
        for name in names:
            parts[name].append(schema.codec(name).encode(batch.column(name)))
    return {name: np.concatenate(part).astype(np.int64) for name, part in parts.items()}


def pair_distance(schema: Schema, real: Codes, synthetic: Codes) -> float:
    """The mean over pairs of columns of half the L1 distance of their shares."""
    domain = schema.domain

    def one_way(name: str) -> NDArray[np.float64]:
        if name not in synthetic:
            return np.full(domain[name], 1 / domain[name])
        return np.bincount(synthetic[name], minlength=domain[name]) / len(synthetic[name])

    def pair(codes: Codes, a: str, b: str) -> NDArray[np.float64]:
        return np.bincount(codes[a] * domain[b] + codes[b], minlength=domain[a] * domain[b]) / len(codes[a])

    distances = []
    for a, b in combinations(domain, 2):
        both = a in synthetic and b in synthetic
        made = pair(synthetic, a, b) if both else np.outer(one_way(a), one_way(b)).ravel()
        distances.append(0.5 * float(np.abs(pair(real, a, b) - made).sum()))
    return statistics.mean(distances)


@dataclass(frozen=True, eq=False)
class Table:
    """A raw table with its hand-written schema. Cost: it is read once for its codes, once for its numbers."""

    name: str
    path: Path

    @cached_property
    def schema(self) -> Schema:
        """The hand-written schema."""
        return Schema.load(HAND[self.name])

    @cached_property
    def real(self) -> Codes:
        """The raw cells as codes of it."""
        return codes_of(self.schema, self.path)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.real.values())))

    @cached_property
    def numbers(self) -> Mapping[str, NDArray[np.float64]]:
        """The raw values of the columns that the hand-written schema calls numbers."""
        names = [field.name for field in self.schema.modeled if field.type in ("integer", "number")]
        raw = pyarrow.csv.read_csv(self.path)
        return {name: raw[name].to_numpy().astype(float) for name in names}

    def bounds(self, name: str) -> tuple[int, int]:
        """The hand-written bounds."""
        bins = self.schema.codec(name).bins
        return bins.low, bins.high

    def equal_width(self, decode: str | None) -> Schema:
        """The hand-written schema with up to 32 bins of equal width for every number."""
        document = self.schema.to_dict()
        for field in document["fields"]:
            if field["name"] in self.numbers:
                low, high = self.bounds(field["name"])
                field["dpsynth"]["bins"] = {"count": min(EQUAL_BINS, high - low + 1)}
                if decode:
                    field["dpsynth"]["decode"] = decode
        return Schema.from_dict(document)

    def sample(self, model: Model, seed: int) -> pa.Table:
        """As many rows as the table has."""
        return model.sample(self.rows, seed=seed, output="pyarrow")

    def wasserstein(self, sample: pa.Table) -> dict[str, float]:
        """By column, over the range of the raw values."""
        found = {}
        for name, raw in self.numbers.items():
            drawn = np.zeros(0)
            if name in sample.column_names:
                drawn = pd.to_numeric(sample[name].to_pandas(), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
                drawn = drawn[~np.isnan(drawn)]
            if not drawn.size:
                drawn = np.linspace(*self.bounds(name), self.rows)
            found[name] = float(wasserstein_distance(drawn, raw) / (raw.max() - raw.min()))
        return found


class Fits:
    """Fits of one table by one method at one epsilon, made when first asked for, and what their samples are like."""

    def __init__(self, table: Table, method: str, epsilon: str, count: int) -> None:
        self.table = table
        self.method = method
        self.epsilon = epsilon
        self._count = count

    def _model(self, schema: Schema | None, share: str | None = None) -> tuple[Model, float, float | None]:
        """A model, CPU seconds, and the share of the loss that its discovery spent."""
        started = time.process_time()
        outcome = fit(
            self.table.path,
            schema,
            epsilon=self.epsilon,
            delta=DELTA,
            method=self.method,
            discovery=share,
            ledger=Ledger.in_memory(),
        )
        spent = None if outcome.learned is None else round(float(outcome.learned.share), 4)
        return outcome.model, round(time.process_time() - started, 2), spent

    def _measured(self, schema: Schema | None, share: str | None = None) -> list[Case]:
        runs = []
        for seed in range(self._count):
            model, seconds, spent = self._model(schema, share)
            sample = self.table.sample(model, seed)
            distance = pair_distance(self.table.schema, self.table.real, codes_of(self.table.schema, sample))
            runs.append(
                {
                    "tvd2": round(distance, 5),
                    "wasserstein": {name: round(w, 6) for name, w in self.table.wasserstein(sample).items()},
                    "fit_cpu_seconds": seconds,
                    **({} if schema else {"spent": spent, "bins": dict(zip(*_sizes(model), strict=True))}),
                }
            )
        return runs

    @cached_property
    def described(self) -> list[Case]:
        """With the hand-written schema."""
        return self._measured(self.table.schema)

    @cached_property
    def discovered(self) -> list[Case]:
        """Without a schema, with the default share."""
        return self._measured(None)

    def shared(self, share: str) -> list[Case]:
        """Without a schema, with this share."""
        return self._measured(None, share)

    @cached_property
    def equal_width(self) -> list[dict[str, dict[str, float]]]:
        """With bins of equal width: the distances of numbers by way of decoding."""
        ways = {"uniform": self.table.equal_width("uniform"), "default": self.table.equal_width(None)}
        runs = []
        for seed in range(self._count):
            model, _, _ = self._model(ways["default"])
            decoded = {way: self.table.sample(replace(model, schema=schema), seed) for way, schema in ways.items()}
            runs.append({way: self.table.wasserstein(sample) for way, sample in decoded.items()})
        return runs


def _sizes(model: Model) -> tuple[Sequence[str], Sequence[int]]:
    return tuple(model.distribution.domain), tuple(model.distribution.domain.sizes)


def distances(fits: Fits, share: str | None = None) -> Case:
    """The distance without a schema beside that with one."""
    found = fits.discovered if share is None else fits.shared(share)
    ours, theirs = (statistics.mean(run["tvd2"] for run in runs) for runs in (found, fits.described))
    limit = DISTANCE_LIMITS.get((fits.table.name, fits.epsilon))
    return {
        "part": "distances",
        "table": fits.table.name,
        "method": fits.method,
        "epsilon": fits.epsilon,
        "share": share or str(DEFAULT_DISCOVER_SHARE),
        "spent": round(statistics.mean(run["spent"] for run in found), 4),
        "without_schema": round(ours, 5),
        "with_schema": round(theirs, 5),
        "ratio": round(ours / theirs, 4),
        "limit": limit,
        "reached": limit is None or ours <= limit * theirs,
        "fits": found,
        "fits_with_schema": fits.described,
    }


def numbers(fits: Fits) -> Case:
    """The distances of numbers without a schema beside those of bins of equal width."""
    columns = {}
    for name in fits.table.numbers:
        low, high = fits.table.bounds(name)
        ours = statistics.mean(run["wasserstein"][name] for run in fits.discovered)
        theirs = {way: statistics.mean(run[way][name] for run in fits.equal_width) for way in ("uniform", "default")}
        columns[name] = {
            "values": high - low + 1,
            "discovered": round(ours, 6),
            **{way: round(value, 6) for way, value in theirs.items()},
            **{f"ratio_{way}": round(ours / value, 4) for way, value in theirs.items()},
        }
    many = [one for one in columns.values() if one["values"] > EQUAL_BINS]
    return {
        "part": "numbers",
        "table": fits.table.name,
        "method": fits.method,
        "epsilon": fits.epsilon,
        **_ratios(many),
        "of_all_columns": _ratios(list(columns.values())),
        "columns": columns,
    }


def _ratios(columns: Sequence[Case]) -> Case:
    ratio = {way: round(statistics.mean(one[f"ratio_{way}"] for one in columns), 4) for way in ("uniform", "default")}
    return {**ratio, "limit": NUMBER_LIMIT, "reached": ratio["uniform"] <= NUMBER_LIMIT, "over": len(columns)}


def tables(folder: Path, names: Sequence[str]) -> Iterator[Table]:
    """Those that there are."""
    for name in names:
        path = folder / f"{name}.csv.gz"
        if name in HAND and path.exists():
            yield Table(name, path)


def measured(chosen: argparse.Namespace, folder: Path) -> Iterator[Case]:
    """Every case that was asked for."""
    parts, names = chosen.parts.split(","), chosen.tables.split(",")
    for table in tables(folder, names):
        for method in chosen.methods.split(","):
            for epsilon in chosen.epsilons.split(","):
                fits = Fits(table, method, epsilon, chosen.fits)
                if chosen.scan:
                    yield from (distances(fits, share) for share in SHARES)
                    continue
                if "distances" in parts:
                    yield distances(fits)
                if "numbers" in parts and epsilon == "1":
                    yield numbers(fits)
    if "kinds" in parts and not chosen.scan:
        for place in KINDS:
            if place[0] in names and (folder / f"{place[0]}.csv.gz").exists():
                yield kinds(folder, place, chosen.fits, chosen.kinds_method)


def pooled(cases: Sequence[Case]) -> Iterator[Case]:
    """The figures over all tables."""
    by_method: dict[str, list[Case]] = {}
    for case in cases:
        if case["part"] == "numbers":
            by_method.setdefault(case["method"], []).extend(case["columns"].values())
    for method, columns in by_method.items():
        many = [one for one in columns if one["values"] > EQUAL_BINS]
        yield {"part": "numbers", "table": "all", "method": method, "epsilon": "1", **_ratios(many)}
    limited = [case for case in cases if case["part"] == "kinds" and case["limit"]]
    answers = [one["sensible"] for case in limited for run in case["fits"] for one in run["columns"]]
    if answers:
        share = round(statistics.mean(answers), 4)
        reached = share >= SENSIBLE_LIMIT
        yield {"part": "kinds", "table": "all", "sensible": share, "limit": SENSIBLE_LIMIT, "reached": reached}


def shown(case: Case) -> str:
    """One line of a case."""
    words = [f"{key} {value}" for key, value in case.items() if isinstance(value, str | float | int | None)]
    doubtful = "".join(f"\n    {one}" for one in (*case.get("doubtful", ()), *case.get("refusals", ())))
    columns = "".join(f"\n    {name}: {one}" for name, one in case.get("columns", {}).items())
    return f"{', '.join(words)}{'' if case['reached'] else ' MISSED'}{doubtful}{columns}"


def record(arguments: Sequence[str], cases: Sequence[Case], name: str) -> Path:
    """One dated JSON file."""
    date = dt.datetime.now(dt.UTC).date().isoformat()
    libraries = ("dpsynth", "opendp", "numpy", "scipy")
    content = {
        "benchmark": "discovery",
        "date": date,
        "command": " ".join(["python bench/discovery.py", *arguments]),
        "delta": DELTA,
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "threads": os.environ.get("OPENBLAS_NUM_THREADS", "as the library chooses"),
        "versions": {"python": platform.python_version(), **{library: version(library) for library in libraries}},
        "cases": list(cases),
    }
    target = HERE / "results" / f"discovery-{name}{date}.json"
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=5)
    every = dict.fromkeys([*HAND, *(table for table, *_ in KINDS)])
    parser.add_argument("--tables", default=",".join(every))
    parser.add_argument("--methods", default=None, help="of distances and numbers (default: auto; with --scan: mst)")
    parser.add_argument("--kinds-method", default="auto", help="the method of the fits whose columns are looked at")
    parser.add_argument("--epsilons", default="1,10")
    parser.add_argument("--parts", default="distances,numbers,kinds")
    parser.add_argument("--scan", action="store_true", help="distances with several shares for discovery")
    parser.add_argument("--name", default="", help="goes into the name of the result")
    chosen = parser.parse_args()
    chosen.methods = chosen.methods or ("mst" if chosen.scan else "auto")
    folder = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    wanted = chosen.tables.split(",")
    if not os.environ.get("DPSYNTH_BENCH_DATA") or not any((folder / f"{name}.csv.gz").exists() for name in wanted):
        print(f"skipped: DPSYNTH_BENCH_DATA names no folder with one of {', '.join(wanted)} as .csv.gz")
        return
    import opendp.prelude  # noqa: F401  (its import is not part of a fit's CPU seconds)

    cases: list[Case] = []
    for found in (measured(chosen, folder), pooled(cases)):
        for case in found:
            cases.append(case)
            print(shown(case), flush=True)
    name = f"{chosen.name or ('scan' if chosen.scan else '')}-".lstrip("-")
    print(f"written: bench/results/{record(sys.argv[1:], cases, name).name}")


if __name__ == "__main__":
    main()
