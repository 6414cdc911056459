"""One good and three bad releases of Adult, as a steward would make and audit them: by the command line.

    python bench/audit_releases.py [--only good copied planted planted-10 loud] [--output FILE.json]

The Adult table that ships with dpsynth (48,842 × 15), a fifth held out by ``fit --holdout``, ``mst`` at epsilon 1, the
default gate. *copied*: a tenth of the synthetic rows replaced by fitted ones. *planted*: 300 persons are given an
occupation of their own, the domain lists those of the fitted persons and calls them public; it is audited under the
same schema with ``source: data``, so the rule and the support attack both have their say; at epsilon 1 and 10. *loud*:
epsilon 1000. For each its verdict, what failed, and CPU seconds of the audit; ``--only`` adds to the file of the day.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.csv

RESULTS = Path(__file__).resolve().parent / "results"
RELEASES = {"good": "1", "copied": "1", "planted": "1", "planted-10": "10", "loud": "1000"}
"""Each with its epsilon; 10 is the largest that the gate lets pass by its rules."""

HELD_OUT = Fraction(1, 5)
COPIED = 0.1
PLANTED = 300
SECRET = "occupation"  # noqa: S105 (a column)


def dpsynth(folder: Path, *arguments: str) -> tuple[int, float]:
    """The exit code of a command in the folder, and its CPU seconds; what it says goes to stderr."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"HOME": str(folder), "DPSYNTH_LEDGER": str(folder / "ledger.db")}
    run = subprocess.run(
        [sys.executable, "-m", "dpsynth", *arguments], cwd=folder, env=environment, stdout=sys.stderr, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return run.returncode, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def adult(folder: Path) -> pa.Table:
    """The table and its schema as ``people.csv`` and ``schema.yaml``."""
    data = resources.files("dpsynth.demo_data")
    (folder / "schema.yaml").write_text((data / "schema.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with resources.as_file(data / "adult.csv.gz") as path:
        table = pyarrow.csv.read_csv(path)
    pyarrow.csv.write_csv(table, folder / "people.csv")
    return table


def fitted(folder: Path, epsilon: str) -> None:
    """``m.dps`` with its holdout."""
    how = ("--epsilon", epsilon, "--method", "mst", "--holdout", str(HELD_OUT), "--quiet")
    must(dpsynth(folder, "fit", "people.csv", "-s", "schema.yaml", *how, "-o", "m.dps"))


def sampled(folder: Path) -> None:
    """``m.csv`` from it."""
    must(dpsynth(folder, "sample", "m.dps", "--seed", "20261127", "--quiet", "-o", "m.csv"))


def must(outcome: tuple[int, float]) -> None:
    if outcome[0]:
        raise SystemExit(f"a command ended with {outcome[0]}")


def copied(folder: Path, table: pa.Table) -> None:
    """``m.csv`` with fitted rows in place of its first tenth."""
    from dpsynth.pipeline.holdout import read_holdout

    made = pyarrow.csv.read_csv(folder / "m.csv")
    fitted = np.flatnonzero(~read_holdout(folder / "m.dps.holdout.json").coins.of_rows(0, table.num_rows))
    count = round(COPIED * made.num_rows)
    rows = np.random.default_rng(20261127).choice(fitted, count, replace=False)
    real = table.take(pa.array(rows)).select(made.column_names)
    tables = [real, made.slice(count)]
    (folder / "m.csv.dpsynth.json").unlink(missing_ok=True)
    pyarrow.csv.write_csv(pa.concat_tables(tables, promote_options="permissive"), folder / "m.csv")


def planted(folder: Path, table: pa.Table, epsilon: str) -> None:
    """Occupations of one person each, and a fit whose domain lists those of the fitted persons as public.

    The coins that tell who is fitted are tossed within a fit. So that a schema can know them before, this one fit is
    made in this process, with a key that was drawn in advance.
    """
    from dpsynth.anonymization.masks.keys import MaskKey
    from dpsynth.curator.holdout import Coins
    from dpsynth.pipeline.fit import fit

    drawn = MaskKey.fresh()
    held = Coins(drawn[0], HELD_OUT).of_rows(0, table.num_rows)
    values = np.array(table[SECRET].to_pylist(), dtype=object)
    values[np.random.default_rng(7).choice(table.num_rows, PLANTED, replace=False)] = [
        f"Occupation-{number}" for number in range(PLANTED)
    ]
    mine = table.set_column(table.column_names.index(SECRET), SECRET, pa.array(values, pa.string()))
    pyarrow.csv.write_csv(mine, folder / "people.csv")
    listed = sorted({str(value) for value in values[~held]} - {"?", "None"})
    schema(folder, listed, "public")
    with patch.object(MaskKey, "fresh", staticmethod(lambda: drawn)):
        fit(
            folder / "people.csv",
            folder / "schema.yaml",
            epsilon=epsilon,
            method="mst",
            holdout=HELD_OUT,
            output=folder / "m.dps",
            ledger=folder / "ledger.db",
        )
    sampled(folder)
    schema(folder, listed, "data")


def schema(folder: Path, listed: list[str], source: str) -> None:
    """The schema with these occupations, and where they are said to come from."""
    import yaml

    document = yaml.safe_load((folder / "schema.yaml").read_text(encoding="utf-8"))
    (field,) = (field for field in document["fields"] if field["name"] == SECRET)
    field["constraints"]["enum"], field["dpsynth"]["source"] = listed, source
    (folder / "schema.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def measured(name: str) -> dict[str, Any]:
    """What the default gate says of this release, and why."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = adult(folder)
        if name.startswith("planted"):
            planted(folder, table, RELEASES[name])
        else:
            fitted(folder, RELEASES[name])
            sampled(folder)
        if name == "copied":
            copied(folder, table)
        more = ("-s", "schema.yaml") if name.startswith("planted") else ()
        code, seconds = dpsynth(
            folder, "audit", "release", "people.csv", "m.csv", "--model", "m.dps", *more, "-o", "audit.json"
        )
        audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    return {
        "exit": code,
        "verdict": audit["verdict"],
        "samples": audit["samples"],
        "cpu_seconds": seconds,
        "rules": {one["rule"]: one["verdict"] for one in audit["rules"]},
        "failed": [brief(one) for one in audit["findings"] if one["verdict"] == "FAIL"],
        "support": [brief(one) for one in audit["findings"] if one["attack"] == "support"],
        "smoke_test": {one["name"]: one["value"] for one in audit["smoke_test"]},
    }


def brief(finding: dict[str, Any]) -> dict[str, Any]:
    kept = ("risk", "attack", "group", "threshold", "verdict", "trials", "words")
    return {key: finding[key] for key in kept}


def main() -> None:
    parser = argparse.ArgumentParser(description="a good and three bad releases of Adult under audit release")
    parser.add_argument("--only", nargs="+", choices=list(RELEASES), default=list(RELEASES))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    target = arguments.output or RESULTS / f"audit_releases-{today}.json"
    figures = json.loads(target.read_text(encoding="utf-8"))["figures"] if target.exists() else {}
    for name in arguments.only:
        figures[name] = found = measured(name)
        print(f"{name}: {found['verdict']}, {found['cpu_seconds']:.0f} CPU s")
        for one in found["failed"]:
            print(f"  {one['words']}")
    facts = {
        "command": "python bench/audit_releases.py",
        "date": today,
        "figures": {name: figures[name] for name in RELEASES if name in figures},
        "versions": {name: version(name) for name in ("dpsynth", "numpy", "scipy", "pyarrow", "opendp")},
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()},
    }
    target.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
