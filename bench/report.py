"""Reports: how large the page is and what it costs, of Adult and of a wide made-up table.

Run: python bench/report.py. Floors: Adult 400 kB and 5 CPU seconds, 200 columns 1 MB. The wide table has 2,000 made-up
rows of 200 columns with 81 values each.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import dpsynth
from dpsynth.ledger import Ledger
from dpsynth.models import Model
from dpsynth.pipeline.report import report
from dpsynth.pipeline.sample import sample

RESULTS = Path(__file__).resolve().parent / "results"
WIDE = 200


def timed(model: Model, ledger: Ledger, **what: Any) -> dict[str, float]:
    """Kilobytes of the page and CPU seconds of report and page."""
    began = time.process_time()
    page = report(model, ledger=ledger, **what).to_html()
    return {"kilobytes": round(len(page.encode()) / 1_000, 1), "cpu_seconds": round(time.process_time() - began, 2)}


def both(model: Model, ledger: Ledger, folder: Path, real: str) -> dict[str, Any]:
    """Both editions, the internal one with the real rows."""
    table = str(folder / "synthetic.csv")
    sample(model, table, seed=2)
    return {
        "public": timed(model, ledger, synthetic=table, edition="public"),
        "internal": timed(model, ledger, synthetic=table, real=real),
    }


def adult(folder: Path) -> dict[str, Any]:
    """All of Adult, by mst."""
    data = resources.files("dpsynth.demo_data")
    ledger = Ledger.open(folder / "ledger.db")
    with resources.as_file(data / "adult.csv.gz") as real, resources.as_file(data / "schema.yaml") as schema:
        model = dpsynth.fit(str(real), str(schema), epsilon=1, method="mst", ledger=ledger)
        return both(model, ledger, folder, str(real))


def wide(folder: Path) -> dict[str, Any]:
    """A table of 200 columns."""
    names = [f"column {number}" for number in range(WIDE)]
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(draw.integers(0, 81, (2_000, WIDE)), columns=names)
    frame.to_csv(folder / "wide.csv", index=False)
    ledger = Ledger.open(folder / "ledger.db")
    schema = dpsynth.Schema.from_domain(dict.fromkeys(names, 81), public="made up")
    model = dpsynth.fit(str(folder / "wide.csv"), schema, epsilon=1, method="independent", ledger=ledger)
    return both(model, ledger, folder, str(folder / "wide.csv"))


def main() -> None:
    """Measure, print, and write the dated result."""
    found = {}
    for name, measured in (("adult", adult), ("200 columns", wide)):
        with TemporaryDirectory() as folder:
            found[name] = measured(Path(folder))
        print(name, found[name], flush=True)
    record = {"command": "python bench/report.py", "date": datetime.now(UTC).date().isoformat(), "result": found}
    target = RESULTS / f"report-{datetime.now(UTC).date()}.json"
    target.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
