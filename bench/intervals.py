"""How often intervals of fitted models hold the true counts, and how wide they are: the whole pipeline, OpenDP's noise.

    DPSYNTH_BENCH_DATA=FOLDER python bench/intervals.py [--fits 40] [--cases adult:auto,...] [--models FOLDER]

FOLDER holds adult_mckenna.csv.gz, nltcs.csv.gz and their -domain.json (sizes). A case is TABLE:METHOD, with settings as
in ``bench/accuracy.py`` (adult:auto:fast) and a number of fits of its own after a star (adult:aim*5). Every fit spends
epsilon 1, delta 1e-9 on all rows; ``model.marginal(clique, interval=0.95)`` is then compared with the exact counts of
all 1- and 2-way marginals, and of every 20th 3-way one. ``coverage`` is the share of cells whose true count lies
between the ends exactly as they are returned: for the cells that some answer resolves (``measured``), for the others
(``bound``), and for all; ``of_50_rows``: among cells of at least 50 rows. Widths are medians over cells, in rows, then
means over fits; ``error``: the mean distance of the model's own estimate from the truth; ``estimate_at_an_end``: the
share of cells whose interval was widened to the estimate, or ends there. Cells of one fit share noise,
so the share varies between fits: ``fits`` tells how. ``--models`` keeps the fitted models in a folder and reads those
that are already there: intervals can then be computed again without fitting. ``--name`` goes into the name of the
result.
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
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.accuracy import DELTA, RESULTS, TABLES, Loaded, load, settings_of

if TYPE_CHECKING:
    from dpsynth.domain import Clique
    from dpsynth.models import Model

EPSILON, LEVEL = "1", 0.95
CASES = "adult:auto,adult:auto:fast,adult:mst,adult:aim*5,nltcs:auto,nltcs:mst"
WAYS = {1: 1, 2: 1, 3: 20}
"""How many columns, and which part of all such marginals: one in so many."""
LIMITS = {"measured": (0.93, 0.99), "all": (0.93, 1.0)}
LARGE = 50
FIGURES = (
    "coverage",
    "median_width",
    "mean_error_of_estimate",
    "estimate_at_an_end",
    "coverage_of_50_rows",
    "median_width_of_50_rows",
)

Columns = dict[str, NDArray[Any]]
Truths = dict[int, dict["Clique", NDArray[np.int64]]]


def fitted(loaded: Loaded, method: str, path: Path | None) -> Model:
    """A model of the table: the one that was kept, or a new one."""
    from dpsynth.ledger import Ledger
    from dpsynth.models import load as load_model
    from dpsynth.pipeline.fit import fit

    if path is not None and path.exists():
        return load_model(path)
    name, settings = settings_of(method)
    purse = Ledger.in_memory()
    given = {"method": name, "settings": settings, "ledger": purse}
    model = fit(loaded.table, loaded.schema, epsilon=EPSILON, delta=DELTA, **given).model
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
    return model


def exact_counts(loaded: Loaded) -> Truths:
    """The exact counts of the marginals that are compared, by their number of columns."""
    domain = loaded.real.domain
    chosen = {ways: domain.cliques(ways)[::step] for ways, step in WAYS.items()}
    return {ways: dict(zip(cliques, loaded.real.marginals(cliques), strict=True)) for ways, cliques in chosen.items()}


def cells_of(model: Model, truths: Mapping[Clique, NDArray[np.int64]]) -> Columns:
    """Everything about every cell of these marginals, side by side."""
    found: list[NDArray[np.float64]] = []
    for clique, true in truths.items():
        marginal = model.marginal(clique, interval=LEVEL)
        inside = (marginal.lower <= true) & (true <= marginal.upper)
        measured = np.isfinite(marginal.standard_error)
        width, error = marginal.upper - marginal.lower, np.abs(marginal.estimate - true)
        at_end = (marginal.estimate == marginal.lower) | (marginal.estimate == marginal.upper)
        parts = (true, inside, measured, width, error, at_end)
        found.append(np.stack([part.ravel() for part in parts]).astype(np.float64))
    true, inside, held, width, error, at_end = np.concatenate(found, axis=1)
    return {"true": true, "inside": inside, "measured": held > 0, "width": width, "error": error, "at_end": at_end}


def figures(cells: Columns, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """Coverage and widths of the chosen cells."""
    if not chosen.any():
        return {"cells": 0}
    large = chosen & (cells["true"] >= LARGE)
    shown = {
        "cells": int(chosen.sum()),
        "coverage": float(cells["inside"][chosen].mean()),
        "median_width": float(np.median(cells["width"][chosen])),
        "mean_error_of_estimate": float(cells["error"][chosen].mean()),
        "estimate_at_an_end": float(cells["at_end"][chosen].mean()),
    }
    if large.any():
        shown["cells_of_50_rows"] = int(large.sum())
        shown["coverage_of_50_rows"] = float(cells["inside"][large].mean())
        shown["median_width_of_50_rows"] = float(np.median(cells["width"][large]))
    return {name: value if isinstance(value, int) else round(value, 4) for name, value in shown.items()}


def of_one_fit(model: Model, truths: Truths) -> dict[str, dict[str, float]]:
    """The figures of every kind of cell, for 1-, 2- and 3-way marginals and for 1- and 2-way ones together."""
    found = {str(ways): cells_of(model, counts) for ways, counts in truths.items()}
    found["1 and 2"] = {name: np.concatenate([found["1"][name], found["2"][name]]) for name in found["1"]}
    shown = {}
    for ways, cells in found.items():
        everything = np.ones(len(cells["true"]), dtype=bool)
        for kind, chosen in (("measured", cells["measured"]), ("bound", ~cells["measured"]), ("all", everything)):
            shown[f"{ways}-way, {kind}"] = figures(cells, chosen)
    return shown


def case(loaded: Loaded, name: str, method: str, fits: int, folder: Path | None) -> dict[str, Any]:
    """The mean of every figure over the fits, weighted by cells, beside the limits, and the coverage of every fit."""
    runs, seconds, truths = [], [], exact_counts(loaded)
    for number in range(fits):
        path = folder / f"{name}-{method}-{number:02d}.dps" if folder else None
        model = fitted(loaded, method, path)
        started = time.process_time()
        runs.append(of_one_fit(model, truths))
        seconds.append(time.process_time() - started)
    mean = {kind: pooled([run[kind] for run in runs]) for kind in runs[0] if any(run[kind]["cells"] for run in runs)}
    kinds = {kind: mean.get(f"1 and 2-way, {kind}", {}) for kind in LIMITS}
    reached = all(low <= kinds[kind].get("coverage", low) <= high for kind, (low, high) in LIMITS.items())
    return {
        "table": name,
        "method": method,
        "fits_counted": fits,
        "limits of coverage, 1- and 2-way": {kind: list(limits) for kind, limits in LIMITS.items()},
        "reached": reached,
        "mean": mean,
        "cpu_seconds_of_intervals_a_fit": round(statistics.mean(seconds), 2),
        "fits": [{kind: run[kind].get("coverage") for kind in mean} for run in runs],
    }


def pooled(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over fits, each fit weighted by its cells."""
    shown: dict[str, float] = {"cells": round(statistics.mean(run["cells"] for run in runs))}
    for name in FIGURES:
        weight = "cells_of_50_rows" if name.endswith("50_rows") else "cells"
        held = [run for run in runs if name in run]
        if held:
            total = sum(run[weight] for run in held)
            shown[name] = round(sum(run[name] * run[weight] for run in held) / total, 4)
    return shown


