"""The attacks of the release audit on Adult: time, memory, and what they say about an honest and two bad releases.

    python bench/audit_attacks.py [--method mst] [--epsilon 1] [--seed 1] [--output FILE.json]

The Adult table that ships with dpsynth (48,842 × 15), a fifth held out by a coin per row before the fit. Three
releases: a model at ``--epsilon`` and a sample from it; the same sample with a tenth of its rows replaced by fitted
rows; a model at epsilon 1000. All attacks with default sizes; CPU seconds and the peak of the process's memory. The
limits on risks are written down below: the policy packs of ``audit release`` carry their own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import sys
import time
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

if TYPE_CHECKING:
    from dpsynth.audit.attacks.tables import AttackedTables
    from dpsynth.evidence import InternalFinding
    from dpsynth.metrics import CodedTable
    from dpsynth.models import Model
    from dpsynth.schema import Schema

RESULTS = Path(__file__).resolve().parent / "results"
LIMITS = {"cpu_seconds": 120, "peak_gigabytes": 2}
HELD_OUT = 0.2
COPIED = 0.1
WP216 = 0.09
MEMBERSHIP = 0.2
TRUE_POSITIVES = 0.05


def adult() -> tuple[Schema, pa.Table]:
    """The table that ships with dpsynth, as strings, and its schema."""
    from dpsynth.schema import Schema

    folder = resources.files("dpsynth.demo_data")
    schema = Schema.loads((folder / "schema.yaml").read_text(encoding="utf-8"))
    with resources.as_file(folder / "adult.csv.gz") as path:
        return schema, pyarrow.csv.read_csv(path)


def coded(schema: Schema, table: pa.Table) -> CodedTable:
    """The codes of a table."""
    from dpsynth.metrics import CodedTable, smallest_dtype

    domain = schema.domain
    codes: dict[str, list[Any]] = {name: [] for name in domain}
    for batch in table.select(schema.columns(domain.attributes)).to_batches():
        for name, column in schema.encode(domain.attributes, batch).items():
            codes[name].append(column.astype(smallest_dtype(domain[name])))
    return CodedTable(domain, {name: np.concatenate(parts) for name, parts in codes.items()})


def released(schema: Schema, fitted: pa.Table, method: str, epsilon: float, seed: int) -> tuple[Model, CodedTable]:
    """A model of the fitted rows, and its sample."""
    import dpsynth
    from dpsynth.metrics import CodedTable

    ledger = dpsynth.Ledger.in_memory()
    model = dpsynth.fit(fitted, schema, epsilon=epsilon, method=method, unit="row", ledger=ledger)
    codes = model.distribution.sample_codes(model.default_rows, np.random.default_rng(seed))
    return model, CodedTable(schema.domain, codes)


def with_copies(tables: AttackedTables, rng: np.random.Generator) -> AttackedTables:
    """The same with a tenth of the synthetic rows replaced by fitted rows."""
    from dpsynth.audit.attacks.tables import AttackedTables, first, joined, taken

    count = round(COPIED * tables.synthetic.rows)
    copies = taken(tables.fitted, rng.permutation(tables.fitted.rows)[:count])
    kept = first(tables.synthetic, tables.synthetic.rows - count)
    return AttackedTables(tables.fitted, tables.held_out, joined([kept, copies]))


def audited(tables: AttackedTables, answers: list[Any], seed: int) -> dict[str, Any]:
    """All findings on one release, with the time that they took."""
    from dpsynth.audit.attacks.suite import attacked
    from dpsynth.audit.judging import by_risk, judged

    start = time.process_time()
    found = attacked(tables, np.random.default_rng(seed), answers=answers)
    findings = judged([one.against(limit(one.risk, one.measure)) for one in found.observed])
    seconds = time.process_time() - start
    return {
        "cpu_seconds": seconds,
        "verdicts": {risk: verdict.value for risk, verdict in by_risk(findings).items()},
        "auc": {f"{r.name}, {r.group}": [r.auc.area, *interval(r.auc)] for r in found.membership},
        "findings": [brief(finding) for finding in findings],
        "smoke": {figure.name: figure.value for figure in found.smoke},
    }


def interval(auc: Any) -> list[float]:
    low_high = auc.interval()
    return [low_high.low, low_high.high]


def limit(risk: str, measure: str) -> float:
    """The largest risk accepted in this benchmark."""
    if measure.startswith("true positives"):
        return TRUE_POSITIVES
    return MEMBERSHIP if risk == "membership" else WP216


def brief(finding: InternalFinding) -> dict[str, Any]:
    bounds = finding.figure.interval
    return {
        "risk": finding.risk,
        "attack": finding.attack,
        "group": finding.group,
        "measure": finding.figure.name,
        "value": finding.figure.value,
        "bounds": [bounds.low, bounds.high] if bounds else None,
        "threshold": finding.threshold,
        "verdict": finding.verdict.value,
        "trials": dict(finding.trials),
        "needed": finding.needed,
        "facts": dict(finding.facts),
    }


def measured(method: str, epsilon: float, seed: int) -> dict[str, Any]:
    """The three releases under attack."""
    from dpsynth.audit.attacks.tables import AttackedTables
    from dpsynth.privacy.answers import NoisyMarginal

    schema, table = adult()
    coins = np.random.default_rng(seed).random(table.num_rows) < HELD_OUT
    fitted, held_out = (table.filter(pa.array(side)) for side in (~coins, coins))
    real, control = coded(schema, fitted), coded(schema, held_out)
    figures: dict[str, Any] = {"fitted_rows": real.rows, "held_out_rows": control.rows, "columns": len(schema.domain)}
    for name, price in ((f"epsilon {epsilon:g}", epsilon), ("epsilon 1000", 1000.0)):
        model, synthetic = released(schema, fitted, method, price, seed)
        answers = [answer for answer in model.answers if isinstance(answer, NoisyMarginal)]
        tables = AttackedTables(real, control, synthetic)
        figures[name] = audited(tables, answers, seed)
        if price == epsilon:
            figures["10 % real rows"] = audited(with_copies(tables, np.random.default_rng(seed)), answers, seed)
    figures["peak_gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="attacks of the release audit on Adult")
    parser.add_argument("--method", default="mst")
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1, help="of the split, the sample and the attacks, never of noise")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = measured(arguments.method, arguments.epsilon, arguments.seed)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    facts = {
        "command": f"python bench/audit_attacks.py {' '.join(sys.argv[1:])}".strip(),
        "date": today,
        "limits": LIMITS,
        "figures": figures,
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "scipy", "pyarrow", "opendp")},
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
    }
    target = arguments.output or RESULTS / f"audit_attacks-{today}.json"
    target.write_text(json.dumps(facts, indent=1) + "\n")
    for name, found in figures.items():
        if isinstance(found, dict):
            print(f"{name}: {found['cpu_seconds']:.0f} CPU s, {found['verdicts']}")
    print(f"peak {figures['peak_gigabytes']:.2f} GB")


if __name__ == "__main__":
    main()
