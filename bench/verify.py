"""What it costs a partner to verify a release: ``dpsynth verify`` as a whole process.

    python bench/verify.py [--rows 1000000] [--runs 3] [--output FILE.json]

The bundled Adult table (15 columns) is fitted at epsilon 1, a million rows are drawn from the model, and a signed
release of them is made, with the model: as a folder and as a zip. Measured are CPU seconds, wall seconds and peak
memory of ``dpsynth verify`` with the public key, and that one changed byte in the middle of the CSV is found.
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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import resources
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import dpsynth
from dpsynth.pipeline.release import Terms, release
from dpsynth.pipeline.sample import sample
from dpsynth.release.keys import PrivateKey
from dpsynth.release.layout import table_members
from dpsynth.schema import Schema

RESULTS = Path(__file__).resolve().parent / "results"
LIMITS = {"folder_cpu_seconds": 10.0, "zip_cpu_seconds": 10.0}
NAME = "adult"
PLACES = {"folder": "r", "zip": "r.zip", "changed": "changed"}


def process(arguments: Sequence[str], wanted: int) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory (10**6 bytes) of ``dpsynth`` ending with the code ``wanted``."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "dpsynth", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != wanted:
        sys.exit(f"dpsynth {arguments[0]} ended with {child.returncode} instead of {wanted}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "wall_seconds": round(wall, 3),
        "peak_mb": round(usage.ru_maxrss * unit / 1e6, 1),
    }


def build(folder: Path, rows: int) -> dict[str, int]:
    """A release as folder, as zip and as a folder with one changed byte, and its key; the sizes of its members."""
    bundled = resources.files("dpsynth.demo_data")
    schema = Schema.loads((bundled / "schema.yaml").read_text(encoding="utf-8"))
    with resources.as_file(bundled / "adult.csv.gz") as table:
        model = dpsynth.fit(table, schema, epsilon=1, ledger=folder / "l.db")
    model.write(folder / "model.dps")
    sample(model, folder / "s.parquet", n=rows, seed=1)
    PrivateKey.create().save(folder / "k")
    for name in PLACES.values():
        release(
            folder / "s.parquet",
            model=folder / "model.dps",
            key=folder / "k",
            output=folder / name,
            ledger=folder / "l.db",
            terms=Terms(name=NAME, override="a benchmark", with_model=True),
        )
    csv = folder / PLACES["changed"] / table_members(NAME)[0]
    with csv.open("r+b") as file:
        file.seek(csv.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    place = folder / PLACES["folder"]
    return {one.relative_to(place).as_posix(): one.stat().st_size for one in sorted(place.rglob("*")) if one.is_file()}


def measured(folder: Path, rows: int, runs: int) -> dict[str, object]:
    """All runs and their medians, of the folder, the zip, and the folder with one changed byte."""
    # In a process of its own: a child's peak memory counts from that of its parent.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        sizes = pool.submit(build, folder, rows).result()
    found: dict[str, object] = {"rows": rows, "bytes": sizes}
    for name, place in PLACES.items():
        arguments = ["verify", str(folder / place), "--key", str(folder / "k.pub")]
        all_runs = [process(arguments, 6 if name == "changed" else 0) for _ in range(runs)]
        found[name] = {
            **{key: round(statistics.median(run[key] for run in all_runs), 3) for key in all_runs[0]},
            "runs": all_runs,
        }
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--output", type=Path, default=RESULTS / f"verify-{dt.datetime.now(tz=dt.UTC).date().isoformat()}.json"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), options.rows, options.runs)
    facts = {
        "command": f"python bench/verify.py --rows {options.rows} --runs {options.runs}",
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "machine": {"cpus": os.cpu_count(), "architecture": platform.machine()},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("dpsynth", "numpy", "pyarrow")}},
        "limits": LIMITS,
        "result": found,
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: found[name] for name in ("folder", "zip", "changed")}, indent=1))


if __name__ == "__main__":
    main()