def record(arguments: Sequence[str], cases: Sequence[dict[str, Any]], name: str) -> Path:
    """One dated JSON file."""
    date = dt.datetime.now(dt.UTC).date().isoformat()
    content = {
        "benchmark": "intervals",
        "date": date,
        "command": " ".join(["python bench/intervals.py", *arguments]),
        "epsilon": EPSILON,
        "delta": DELTA,
        "level": LEVEL,
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            **{library: version(library) for library in ("dpsynth", "opendp", "numpy", "scipy")},
        },
        "cases": list(cases),
    }
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"intervals-{name}{date}.json"
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="coverage and width of the intervals of fitted models")
    parser.add_argument("--fits", type=int, default=40)
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--models", type=Path, default=None)
    parser.add_argument("--name", default="")
    chosen = parser.parse_args()
    folder = Path(os.environ.get("DPSYNTH_BENCH_DATA", ""))
    wanted = [text.partition(":") for text in chosen.cases.split(",")]
    known = [(name, rest) for name, _, rest in wanted if (folder / f"{TABLES[name]}.csv.gz").exists()]
    if not os.environ.get("DPSYNTH_BENCH_DATA") or not known:
        print("skipped: DPSYNTH_BENCH_DATA names no folder with adult_mckenna.csv.gz or nltcs.csv.gz")
        return
    tables = {name: load(folder, TABLES[name]) for name in {name for name, _ in known}}
    cases = []
    for name, rest in known:
        method, _, fits = rest.partition("*")
        cases.append(case(tables[name], name, method, int(fits or chosen.fits), chosen.models))
        print(f"{name} {method}{'' if cases[-1]['reached'] else ' MISSED'}", flush=True)
        for kind, values in cases[-1]["mean"].items():
            print(f"  {kind}: " + " ".join(f"{key} {value}" for key, value in values.items()), flush=True)
    # A folder of kept models is nobody else's concern.
    arguments = [word for word in sys.argv[1:] if str(chosen.models) not in word and word != "--models"]
    print(f"wrote {record(arguments, cases, chosen.name).name}")


if __name__ == "__main__":
    main()
