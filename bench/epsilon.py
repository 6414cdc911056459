"""Error against epsilon on the Adult table that ships with dpsynth, and the picture of it in the guide.

    python bench/epsilon.py [--fits 5] [--epsilons 0.1,0.3,1,3,10]
    python bench/epsilon.py --draw bench/results/epsilon-DATE.json

Method ``auto`` with its default settings, delta 1e-9, a ledger per fit, OpenDP's noise; fits cannot be seeded. ``tvd2``
is the mean total variation distance over all pairs of columns, in the codes of the bundled schema, between the table
and a sample with as many rows; ``largest_tvd2`` that of the worst pair. Two yardsticks need no fit: ``resampled`` is as
many rows drawn with replacement from the table itself, ``independent`` keeps every column exactly and forgets how they
hang together. ``--draw`` writes docs/guide/epsilon-error.svg from a result.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import statistics
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.peers.drawing import Plot, Series, draw

from dpsynth.ledger import Ledger
from dpsynth.metrics import CodedTable
from dpsynth.pipeline.fit import fit
from dpsynth.schema import Schema

if TYPE_CHECKING:
    from dpsynth.domain import Domain

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "guide" / "epsilon-error.svg"
DELTA = "1e-9"
BLUE = "#0969da"


def bundled() -> tuple[Schema, pa.Table, CodedTable]:
    """The bundled schema, the table as text, and its codes."""
    folder = files("dpsynth").joinpath("demo_data")
    schema = Schema.loads(folder.joinpath("schema.yaml").read_text(encoding="utf-8"))
    with folder.joinpath("adult.csv.gz").open("rb") as file, pa.input_stream(file, compression="gzip") as plain:
        texts = pa.csv.ConvertOptions(column_types={one.name: pa.string() for one in schema.fields})
        table = pa.csv.read_csv(plain, convert_options=texts)
    domain = schema.domain
    codes = {name: schema.codec(name).encode(table[name].combine_chunks()).astype(np.int64) for name in domain}
    return schema, table, CodedTable(domain, codes)


def pair_distances(real: CodedTable, other: CodedTable) -> list[float]:
    """The total variation distance of every pair of columns."""
    pairs = real.domain.cliques(2)
    both = zip(real.marginals(pairs), other.marginals(pairs), strict=True)
    return [0.5 * float(np.abs(one / real.rows - two / other.rows).sum()) for one, two in both]


def independent_distances(real: CodedTable) -> list[float]:
    """The same from the product of the exact single columns."""
    single = dict(zip(real.domain, (counts / real.rows for counts in columns(real)), strict=True))
    pairs = real.domain.cliques(2)
    joint = zip(pairs, real.marginals(pairs), strict=True)
    return [0.5 * float(np.abs(n / real.rows - np.outer(single[a], single[b])).sum()) for (a, b), n in joint]


def columns(real: CodedTable) -> list[NDArray[Any]]:
    """The counts of every column alone."""
    return list(real.marginals(real.domain.cliques(1)))


def summary(distances: list[float]) -> dict[str, float]:
    return {"tvd2": round(statistics.mean(distances), 5), "largest_tvd2": round(max(distances), 5)}


def one_fit(real: CodedTable, table: pa.Table, schema: Schema, epsilon: str, seed: int) -> dict[str, float]:
    """One fit and one sample of as many rows."""
    model = fit(table, schema, epsilon=epsilon, delta=DELTA, ledger=Ledger.in_memory()).model
    codes = model.distribution.sample_codes(real.rows, np.random.default_rng(seed))
    domain: Domain = real.domain
    return summary(pair_distances(real, CodedTable(domain, codes)))


def measured(epsilons: list[str], fits: int) -> dict[str, Any]:
    """All figures, as the result file holds them."""
    schema, table, real = bundled()
    drawn = np.random.default_rng(20261126).integers(0, real.rows, real.rows)
    again = CodedTable(real.domain, {name: real.columns[name][drawn] for name in real.domain})
    cases = []
    for epsilon in epsilons:
        runs = [one_fit(real, table, schema, epsilon, seed) for seed in range(fits)]
        mean = {key: round(statistics.mean(run[key] for run in runs), 4) for key in runs[0]}
        cases.append({"epsilon": epsilon, "mean": mean, "fits": runs})
        print(f"epsilon {epsilon}: {mean}", flush=True)
    return {
        "rows": real.rows,
        "columns": len(tuple(real.domain)),
        "yardsticks": {
            "resampled": summary(pair_distances(real, again)),
            "independent": summary(independent_distances(real)),
        },
        "cases": cases,
    }


def written(content: dict[str, Any], arguments: list[str]) -> Path:
    """One dated JSON file."""
    date = dt.datetime.now(dt.UTC).date().isoformat()
    names = ("dpsynth", "opendp", "numpy", "scipy", "networkx")
    head = {
        "benchmark": "epsilon",
        "date": date,
        "command": " ".join(["python bench/epsilon.py", *arguments]),
        "table": "bundled UCI Adult",
        "method": "auto",
        "delta": DELTA,
        "metric": "mean and largest total variation distance of pairs of columns; n-row samples; mean of the fits",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
    }
    return put(ROOT / "bench" / "results" / f"epsilon-{date}.json", json.dumps(head | content, indent=2) + "\n")


def picture(content: dict[str, Any]) -> str:
    """Error against epsilon as SVG."""
    points = tuple((float(case["epsilon"]), case["mean"]["tvd2"]) for case in content["cases"])
    marks = content["yardsticks"]
    return draw(
        Plot(
            title=f"UCI Adult, {content['rows']:,} rows: how far a synthetic table is from the real one",
            x_label="ε of the fit",
            y_label="mean distance of two columns together (0: the same, 1: nothing in common)",
            series=(Series("one fit", BLUE, "circle", points),),
            guides=(
                ("columns exact, but independent of each other", marks["independent"]["tvd2"]),
                ("as many rows drawn again from the real table", marks["resampled"]["tvd2"]),
            ),
            x_ticks=tuple(x for x, _ in points),
        )
    )


def put(target: Path, text: str) -> Path:
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="error against epsilon on the bundled table")
    parser.add_argument("--fits", type=int, default=5)
    parser.add_argument("--epsilons", default="0.1,0.3,1,3,10")
    parser.add_argument("--draw", type=Path, help="a result to draw, instead of measuring")
    chosen = parser.parse_args()
    if chosen.draw is None:
        target = written(measured(chosen.epsilons.split(","), chosen.fits), sys.argv[1:])
    else:
        target = put(PICTURE, picture(json.loads(chosen.draw.read_text(encoding="utf-8"))))
    print(f"written: {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
